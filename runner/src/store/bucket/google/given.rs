//! Credentials that a dispatch brings: a key of a service account or a user, in full, for Google's own token server. What
//! names a file, an address or a command to get more from is not taken from someone who need not be the operator.

use serde::Deserialize;
use serde_json::{Value, json};

use crate::policy::Refusal;
use crate::store::StoreError;

/// Where Google's token server is, under all names that its keys have had for it.
const TOKEN_ADDRESSES: [&str; 4] = [
    "https://oauth2.googleapis.com/token",
    "https://accounts.google.com/o/oauth2/token",
    "https://www.googleapis.com/oauth2/v3/token",
    "https://www.googleapis.com/oauth2/v4/token",
];

/// Everything that is looked at. Whatever else is in the text goes no further.
#[derive(Deserialize)]
struct Given {
    #[serde(rename = "type", default)]
    kind: String,
    token_uri: Option<String>,
    universe_domain: Option<String>,
    client_email: Option<String>,
    private_key: Option<String>,
    client_id: Option<String>,
    client_secret: Option<String>,
    refresh_token: Option<String>,
}

/// Reads the text of a credentials file, or that in base64.
///
/// # Errors
/// When it is neither, or asks for more than Google's token server.
pub(super) fn read(secret: &str) -> Result<Value, StoreError> {
    let bad = |problem: &str| StoreError::Credentials {
        problem: format!("the job's gcp_creds {problem}"),
    };
    // serde_json's message would quote from the text, which is a secret.
    let given: Given = serde_json::from_str(&plain(secret)).map_err(|_| {
        bad("are neither JSON nor that in base64 (a file here is named by --credentials alone)")
    })?;
    let key = match given.kind.as_str() {
        "service_account" => json!({
            "type": given.kind,
            "client_email": given.client_email,
            "private_key": given.private_key,
        }),
        "authorized_user" => json!({
            "type": given.kind,
            "client_id": given.client_id,
            "client_secret": given.client_secret,
            "refresh_token": given.refresh_token,
        }),
        "external_account"
        | "external_account_authorized_user"
        | "impersonated_service_account"
        | "gdch_service_account" => {
            return Err(refusal("they name where to get credentials from").into());
        }
        _ => {
            return Err(bad(
                "have a `type` that is neither service_account nor authorized_user",
            ));
        }
    };
    let missing = key.as_object().and_then(|key| {
        key.iter()
            .find(|(_, value)| value.as_str().is_none_or(str::is_empty))
    });
    if let Some((name, _)) = missing {
        return Err(bad(&format!("have no `{name}`")));
    }
    let is_googles = |address: &String| TOKEN_ADDRESSES.contains(&address.as_str());
    if !given.token_uri.iter().all(is_googles)
        || given
            .universe_domain
            .is_some_and(|domain| domain != "googleapis.com")
    {
        return Err(refusal("they name another token server than Google's own").into());
    }
    Ok(key)
}

fn refusal(why: &str) -> Refusal {
    Refusal::used(
        "the dispatch's gcp_creds".to_owned(),
        why.to_owned(),
        "A dispatch may bring the key of a service account or an authorized user; the operator gives all else with --credentials"
            .to_owned(),
    )
}

fn plain(secret: &str) -> String {
    use base64::Engine;
    let decoded = base64::engine::general_purpose::STANDARD
        .decode(secret.trim())
        .ok()
        .and_then(|bytes| String::from_utf8(bytes).ok());
    decoded.unwrap_or_else(|| secret.to_owned())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn user() -> Value {
        json!({
            "type": "authorized_user",
            "client_id": "id",
            "client_secret": "hush",
            "refresh_token": "1//refresh",
        })
    }

    #[test]
    fn a_key_is_taken_and_nothing_beside_it() {
        let mut given = user();
        given["token_uri"] = json!("https://oauth2.googleapis.com/token");
        given["credential_source"] = json!({"file": "/secrets/token"});
        given["service_account_impersonation_url"] = json!("https://evil.example/");
        assert_eq!(read(&given.to_string()).unwrap(), user());
        let account = json!({
            "type": "service_account",
            "client_email": "a@b",
            "private_key": "hush",
        });
        assert_eq!(read(&account.to_string()).unwrap(), account);
        use base64::Engine;
        let coded = base64::engine::general_purpose::STANDARD.encode(account.to_string());
        assert_eq!(read(&coded).unwrap(), account);
    }

    #[test]
    fn what_names_another_source_or_server_is_refused_and_not_quoted() {
        let with = |name: &str, value: &str| {
            let mut given = user();
            given[name] = json!(value);
            given.to_string()
        };
        for (text, said) in [
            (
                with("type", "external_account"),
                "where to get credentials from",
            ),
            (with("type", "impersonated_service_account"), "where to get"),
            (
                with("token_uri", "https://evil.example/token"),
                "another token server",
            ),
            (
                with("token_uri", "https://oauth2.googleapis.com/token?x=hush"),
                "another token server",
            ),
            (
                with("universe_domain", "evil.example"),
                "another token server",
            ),
            (with("type", "hush"), "neither service_account"),
            (with("refresh_token", ""), "no `refresh_token`"),
            ("/etc/passwd".to_owned(), "--credentials alone"),
            ("{\"type\": hush".to_owned(), "neither JSON"),
            ("[]".to_owned(), "neither JSON"),
        ] {
            let error = read(&text).unwrap_err().to_string();
            assert!(error.contains(said), "{error}");
            assert!(
                !error.contains("hush") && !error.contains("evil"),
                "{error}"
            );
        }
    }
}
