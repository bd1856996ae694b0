//! What is worth another try, and when: one policy for data, stores and Nomad, as `object_store` has it in `client/retry.rs`.
//!
//! Connections that are refused, reset or time out, names that are not resolved, 408, 429 and 5xx may pass. A certificate
//! that is not trusted, an address that is not allowed and every other status will not.

use std::time::{Duration, Instant};

use backon::{BackoffBuilder, ExponentialBackoff, ExponentialBuilder};
use http::{HeaderMap, StatusCode, header};

use super::cause;
use crate::policy::RefusedAddress;

/// A server may ask for any wait; what is longer is as good as a refusal, and sums of it must not overflow.
const LONGEST_ASKED: Duration = Duration::from_secs(24 * 3600);

/// For how long a server is tried to which no connection came about: one that starts again needs no longer, and a name that
/// is misspelled should not take minutes.
pub const TO_CONNECT: Duration = Duration::from_secs(10);

/// Whether a later answer may be another one.
#[must_use]
pub fn may_pass(status: StatusCode) -> bool {
    matches!(
        status,
        StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_MANY_REQUESTS
    ) || status.is_server_error()
}

/// Why a request got no whole answer, and whether that may pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lost {
    /// No connection came about.
    NotConnected,
    /// The connection broke off, or the server fell silent.
    BrokenOff,
    /// Another try would end in the same way.
    ForGood,
}

impl Lost {
    #[must_use]
    pub fn of(error: &reqwest::Error) -> Self {
        let certificate = cause::<rustls::Error>(error).is_some_and(|problem| {
            matches!(
                problem,
                rustls::Error::InvalidCertificate(_) | rustls::Error::NoCertificatesPresented
            )
        });
        if certificate
            || error.is_builder()
            || error.is_redirect()
            || cause::<RefusedAddress>(error).is_some()
        {
            Self::ForGood
        } else if error.is_connect() {
            Self::NotConnected
        } else {
            Self::BrokenOff
        }
    }
}

/// What `Retry-After` asks for: a number of seconds, or a date.
#[must_use]
pub fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get(header::RETRY_AFTER)?.to_str().ok()?.trim();
    let asked = if text.bytes().all(|byte| byte.is_ascii_digit()) && !text.is_empty() {
        // More seconds than fit into the number are too many anyway.
        text.parse().map_or(LONGEST_ASKED, Duration::from_secs)
    } else {
        let date = jiff::fmt::rfc2822::parse(text).ok()?.timestamp();
        let wait = date.as_second() - jiff::Timestamp::now().as_second();
        Duration::from_secs(u64::try_from(wait).unwrap_or(0))
    };
    Some(asked.min(LONGEST_ASKED))
}

/// Pauses between tries: growing, and random, so that a thousand allocations that failed at one moment do not come back at
/// one moment.
#[derive(Debug)]
pub struct Backoff {
    delays: ExponentialBackoff,
    longest: Duration,
    begun: Instant,
    limit: Limit,
    tries: u32,
}

#[derive(Clone, Copy, Debug)]
enum Limit {
    Tries(u32),
    Patience(Duration),
}

/// Why there is no other try.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum GiveUp {
    #[error("{0} tries")]
    Tries(u32),
    #[error("again and again for {0:.0?}")]
    Patience(Duration),
    #[error("the server asks to wait for {0:.0?}, which is too long")]
    Asked(Duration),
}

impl Backoff {
    /// As many tries after the first one. No wait is longer than two minutes.
    #[must_use]
    pub fn tries(retries: u32) -> Self {
        let delays = delays(Duration::from_millis(250), Duration::from_secs(30));
        Self::new(delays, Limit::Tries(retries))
    }

    /// As many tries as fit into that time, and two at least: the last one begins when it ends.
    #[must_use]
    pub fn patience(patience: Duration) -> Self {
        let delays = delays(Duration::from_millis(100), Duration::from_secs(20));
        Self::new(delays, Limit::Patience(patience))
    }

    /// The same with pauses that grow to `longest` at most, unless the server asks for more.
    #[must_use]
    pub fn with_longest(mut self, longest: Duration) -> Self {
        self.longest = longest;
        self
    }

    fn new(delays: ExponentialBackoff, limit: Limit) -> Self {
        Self {
            delays,
            longest: Duration::MAX,
            begun: Instant::now(),
            limit,
            tries: 1,
        }
    }

    /// How many tries there were.
    #[must_use]
    pub fn tried(&self) -> u32 {
        self.tries
    }

    /// How long to wait before the next try. `asked` is what the server wants.
    ///
    /// # Errors
    /// When there is none.
    pub fn next(&mut self, asked: Option<Duration>) -> Result<Duration, GiveUp> {
        self.next_within(asked, Duration::MAX)
    }

    /// The same where others share the time that is left.
    ///
    /// # Errors
    /// When there is none.
    pub fn next_within(
        &mut self,
        asked: Option<Duration>,
        left: Duration,
    ) -> Result<Duration, GiveUp> {
        const LONGEST: Duration = Duration::from_secs(120);
        let growing = self.delays.next().unwrap_or_default().min(self.longest);
        let asked = asked.unwrap_or_default();
        let wait = asked.saturating_add(growing);
        let wait = match self.limit {
            Limit::Tries(retries) if self.tries > retries => {
                return Err(GiveUp::Tries(self.tries));
            }
            Limit::Tries(_) if asked > LONGEST => return Err(GiveUp::Asked(asked)),
            Limit::Tries(_) => wait,
            Limit::Patience(patience) => {
                let left = left.min(patience.saturating_sub(self.begun.elapsed()));
                if asked > left {
                    return Err(GiveUp::Asked(asked));
                }
                if left.is_zero() && self.tries > 1 {
                    return Err(GiveUp::Patience(patience));
                }
                wait.min(left)
            }
        };
        self.tries += 1;
        Ok(wait)
    }
}

fn delays(first: Duration, longest: Duration) -> ExponentialBackoff {
    ExponentialBuilder::default()
        .with_min_delay(first)
        .with_max_delay(longest)
        .with_jitter()
        .without_max_times()
        .build()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn asked(text: &str) -> Option<Duration> {
        let mut headers = HeaderMap::new();
        headers.insert(header::RETRY_AFTER, text.parse().unwrap());
        retry_after(&headers)
    }

    #[test]
    fn a_server_says_in_two_ways_how_long_to_wait() {
        assert_eq!(asked("7"), Some(Duration::from_secs(7)));
        assert_eq!(asked("Wed, 21 Oct 2015 07:28:00 GMT"), Some(Duration::ZERO));
        for forever in [
            "Mon, 21 Oct 2165 07:28:00 GMT",
            "18446744073709551615",
            "184467440737095516150",
        ] {
            assert_eq!(asked(forever), Some(LONGEST_ASKED), "{forever}");
        }
        for nonsense in ["soon", "-1", "", "1.5"] {
            assert_eq!(asked(nonsense), None, "{nonsense}");
        }
    }

    #[test]
    fn patience_is_used_up_and_never_without_a_second_try() {
        let mut short = Backoff::patience(Duration::ZERO);
        assert_eq!(short.next(None), Ok(Duration::ZERO));
        assert_eq!(short.next(None), Err(GiveUp::Patience(Duration::ZERO)));
        let patience = Duration::from_secs(30);
        let mut backoff = Backoff::patience(patience);
        for _ in 0..20 {
            assert!(backoff.next(None).unwrap() <= patience);
        }
        assert_eq!(
            backoff.next(Some(Duration::from_secs(31))),
            Err(GiveUp::Asked(Duration::from_secs(31)))
        );
        // What the server asks for is not the same for all who ask.
        let ten = Duration::from_secs(10);
        let waits: Vec<Duration> = (0..8)
            .map(|_| Backoff::patience(patience).next(Some(ten)).unwrap())
            .collect();
        assert!(waits.iter().all(|wait| *wait >= ten));
        assert!(waits.iter().any(|wait| *wait != waits[0]), "{waits:?}");
    }

    #[test]
    fn tries_are_counted() {
        let mut backoff = Backoff::tries(2);
        assert!(backoff.next(None).is_ok() && backoff.next(None).is_ok());
        assert_eq!(backoff.next(None), Err(GiveUp::Tries(3)));
        let long = Duration::from_secs(121);
        assert_eq!(Backoff::tries(2).next(Some(long)), Err(GiveUp::Asked(long)));
    }
}
