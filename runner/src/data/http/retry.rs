use std::time::Duration;

use backon::{BackoffBuilder, ExponentialBuilder};
use url::Url;

use super::Trouble;
use crate::data::DataError;
use crate::data::progress::Voice;
use crate::policy::redacted;

const FIRST_DELAY: Duration = Duration::from_millis(250);
const LONGEST_DELAY: Duration = Duration::from_secs(30);
/// A server that wants to be left alone for longer is not waited for.
const LONGEST_RETRY_AFTER: Duration = Duration::from_secs(120);

/// Tries until it is done, until what went wrong will not pass, or until there were `retries` tries after the first.
pub(in crate::data) async fn retrying<T>(
    retries: u32,
    url: &Url,
    voice: &Voice,
    mut attempt: impl AsyncFnMut() -> Result<T, Trouble>,
) -> Result<T, DataError> {
    let mut delays = ExponentialBuilder::default()
        .with_min_delay(FIRST_DELAY)
        .with_max_delay(LONGEST_DELAY)
        .with_max_times(retries as usize)
        // Spreads a thousand allocations that failed at the same moment.
        .with_jitter()
        .build();
    let mut tries = 0;
    loop {
        tries += 1;
        let (problem, after) = match attempt().await {
            Ok(done) => return Ok(done),
            Err(Trouble::Final(error)) => return Err(error),
            Err(Trouble::Passing { problem, after }) => (problem, after.unwrap_or_default()),
        };
        let delay = delays.next().filter(|_| after <= LONGEST_RETRY_AFTER);
        let Some(delay) = delay.map(|delay| delay.max(after)) else {
            let plural = if tries == 1 { "try" } else { "tries" };
            return Err(DataError::Unreachable {
                url: redacted(url),
                problem,
                tries: format!("{tries} {plural}"),
            });
        };
        voice.say(|| tracing::info!("{}: {problem}; trying again in {delay:.1?}", redacted(url)));
        tokio::time::sleep(delay).await;
    }
}
