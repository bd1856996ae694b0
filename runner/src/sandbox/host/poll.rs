//! `poll_oneoff` for a guest whose clock is its own: a sleep moves that clock and returns at once.
//!
//! wasmtime-wasi's waits in real time, whatever clock it was given.

use wasmtime_wasi::p1::types::{
    Clockid, Errno, Error, Event, EventFdReadwrite, Eventrwflags, Eventtype, Fd, Size,
    Subclockflags, Subscription, SubscriptionClock, SubscriptionU, Userdata,
};
use wasmtime_wasi::p1::wasi_snapshot_preview1::WasiSnapshotPreview1 as Wasi;
use wiggle::{GuestMemory, GuestPtr};

use super::GuestHost;

/// More at once than any runtime asks for: each takes memory of the host's.
const MAX_SUBSCRIPTIONS: u32 = 4096;

/// Files and streams are always ready; where none is asked for, the earliest timer is.
///
/// # Errors
/// `inval` for none or too many subscriptions; what is wrong with one of them goes into its event.
pub(super) async fn poll(
    host: &mut GuestHost,
    memory: &mut GuestMemory<'_>,
    subscriptions: GuestPtr<Subscription>,
    events: GuestPtr<Event>,
    count: Size,
) -> Result<Size, Error> {
    if count == 0 || count > MAX_SUBSCRIPTIONS {
        return Err(Errno::Inval.into());
    }
    let mut ready = Vec::new();
    let mut timers = Vec::new();
    let now = host.clock.look();
    for subscription in subscriptions.as_array(count).iter() {
        let Subscription { userdata, u } = memory.read(subscription?)?;
        match u {
            SubscriptionU::Clock(clock) => match deadline(&clock, host, now) {
                Ok(at) => timers.push((at, userdata)),
                Err(error) => ready.push(event(userdata, Eventtype::Clock, error)),
            },
            SubscriptionU::FdRead(on) => {
                let error = check(host, memory, on.file_descriptor).await?;
                ready.push(event(userdata, Eventtype::FdRead, error));
            }
            SubscriptionU::FdWrite(on) => {
                let error = check(host, memory, on.file_descriptor).await?;
                ready.push(event(userdata, Eventtype::FdWrite, error));
            }
        }
    }
    let earliest = timers.iter().map(|(at, _)| *at).min();
    let until = match earliest {
        Some(earliest) if ready.is_empty() => {
            host.clock.sleep_until(earliest);
            earliest.max(now)
        }
        _ => now,
    };
    for (at, userdata) in timers {
        if at <= until {
            ready.push(event(userdata, Eventtype::Clock, Errno::Success));
        }
    }
    for (event, place) in ready.iter().zip(events.as_array(count).iter()) {
        memory.write(place?, event.clone())?;
    }
    Ok(u32::try_from(ready.len())?)
}

/// When a timer is due, on the guest's own clock.
fn deadline(clock: &SubscriptionClock, host: &GuestHost, now: u64) -> Result<u64, Errno> {
    let absolute = clock
        .flags
        .contains(Subclockflags::SUBSCRIPTION_CLOCK_ABSTIME);
    match (clock.id, absolute) {
        (Clockid::Realtime | Clockid::Monotonic, false) => Ok(now.saturating_add(clock.timeout)),
        (Clockid::Monotonic, true) => Ok(clock.timeout),
        (Clockid::Realtime, true) => Ok(host.clock.since_start(clock.timeout)),
        (Clockid::ProcessCputimeId | Clockid::ThreadCputimeId, _) => Err(Errno::Inval),
    }
}

/// Whether the guest has such a descriptor.
async fn check(host: &mut GuestHost, memory: &mut GuestMemory<'_>, fd: Fd) -> Result<Errno, Error> {
    match Wasi::fd_fdstat_get(&mut host.wasi, memory, fd).await {
        Ok(_) => Ok(Errno::Success),
        Err(error) => Ok(error.downcast().map_err(Error::trap)?),
    }
}

fn event(userdata: Userdata, type_: Eventtype, error: Errno) -> Event {
    Event {
        userdata,
        error,
        type_,
        fd_readwrite: EventFdReadwrite {
            nbytes: u64::from(type_ != Eventtype::Clock && error == Errno::Success),
            flags: Eventrwflags::empty(),
        },
    }
}
