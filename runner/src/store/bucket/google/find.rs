//! Which credentials are taken, and from where.

use std::path::{Path, PathBuf};
use std::time::Duration;

use reqsign_google::{
    ServiceAccountTokenCredentialProvider, StaticCredentialProvider, VmMetadataCredentialProvider,
};
use serde_json::Value;

use super::given;
use super::{Google, Provider};
use crate::secret::read_small;
use crate::store::bucket::transport::Transport;
use crate::store::{Options, StoreError};

const SCOPE: &str = "https://www.googleapis.com/auth/devstorage.read_write";

impl Google {
    /// Takes the first of: `--credentials`, the job's `gcp_creds`, `GOOGLE_APPLICATION_CREDENTIALS`, gcloud's
    /// default file, the metadata server. Of these the second, and under Nomad the last two, only where the operator says
    /// so. `transport` is the store's.
    pub fn find(options: &Options, transport: &Transport) -> Result<Self, StoreError> {
        let variable = |name| std::env::var_os(name).filter(|value| !value.is_empty());
        let tokens = transport.for_tokens(options.timeout);
        if let Some(path) = &options.credentials {
            return Self::from_file(path, "--credentials", tokens);
        }
        if let Some(secret) = &options.job_credentials {
            options.policy.check_gcp_creds()?;
            tracing::warn!(
                "credentials come from the job's metadata (gcp_creds), which anyone can read who can read the job: prefer Nomad's workload identity, a Nomad variable, or --credentials"
            );
            let json = given::read(secret.expose())?;
            return Self::from_json(json, "the job's gcp_creds".to_owned(), tokens);
        }
        if let Some(path) = variable("GOOGLE_APPLICATION_CREDENTIALS") {
            let name = "GOOGLE_APPLICATION_CREDENTIALS";
            return Self::from_file(Path::new(&path), name, tokens);
        }
        options
            .policy
            .check_node_identity("the node's own identity")?;
        let gcloud = variable("CLOUDSDK_CONFIG")
            .map(PathBuf::from)
            .or_else(|| variable("HOME").map(|home| Path::new(&home).join(".config/gcloud")))
            .map(|folder| folder.join("application_default_credentials.json"))
            .filter(|path| path.is_file());
        if let Some(path) = gcloud {
            return Self::from_file(&path, "gcloud's default", tokens);
        }
        let provider = VmMetadataCredentialProvider::new().with_scope(SCOPE);
        // Off Google's machines nobody answers there: that must be known soon.
        let patience = options.timeout.min(Duration::from_secs(5));
        let source = "the metadata server".to_owned();
        let tokens = transport.for_tokens(patience);
        Ok(Self::new(source, Box::new(provider), None, tokens))
    }

    fn from_file(path: &Path, named_by: &str, tokens: Transport) -> Result<Self, StoreError> {
        let source = format!("{} ({named_by})", path.display());
        let bad = |problem: &str| StoreError::Credentials {
            problem: format!("{source}: {problem}"),
        };
        let text = read_small(path).map_err(|error| StoreError::Credentials {
            problem: format!("cannot read {source}: {error}"),
        })?;
        let text = text.ok_or_else(|| bad("it is too large to hold credentials"))?;
        // serde_json's message would quote from the text, which is a secret.
        let json = serde_json::from_str(&text)
            .map_err(|_| bad("it is no JSON file of Google credentials"))?;
        Self::from_json(json, source, tokens)
    }

    fn from_json(mut json: Value, source: String, tokens: Transport) -> Result<Self, StoreError> {
        // gcloud leaves the format of a token file out when it is plain text; the library asks for it.
        if let Some(token_file) = json
            .pointer_mut("/credential_source")
            .and_then(|source| source.as_object_mut())
            .filter(|source| source.contains_key("file") || source.contains_key("url"))
        {
            let format = token_file.entry("format");
            format.or_insert_with(|| serde_json::json!({"type": "text"}));
        }
        let field = |name: &str| json.get(name).and_then(Value::as_str);
        let kind = field("type").unwrap_or_default();
        let given = StaticCredentialProvider::new(json.to_string()).with_scope(SCOPE);
        let provider: Provider = match kind {
            "service_account" => Box::new(
                ServiceAccountTokenCredentialProvider::from_provider(given).with_scope(SCOPE),
            ),
            "authorized_user" | "external_account" | "impersonated_service_account" => {
                Box::new(given)
            }
            _ => {
                return Err(StoreError::Credentials {
                    problem: format!(
                        "{source}: its `type` is none of service_account, authorized_user, external_account, impersonated_service_account"
                    ),
                });
            }
        };
        let token_address = field("token_uri").map(str::to_owned);
        let source = format!("{source}, {}", kind.replace('_', " "));
        Ok(Self::new(source, provider, token_address, tokens))
    }
}
