//! The one place that makes HTTP clients: data and stores trust the same roots and take the same proxies.

use std::path::Path;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use reqwest::redirect::Policy;
use reqwest::{Client, ClientBuilder};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};

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
    Ok(Client::builder()
        .tls_backend_preconfigured(tls()?)
        .user_agent(concat!("runner/", env!("CARGO_PKG_VERSION")))
        .redirect(Policy::none())
        .referer(false)
        .connect_timeout(silence.min(CONNECT))
        .read_timeout(silence))
}

/// # Errors
/// When the builder holds settings that contradict each other.
pub fn build(builder: ClientBuilder) -> Result<Client, NetError> {
    builder.build().map_err(|error| NetError(error.to_string()))
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
    let text = std::fs::read(file).map_err(|error| error.to_string())?;
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
    fn a_client_is_made_with_the_built_in_roots() {
        assert!(built_in().len() > 50);
        client(Duration::from_secs(1)).unwrap();
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
