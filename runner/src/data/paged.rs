//! Salesforce's query results come in pages. They are joined into one, which holds all records and is done.

use std::collections::HashSet;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};

use flate2::read::MultiGzDecoder;
use sha2::{Digest, Sha256};
use url::Url;

use super::http::{Http, bad_answer, led};
use super::progress::Progress;
use super::sink::{Place, Sink};
use super::{DataError, Request};
use scan::{Page, Scan};

mod scan;

const CHUNK: usize = 1 << 18;

/// More pages are no query result: Salesforce has 200 records and more on each. It also bounds what is kept of them.
const MOST_PAGES: usize = 100_000;

/// Follows `nextRecordsUrl` until `done`. `first` is what the URL gave; what is no query result, or is done, stays as
/// it is. A page is on disk while its records are copied, so memory does not grow with the data.
pub(super) async fn follow(
    http: &Http<'_>,
    request: &Request,
    url: &Url,
    first: Sink,
    into: &Place,
    progress: &mut Progress,
) -> Result<Sink, DataError> {
    let is_object = first.head().trim_ascii_start().first() == Some(&b'{');
    if !is_object && !is_gzip(&first) {
        return Ok(first);
    }
    // Damaged gzip is for its reader to find.
    let scanned = scan(&first, into)
        .await
        .or_else(|error| match is_gzip(&first) {
            true => Ok(None),
            false => Err(error),
        })?;
    let Some(mut page) = scanned.filter(|page| !page.done) else {
        return Ok(first);
    };
    let name = request.source.to_string();
    let create = || Sink::create(into, name.clone(), request.max_bytes);
    let first = unpacked(first, create, url, into).await?;
    let mut joined = create()?;
    joined.write(page.head().as_bytes())?;
    let expected = page.total_size;
    let (mut sink, mut url, mut records) = (first, url.clone(), 0);
    // A page that leads back to the first one leads in a circle, too.
    let mut seen = Seen::of(&url);
    loop {
        if page.count > 0 {
            if records > 0 {
                joined.write(b",")?;
            }
            copy(&sink, &page, &mut joined, into).await?;
            records += page.count;
        }
        progress.before(joined.bytes());
        if page.done {
            break;
        }
        url = next(&url, &page, &mut seen)?;
        sink = create()?;
        http.download(&url, &mut sink, progress).await?;
        sink = unpacked(sink, create, &url, into).await?;
        page = scan(&sink, into).await?.ok_or_else(|| {
            bad_answer(
                &url,
                "it should be the next page of a query result, and is none",
            )
        })?;
    }
    joined.write(b"]}")?;
    if let Some(expected) = expected.filter(|&expected| expected != records) {
        tracing::warn!(
            "{name}: the query result has {records} records, and says that there are {expected}"
        );
    }
    Ok(joined)
}

/// The pages that were followed, each by a digest of its address, however long that is.
#[derive(Default)]
struct Seen(HashSet<[u8; 32]>);

impl Seen {
    fn of(first: &Url) -> Self {
        Self(HashSet::from([Self::digest(first)]))
    }

    fn digest(page: &Url) -> [u8; 32] {
        Sha256::digest(page.as_str()).into()
    }

    /// # Errors
    /// Why a page is not to be followed.
    fn add(&mut self, page: &Url) -> Result<(), String> {
        if !self.0.insert(Self::digest(page)) {
            return Err(
                "and its nextRecordsUrl was followed already: it would never end".to_owned(),
            );
        }
        if self.0.len() > MOST_PAGES {
            return Err(format!(
                "and has more than {MOST_PAGES} pages: ask for more records on each, or for fewer in all"
            ));
        }
        Ok(())
    }
}

/// Where the next page is. A source that leads nowhere, or in a circle, would never end.
fn next(url: &Url, page: &Page, seen: &mut Seen) -> Result<Url, DataError> {
    let bad = |problem: &str| {
        bad_answer(
            url,
            format!("it is a query result that is not done, {problem}"),
        )
    };
    let link = page
        .next
        .as_deref()
        .ok_or_else(|| bad("and does not say where the rest is (nextRecordsUrl)"))?;
    if page.count == 0 {
        return Err(bad("and has no record: following it would never end"));
    }
    let next = led(url, link)?;
    seen.add(&next).map_err(|problem| bad(&problem))?;
    Ok(next)
}

/// Servers send pages as gzip, too, though they are not asked to.
fn is_gzip(sink: &Sink) -> bool {
    sink.head().starts_with(&[0x1f, 0x8b])
}

/// The page as it is without gzip.
async fn unpacked(
    page: Sink,
    create: impl Fn() -> Result<Sink, DataError>,
    url: &Url,
    into: &Place,
) -> Result<Sink, DataError> {
    if !is_gzip(&page) {
        return Ok(page);
    }
    let mut plain = create()?;
    let read = read(&page, into, 0, |chunk| plain.write(chunk).map(|()| true)).await;
    match read {
        Err(DataError::Write { source, .. }) if is_damage(&source) => {
            Err(bad_answer(url, "its gzip is damaged"))
        }
        read => read.map(|()| plain),
    }
}

fn is_damage(error: &io::Error) -> bool {
    use io::ErrorKind::{InvalidData, InvalidInput, UnexpectedEof};
    matches!(error.kind(), InvalidData | InvalidInput | UnexpectedEof)
}

/// Reads what has arrived, unpacked if it is gzip, chunk by chunk, until `each` has enough.
async fn read(
    sink: &Sink,
    into: &Place,
    from: u64,
    mut each: impl FnMut(&[u8]) -> Result<bool, DataError>,
) -> Result<(), DataError> {
    let failed = |source: io::Error| into.failed(source);
    let mut file: File = sink.reopen().map_err(failed)?;
    file.seek(SeekFrom::Start(from)).map_err(failed)?;
    let mut file: Box<dyn Read + Send> = match is_gzip(sink) {
        true => Box::new(MultiGzDecoder::new(file)),
        false => Box::new(file),
    };
    let mut chunk = vec![0; CHUNK];
    loop {
        let length = file.read(&mut chunk).map_err(failed)?;
        if length == 0 || !each(&chunk[..length])? {
            return Ok(());
        }
        tokio::task::yield_now().await;
    }
}

async fn scan(sink: &Sink, into: &Place) -> Result<Option<Page>, DataError> {
    let mut scan = Scan::default();
    read(sink, into, 0, |chunk| Ok(scan.feed(chunk))).await?;
    Ok(scan.page())
}

/// Appends a page's records.
async fn copy(
    page_of: &Sink,
    page: &Page,
    joined: &mut Sink,
    into: &Place,
) -> Result<(), DataError> {
    let mut left = page.records.end - page.records.start;
    read(page_of, into, page.records.start, |chunk| {
        let length = usize::try_from(left).unwrap_or(usize::MAX).min(chunk.len());
        joined.write(&chunk[..length])?;
        left -= length as u64;
        Ok(left > 0)
    })
    .await
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_query_result_has_an_end_and_takes_no_memory_for_its_addresses() {
        let mut seen = Seen::default();
        let page = |number: usize| Url::parse(&format!("http://a/{number}")).unwrap();
        for number in 0..MOST_PAGES {
            seen.add(&page(number)).unwrap();
        }
        assert!(seen.add(&page(0)).unwrap_err().contains("followed already"));
        let problem = seen.add(&page(MOST_PAGES)).unwrap_err();
        assert!(problem.contains("100000 pages"), "{problem}");
    }
}
