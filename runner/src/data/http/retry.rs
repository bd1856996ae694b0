use url::Url;

use super::Trouble;
use crate::data::DataError;
use crate::data::progress::Voice;
use crate::net::retry::Backoff;
use crate::policy::redacted;

/// Tries until it is done, until what went wrong will not pass, or until there were `retries` tries after the first.
pub(in crate::data) async fn retrying<T>(
    retries: u32,
    url: &Url,
    voice: &Voice,
    mut attempt: impl AsyncFnMut() -> Result<T, Trouble>,
) -> Result<T, DataError> {
    let mut backoff = Backoff::tries(retries);
    loop {
        let (problem, after) = match attempt().await {
            Ok(done) => return Ok(done),
            Err(Trouble::Final(error)) => return Err(error),
            Err(Trouble::Passing { problem, after }) => (problem, after),
        };
        let Ok(delay) = backoff.next(after) else {
            let tries = backoff.tried();
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
