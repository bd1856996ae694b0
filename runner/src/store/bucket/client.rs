use std::time::Duration;

use crate::store::StoreError;

/// An HTTP client that gives a request up after `silence`.
pub(super) fn client(silence: Duration) -> Result<reqwest::Client, StoreError> {
    let failed = |error: &dyn std::fmt::Display| StoreError::Unreachable {
        url: "HTTPS".to_owned(),
        problem: error.to_string(),
    };
    let roots = rustls::RootCertStore {
        roots: webpki_roots::TLS_SERVER_ROOTS.to_vec(),
    };
    let provider = std::sync::Arc::new(rustls::crypto::ring::default_provider());
    let tls = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| failed(&error))?
        .with_root_certificates(roots)
        .with_no_client_auth();
    reqwest::Client::builder()
        .tls_backend_preconfigured(tls)
        .connect_timeout(silence.min(Duration::from_secs(10)))
        .read_timeout(silence)
        .build()
        .map_err(|error| failed(&error))
}
