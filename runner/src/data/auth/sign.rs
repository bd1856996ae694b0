//! JSON Web Tokens signed with RS256 (RFC 7519, RFC 7515). The signature is TLS's own RSA PKCS#1 v1.5 with SHA-256,
//! which `rustls` brings along: no library for it is needed.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rustls::SignatureScheme;
use rustls::pki_types::PrivateKeyDer;
use rustls::pki_types::pem::PemObject;

/// Signs `claims` with an RSA key in PEM (PKCS#8 or PKCS#1). No error quotes the key.
pub(super) fn signed(claims: &serde_json::Value, key: &str) -> Result<String, &'static str> {
    let key = PrivateKeyDer::from_pem_slice(key.as_bytes())
        .map_err(|_| "it holds no private key in PEM")?;
    let provider = rustls::crypto::ring::default_provider();
    let key = provider
        .key_provider
        .load_private_key(key)
        .map_err(|_| "its private key can't be used: it must be an RSA key of 2048 to 8192 bits")?;
    let signer = key
        .choose_scheme(&[SignatureScheme::RSA_PKCS1_SHA256])
        .ok_or("its private key must be an RSA key")?;
    let header = URL_SAFE_NO_PAD.encode(r#"{"alg":"RS256","typ":"JWT"}"#);
    let message = format!("{header}.{}", URL_SAFE_NO_PAD.encode(claims.to_string()));
    let signature = signer
        .sign(message.as_bytes())
        .map_err(|_| "its private key could not sign")?;
    Ok(format!("{message}.{}", URL_SAFE_NO_PAD.encode(signature)))
}
