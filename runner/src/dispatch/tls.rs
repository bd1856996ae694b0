//! TLS as the `nomad` command's variables ask for it.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};

use super::connection::variable;
use super::error::DispatchError;
use crate::platform::read_regular;

/// `None` when no variable is set: then Nomad is trusted as any other server is.
///
/// # Errors
/// When a file can't be read or holds no certificate or key.
pub fn config() -> Result<Option<ClientConfig>, DispatchError> {
    let skip = variable("NOMAD_SKIP_VERIFY").is_some_and(|value| is_true(&value));
    let identity = identity()?;
    let roots = roots()?;
    if !skip && identity.is_none() && roots.is_none() {
        return Ok(None);
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(|error| DispatchError::Tls(error.to_string()))?;
    let builder = if skip {
        tracing::warn!(
            "NOMAD_SKIP_VERIFY is set: whoever answers at Nomad's address gets the token"
        );
        builder
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(NoVerification(provider)))
    } else {
        builder.with_root_certificates(roots.unwrap_or_else(|| Arc::clone(crate::net::roots())))
    };
    let mut config = match identity {
        Some((chain, key)) => builder
            .with_client_auth_cert(chain, key)
            .map_err(|error| DispatchError::Tls(format!("NOMAD_CLIENT_CERT: {error}")))?,
        None => builder.with_no_client_auth(),
    };
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(Some(config))
}

fn is_true(value: &str) -> bool {
    matches!(value, "1" | "t" | "T" | "true" | "TRUE" | "True")
}

/// The authorities of `NOMAD_CACERT`, else those in the folder `NOMAD_CAPATH`.
fn roots() -> Result<Option<Arc<RootCertStore>>, DispatchError> {
    let files: Vec<PathBuf> = match (variable("NOMAD_CACERT"), variable("NOMAD_CAPATH")) {
        (Some(file), _) => vec![PathBuf::from(file)],
        (None, Some(folder)) => {
            let entries = std::fs::read_dir(&folder)
                .map_err(|error| DispatchError::Tls(format!("NOMAD_CAPATH={folder}: {error}")))?;
            entries
                .filter_map(|entry| entry.ok().map(|entry| entry.path()))
                .filter(|path| path.is_file())
                .collect()
        }
        (None, None) => return Ok(None),
    };
    let mut roots = RootCertStore::empty();
    for file in &files {
        roots.add_parsable_certificates(certificates(file)?);
    }
    if roots.is_empty() {
        let named = "NOMAD_CACERT or NOMAD_CAPATH holds no certificate in PEM";
        return Err(DispatchError::Tls(named.to_owned()));
    }
    Ok(Some(Arc::new(roots)))
}

type Identity = (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>);

fn identity() -> Result<Option<Identity>, DispatchError> {
    let (certificate, key) = match (variable("NOMAD_CLIENT_CERT"), variable("NOMAD_CLIENT_KEY")) {
        (None, None) => return Ok(None),
        (Some(certificate), Some(key)) => (certificate, key),
        _ => {
            let both = "set both NOMAD_CLIENT_CERT and NOMAD_CLIENT_KEY, or neither";
            return Err(DispatchError::Tls(both.to_owned()));
        }
    };
    let chain = certificates(Path::new(&certificate))?;
    let bad = |problem: String| DispatchError::Tls(format!("NOMAD_CLIENT_KEY={key}: {problem}"));
    let text = read_regular(Path::new(&key)).map_err(|error| bad(error.to_string()))?;
    let key = PrivateKeyDer::from_pem_slice(&text).map_err(|error| bad(error.to_string()))?;
    Ok(Some((chain, key)))
}

/// The certificates in a PEM file; none where it is no such file.
fn certificates(file: &Path) -> Result<Vec<CertificateDer<'static>>, DispatchError> {
    let text = read_regular(file)
        .map_err(|error| DispatchError::Tls(format!("{}: {error}", file.display())))?;
    let parsed = CertificateDer::pem_slice_iter(&text).filter_map(Result::ok);
    Ok(parsed.collect())
}

/// What `NOMAD_SKIP_VERIFY` asks for.
#[derive(Debug)]
struct NoVerification(Arc<CryptoProvider>);

impl ServerCertVerifier for NoVerification {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        verify_tls12_signature(message, certificate, signature, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signature, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
