//! The one place that makes HTTP clients: data and stores trust the same roots and take the same proxies.

use std::error::Error;
use std::io;
use std::path::Path;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use reqwest::redirect::Policy;
use reqwest::{Client, ClientBuilder, Response};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};

use crate::platform::read_regular;

pub mod retry;

/// How long a connection may take to come about.
const CONNECT: Duration = Duration::from_secs(30);

/// The HTTP client could not be made. No request was sent.
#[derive(Debug, thiserror::Error)]
#[error("cannot set up an HTTP client: {0}")]
pub struct NetError(String);

/// A client that gives up on a server after `silence`: that long for an answer, or between two pieces of one.
///
/// # Errors
/// When TLS can't be set up.
pub fn client(silence: Duration) -> Result<Client, NetError> {
    build(builder(silence)?)
}

/// The same, for callers with a name resolver of their own.
///
/// No client follows redirects: whoever sends credentials, or must not be led astray, follows them step by step.
/// Proxies are those of `HTTP_PROXY`, `HTTPS_PROXY`, `ALL_PROXY` and `NO_PROXY`.
///
/// # Errors
/// When TLS can't be set up.
pub fn builder(silence: Duration) -> Result<ClientBuilder, NetError> {
    Ok(upload_builder(silence)?.read_timeout(silence))
}

/// The same without a limit on silence, for uploads: the client would count the time that a large body takes to go out as
/// silence of the server. The caller looks whether bytes move.
///
/// # Errors
/// When TLS can't be set up.
pub fn upload_builder(silence: Duration) -> Result<ClientBuilder, NetError> {
    Ok(Client::builder()
        .tls_backend_preconfigured(tls()?)
        .user_agent(concat!("runner/", env!("CARGO_PKG_VERSION")))
        .redirect(Policy::none())
        .referer(false)
        .connect_timeout(silence.min(CONNECT)))
}

/// # Errors
/// When the builder holds settings that contradict each other.
pub fn build(builder: ClientBuilder) -> Result<Client, NetError> {
    builder.build().map_err(|error| NetError(error.to_string()))
}

/// The names of the proxies that the environment sets for the clients made here.
#[must_use]
pub fn proxy_names() -> Vec<String> {
    ["HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"]
        .iter()
        .flat_map(|name| [(*name).to_owned(), name.to_lowercase()])
        .filter_map(|name| std::env::var(name).ok())
        .filter_map(|proxy| proxy_name(&proxy))
        .collect()
}

/// A proxy may be written without a scheme.
fn proxy_name(proxy: &str) -> Option<String> {
    let url = match proxy.contains("://") {
        true => reqwest::Url::parse(proxy),
        false => reqwest::Url::parse(&format!("http://{proxy}")),
    };
    url.ok()?.domain().map(str::to_owned)
}

/// Why the body of a small answer could not be had.
#[derive(Debug, thiserror::Error)]
pub enum BodyError {
    #[error(transparent)]
    Broken(#[from] reqwest::Error),
    #[error("the answer holds more than {0} bytes")]
    TooLarge(usize),
}

/// Reads an answer that is no data, and so is small: at most `limit` bytes, whatever is announced or sent.
///
/// # Errors
/// When it is larger, or breaks off.
pub async fn body(mut response: Response, limit: usize) -> Result<Vec<u8>, BodyError> {
    let announced = response.content_length().unwrap_or(0);
    if announced > limit as u64 {
        return Err(BodyError::TooLarge(limit));
    }
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await? {
        if body.len() + chunk.len() > limit {
            return Err(BodyError::TooLarge(limit));
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

/// The first cause of a kind, also where it is wrapped in an I/O error.
pub fn cause<'a, T: Error + 'static>(error: &'a (dyn Error + 'static)) -> Option<&'a T> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(found) = error.downcast_ref() {
            return Some(found);
        }
        next = match error
            .downcast_ref::<io::Error>()
            .and_then(io::Error::get_ref)
        {
            Some(inner) => Some(inner),
            None => error.source(),
        };
    }
    None
}

/// A text without the queries of the addresses in it: they may be rights to read or write.
#[must_use]
pub fn without_queries(text: &str) -> String {
    let ends = |each: char| each.is_whitespace() || "\"'<>,;|(){}[]".contains(each);
    let mut shown = String::with_capacity(text.len());
    for piece in text.split_inclusive(ends) {
        let word = piece.trim_end_matches(ends);
        match word.find('?').filter(|&at| word[at..].contains('=')) {
            Some(at) => shown.push_str(&word[..at]),
            None => shown.push_str(word),
        }
        shown.push_str(&piece[word.len()..]);
    }
    shown
}

fn tls() -> Result<ClientConfig, NetError> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| NetError(error.to_string()))?
        .with_root_certificates(Arc::clone(roots()))
        .with_no_client_auth();
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(config)
}

/// The certificate authorities that servers are checked by: those of `SSL_CERT_FILE`, else the built-in ones. Read once
/// a process, so that a missing file is warned of once.
pub fn roots() -> &'static Arc<RootCertStore> {
    static ROOTS: OnceLock<Arc<RootCertStore>> = OnceLock::new();
    ROOTS.get_or_init(|| {
        let named = std::env::var_os("SSL_CERT_FILE").filter(|file| !file.is_empty());
        let roots = named.and_then(|file| match roots_of(Path::new(&file)) {
            Ok(roots) => Some(roots),
            Err(problem) => {
                tracing::warn!(
                    "SSL_CERT_FILE={}: {problem}; the built-in certificate authorities are used instead",
                    Path::new(&file).display()
                );
                None
            }
        });
        Arc::new(roots.unwrap_or_else(built_in))
    })
}

fn built_in() -> RootCertStore {
    webpki_roots::TLS_SERVER_ROOTS.iter().cloned().collect()
}

/// The certificates of a PEM file. What is no usable certificate is passed over, as other tools do.
fn roots_of(file: &Path) -> Result<RootCertStore, String> {
    let text = read_regular(file).map_err(|error| error.to_string())?;
    let certificates = CertificateDer::pem_slice_iter(&text).filter_map(Result::ok);
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(certificates);
    if roots.is_empty() {
        return Err("it holds no certificate in PEM".to_owned());
    }
    Ok(roots)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::io::Write;

    use super::*;

    #[test]
    fn a_proxy_is_known_by_its_name_with_a_scheme_or_without() {
        for proxy in [
            "http://proxy.corp:3128",
            "https://u:p@proxy.corp/",
            "proxy.corp:3128",
        ] {
            assert_eq!(proxy_name(proxy).as_deref(), Some("proxy.corp"), "{proxy}");
        }
        for proxy in ["http://10.0.0.1:3128", "", "://"] {
            assert_eq!(proxy_name(proxy), None, "{proxy}");
        }
    }

    #[test]
    fn a_client_is_made_with_the_built_in_roots() {
        assert!(built_in().len() > 50);
        client(Duration::from_secs(1)).unwrap();
    }

    #[test]
    fn no_query_of_an_address_is_left_in_a_text() {
        for (text, shown) in [
            (
                "context: { uri: http://a:1/b/c?partNumber=1&uploadId=SECRET, path: c } => no",
                "context: { uri: http://a:1/b/c, path: c } => no",
            ),
            (
                "\"https://a/b?X-Sig=SECRET\" broke",
                "\"https://a/b\" broke",
            ),
            ("/b/c?uploads&uploadId=SECRET", "/b/c"),
            ("no such bucket? Create it.", "no such bucket? Create it."),
        ] {
            assert_eq!(without_queries(text), shown);
        }
    }

    #[test]
    fn a_file_without_certificates_is_said_to_be_one() {
        assert!(roots_of(Path::new("/nonexistent/ca.pem")).is_err());
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(b"no certificate").unwrap();
        let problem = roots_of(file.path()).unwrap_err();
        assert!(problem.contains("no certificate in PEM"), "{problem}");
    }
}
