//! Whose rights a push to Google Cloud Storage has, and that no secret is ever told.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "support/gcs/mod.rs"]
mod gcs;
#[path = "support/model.rs"]
mod model;

use std::path::PathBuf;
use std::process::Command;
use std::sync::{Arc, Mutex};

use gcs::{Fault, Gcs};
use model::Model;
use serde_json::{Value, json};
use tempfile::TempDir;

/// A server that asks for tokens, and a home to put credentials into.
struct Bench {
    gcs: Gcs,
    home: TempDir,
    model: Model,
}

impl Bench {
    fn new() -> Self {
        let gcs = Gcs::start();
        gcs.state().tokens.required = true;
        Self {
            gcs,
            home: tempfile::tempdir().unwrap(),
            model: Model::new("m", "1", "a").write(),
        }
    }

    fn file(&self, name: &str, value: &Value) -> PathBuf {
        let path = self.home.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, value.to_string()).unwrap();
        path
    }

    /// `runner push` by way of an address that is signed for like Google's own.
    fn push(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_runner"));
        command
            .env_clear()
            .env("HOME", self.home.path())
            .env(
                "GCE_METADATA_HOST",
                self.gcs.address.trim_start_matches("http://"),
            )
            .args(["push", "--verbose", "--store", "gs://models"])
            .args(["--store-endpoint", &self.gcs.address])
            .arg(self.model.folder());
        command
    }

    /// What the command said, which holds no secret.
    fn ends(&self, command: &mut Command, code: i32) -> String {
        let output = command.output().unwrap();
        let said =
            String::from_utf8(output.stderr).unwrap() + &String::from_utf8(output.stdout).unwrap();
        assert_eq!(output.status.code(), Some(code), "{said}");
        for secret in ["ya29", "PRIVATE KEY", "1//refresh", "hush", "subject-token"] {
            assert!(!said.contains(secret), "{secret} is in:\n{said}");
        }
        said
    }

    fn asked(&self) -> Vec<String> {
        self.gcs.state().tokens.asked.clone()
    }

    fn user(&self) -> Value {
        json!({
            "type": "authorized_user",
            "client_id": "id",
            "client_secret": "hush",
            "refresh_token": "1//refresh",
            "token_uri": format!("{}/token", self.gcs.address),
        })
    }

    fn service_account(&self) -> Value {
        json!({
            "type": "service_account",
            "client_email": "runner@project.iam.gserviceaccount.com",
            "private_key": KEY,
            "token_uri": format!("{}/token", self.gcs.address),
        })
    }
}

/// Made for these tests, and good for nothing else.
const KEY: &str = include_str!("support/gcs/test-key.pem");

#[test]
fn the_first_credentials_in_order_are_taken_and_named() {
    let bench = Bench::new();
    bench.gcs.state().tokens.metadata = true;
    let said = bench.ends(&mut bench.push(), 0);
    assert!(said.contains("credentials: the metadata server"), "{said}");
    assert_eq!(bench.asked().last().unwrap(), "metadata");

    bench.file(
        ".config/gcloud/application_default_credentials.json",
        &bench.user(),
    );
    let said = bench.ends(&mut bench.push(), 0);
    assert!(said.contains("gcloud's default"), "{said}");
    assert_eq!(bench.asked().last().unwrap(), "refresh");

    let account = bench.file("account.json", &bench.service_account());
    let mut push = bench.push();
    push.env("GOOGLE_APPLICATION_CREDENTIALS", &account);
    let said = bench.ends(&mut push, 0);
    assert!(said.contains("GOOGLE_APPLICATION_CREDENTIALS"), "{said}");
    assert_eq!(bench.asked().last().unwrap(), "jwt");

    // A dispatch's are for Google's own token server, which is not asked from here.
    push.env("NOMAD_META_gcp_creds", google_user().to_string())
        .env("HTTPS_PROXY", "http://127.0.0.1:9")
        .arg("--allow-gcp-creds");
    let said = bench.ends(&mut push, 17);
    assert!(said.contains("credentials: the job's gcp_creds"), "{said}");
    assert!(said.contains("anyone can read"), "{said}");

    push.arg("--credentials").arg(&account);
    let said = bench.ends(&mut push, 0);
    assert!(said.contains("--credentials"), "{said}");
    assert_eq!(bench.asked().last().unwrap(), "jwt");
}

/// A user's key, as gcloud writes it.
fn google_user() -> Value {
    json!({
        "type": "authorized_user",
        "client_id": "id",
        "client_secret": "hush",
        "refresh_token": "1//refresh",
    })
}

/// A proxy that leads nowhere, and what it is asked for.
fn proxy() -> (String, Arc<Mutex<Vec<String>>>) {
    gcs::http::serve(|_| gcs::Response::new(403, ""))
}

#[test]
fn a_dispatch_brings_credentials_only_where_the_operator_says_so() {
    let bench = Bench::new();
    for given in [bench.user(), bench.service_account(), google_user()] {
        let mut push = bench.push();
        push.env("NOMAD_META_gcp_creds", given.to_string());
        let said = bench.ends(&mut push, 18);
        assert!(said.contains("--allow-gcp-creds"), "{said}");
        // What the operator gives wins, and is used.
        let account = bench.file("account.json", &bench.service_account());
        bench.ends(push.arg("--credentials").arg(account), 0);
    }
    assert_eq!(bench.asked(), ["jwt", "jwt", "jwt"]);
    let (address, asked) = proxy();
    let mut push = bench.push();
    push.env("NOMAD_META_gcp_creds", google_user().to_string())
        .env("HTTPS_PROXY", address)
        .arg("--allow-gcp-creds");
    bench.ends(&mut push, 17);
    assert_eq!(
        asked.lock().unwrap()[0],
        "CONNECT oauth2.googleapis.com:443"
    );
}

#[test]
fn a_dispatchs_credentials_name_no_file_no_address_and_no_other_token_server() {
    let bench = Bench::new();
    let token = bench.home.path().join("nomad_gcp.jwt");
    std::fs::write(&token, "subject-token").unwrap();
    let address = &bench.gcs.address;
    let external = |source: Value| {
        json!({
            "type": "external_account",
            "audience": "//iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/nomad/providers/nomad",
            "subject_token_type": "urn:ietf:params:oauth:token-type:jwt",
            "token_url": format!("{address}/sts"),
            "credential_source": source,
        })
    };
    let path = bench.file("user.json", &bench.user()).display().to_string();
    for (given, status, said) in [
        (
            external(json!({"file": token})).to_string(),
            18,
            "where to get credentials from",
        ),
        (
            external(json!({"url": format!("{address}/computeMetadata/v1/token")})).to_string(),
            18,
            "where to get credentials from",
        ),
        (
            external(json!({"executable": {"command": "/bin/true"}})).to_string(),
            18,
            "where to get credentials from",
        ),
        (bench.user().to_string(), 18, "another token server"),
        (
            bench.service_account().to_string(),
            18,
            "another token server",
        ),
        (path, 16, "neither JSON nor that in base64"),
    ] {
        let mut push = bench.push();
        push.env("NOMAD_META_gcp_creds", given)
            .arg("--allow-gcp-creds");
        let output = bench.ends(&mut push, status);
        assert!(output.contains(said), "{output}");
    }
    assert!(bench.gcs.state().seen.is_empty());
}

/// As a task of Nomad's.
fn as_task(command: &mut Command) -> &mut Command {
    command.env("NOMAD_ALLOC_ID", "0c3f0b6e-5a52-4a6f-9d5e-0f1c2d3e4f50")
}

#[test]
fn under_nomad_the_nodes_identity_is_used_only_where_the_operator_says_so() {
    let bench = Bench::new();
    bench.gcs.state().tokens.metadata = true;
    for gcloud in [false, true] {
        if gcloud {
            let file = ".config/gcloud/application_default_credentials.json";
            bench.file(file, &bench.user());
        }
        let said = bench.ends(as_task(&mut bench.push()), 18);
        assert!(said.contains("--allow-node-identity"), "{said}");
    }
    assert!(bench.gcs.state().seen.is_empty());
    bench.ends(as_task(&mut bench.push()).arg("--allow-node-identity"), 0);
    assert_eq!(bench.asked(), ["refresh"]);
}

#[test]
fn under_nomad_no_credentials_file_leads_to_a_metadata_server() {
    let bench = Bench::new();
    let external = json!({
        "type": "external_account",
        "audience": "//iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/nomad/providers/nomad",
        "subject_token_type": "urn:ietf:params:oauth:token-type:jwt",
        "token_url": format!("{}/sts", bench.gcs.address),
        "credential_source": {"url": "http://169.254.169.254/metadata/identity/oauth2/token"},
    });
    let file = bench.file("external.json", &external);
    let (address, asked) = proxy();
    let mut push = bench.push();
    as_task(&mut push)
        .env("HTTP_PROXY", address)
        .env("NO_PROXY", "127.0.0.1")
        .args(["--store-timeout", "2s", "--credentials"])
        .arg(file);
    let said = bench.ends(&mut push, 18);
    assert!(said.contains("--allow-node-identity"), "{said}");
    assert!(asked.lock().unwrap().is_empty());
    bench.ends(push.arg("--allow-node-identity"), 16);
    assert!(asked.lock().unwrap()[0].contains("169.254.169.254"));
}

#[cfg(all(feature = "s3", feature = "azblob"))]
#[test]
fn under_nomad_other_clouds_metadata_servers_are_not_asked_either() {
    for (store, name, value) in [
        ("s3://models", "AWS_REGION", "eu-west-1"),
        ("az://models", "AZURE_STORAGE_ACCOUNT", "account"),
    ] {
        let (address, asked) = proxy();
        let mut list = Command::new(env!("CARGO_BIN_EXE_runner"));
        as_task(list.env_clear())
            .env("HTTP_PROXY", &address)
            .env("HTTPS_PROXY", &address)
            .env(name, value)
            .args(["list", "--store-timeout", "2s", "--store", store]);
        let is_metadata = |asked: &String| asked.contains("169.254.");
        let output = list.output().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(18), "{store}: {said}");
        assert!(said.contains("--allow-node-identity"), "{said}");
        assert!(!asked.lock().unwrap().iter().any(is_metadata), "{store}");
        list.arg("--allow-node-identity").output().unwrap();
        assert!(asked.lock().unwrap().iter().any(is_metadata), "{store}");
    }
}

#[cfg(feature = "s3")]
#[test]
fn under_nomad_the_keys_in_the_home_folder_are_used_only_where_the_operator_says_so() {
    let home = tempfile::tempdir().unwrap();
    let keys = "aws_access_key_id = id\naws_secret_access_key = hush\n";
    std::fs::create_dir(home.path().join(".aws")).unwrap();
    for (name, section) in [
        ("credentials", "default"),
        ("config", "profile default"),
        ("given", "default"),
    ] {
        let text = format!("[{section}]\n{keys}[default]\n{keys}");
        std::fs::write(home.path().join(".aws").join(name), text).unwrap();
    }
    let (address, asked) =
        gcs::http::serve(|_| gcs::Response::new(200, "<ListBucketResult></ListBucketResult>"));
    let list = || {
        let mut list = Command::new(env!("CARGO_BIN_EXE_runner"));
        list.env_clear()
            .env("HOME", home.path())
            .args(["list", "--store", "s3://models", "--store-timeout", "2s"])
            .args(["--store-endpoint", &address]);
        list
    };
    let ends = |command: &mut Command, status: i32| {
        let output = command.output().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(status), "{said}");
        (said, std::mem::take(&mut *asked.lock().unwrap()).len())
    };
    let (said, asked) = ends(as_task(&mut list()), 18);
    assert!(said.contains("--allow-node-identity"), "{said}");
    assert_eq!(asked, 0);
    let (_, asked) = ends(as_task(&mut list()).arg("--allow-node-identity"), 0);
    assert!(asked > 0);
    let (_, asked) = ends(&mut list(), 0);
    assert!(asked > 0);
    // A file that the environment names was given on purpose.
    let given = home.path().join(".aws/given");
    let (_, asked) = ends(
        as_task(&mut list()).env("AWS_SHARED_CREDENTIALS_FILE", given),
        0,
    );
    assert!(asked > 0);
}

#[test]
fn a_token_that_lasts_for_ever_is_a_token() {
    let bench = Bench::new();
    bench.gcs.state().tokens.required = false;
    let (address, _) = gcs::http::serve(|_| {
        gcs::Response::json(&json!({"access_token": "ya29.x", "expires_in": u64::MAX}))
    });
    let mut user = bench.user();
    user["token_uri"] = json!(format!("{address}/token"));
    let file = bench.file("user.json", &user);
    bench.ends(bench.push().arg("--credentials").arg(file), 0);
}

#[test]
fn one_token_serves_all_requests_of_a_process() {
    let bench = Bench::new();
    let account = bench.file("account.json", &bench.service_account());
    bench.ends(bench.push().arg("--credentials").arg(&account), 0);
    assert_eq!(bench.asked(), ["jwt"]);
}

#[test]
fn a_workload_identity_becomes_googles() {
    let bench = Bench::new();
    let token = bench.home.path().join("nomad_gcp.jwt");
    std::fs::write(&token, "subject-token").unwrap();
    let address = &bench.gcs.address;
    let mut external = json!({
        "type": "external_account",
        "audience": "//iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/nomad/providers/nomad",
        "subject_token_type": "urn:ietf:params:oauth:token-type:jwt",
        "token_url": format!("{address}/sts"),
        "credential_source": {"file": token},
    });
    let file = bench.file("external.json", &external);
    bench.ends(bench.push().arg("--credentials").arg(&file), 0);
    assert_eq!(bench.asked(), ["sts"]);
    assert_eq!(bench.gcs.state().tokens.subjects, ["subject-token"]);

    // By way of a service account.
    external["service_account_impersonation_url"] = json!(format!(
        "{address}/v1/projects/-/serviceAccounts/runner@project.iam.gserviceaccount.com:generateAccessToken"
    ));
    let file = bench.file("external.json", &external);
    bench.ends(bench.push().arg("--credentials").arg(&file), 0);
    assert_eq!(bench.asked(), ["sts", "sts", "impersonate"]);
}

#[test]
fn a_token_that_expires_early_is_renewed_once() {
    let bench = Bench::new();
    let file = bench.file("user.json", &bench.user());
    bench
        .gcs
        .fault(1, "POST", "model.json", Fault::ExpireTokens);
    bench.ends(bench.push().arg("--credentials").arg(&file), 0);
    assert_eq!(bench.asked(), ["refresh", "refresh"]);
}

#[test]
fn credentials_that_are_none_say_so() {
    let bench = Bench::new();
    let said = bench.ends(&mut bench.push(), 16);
    assert!(said.contains("--credentials"), "{said}");
    let said = bench.ends(
        bench.push().args(["--credentials", "/nonexistent.json"]),
        16,
    );
    assert!(said.contains("/nonexistent.json"), "{said}");
    let broken = bench.home.path().join("broken.json");
    std::fs::write(&broken, "{\"private_key\": \"hush").unwrap();
    let said = bench.ends(bench.push().arg("--credentials").arg(&broken), 16);
    assert!(
        said.contains("no JSON file of Google credentials"),
        "{said}"
    );
    let mut user = bench.user();
    user["refresh_token"] = json!("revoked");
    let file = bench.file("user.json", &user);
    let said = bench.ends(bench.push().arg("--credentials").arg(&file), 16);
    assert!(said.contains("reasonable timeframe"), "{said}");
}

#[test]
fn an_emulator_gets_no_token() {
    let bench = Bench::new();
    bench.gcs.state().tokens.required = false;
    bench.file(
        ".config/gcloud/application_default_credentials.json",
        &bench.user(),
    );
    let mut push = Command::new(env!("CARGO_BIN_EXE_runner"));
    push.env_clear()
        .env("HOME", bench.home.path())
        .env("STORAGE_EMULATOR_HOST", &bench.gcs.address)
        .args(["push", "--store", "gs://models"])
        .arg(bench.model.folder());
    bench.ends(&mut push, 0);
    assert!(bench.asked().is_empty());
}

#[cfg(all(feature = "s3", feature = "azblob"))]
#[test]
fn credentials_of_other_clouds_that_are_none_say_so() {
    for (store, variable, said) in [
        ("s3://models", "AWS_REGION", "AWS_ACCESS_KEY_ID"),
        ("az://models", "AZURE_STORAGE_ACCOUNT", "AZURE_STORAGE_KEY"),
    ] {
        let mut list = Command::new(env!("CARGO_BIN_EXE_runner"));
        // The machine's own credentials are asked for through a proxy that is not there.
        list.env_clear()
            .env("HTTP_PROXY", "http://127.0.0.1:9")
            .env("HTTPS_PROXY", "http://127.0.0.1:9")
            .env(variable, "somewhere")
            .args(["list", "--store-timeout", "5s", "--store", store]);
        let output = list.output().unwrap();
        let text = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(16), "{store}: {text}");
        assert!(text.contains(said) && text.contains(store), "{text}");
        assert!(!text.contains("unexpected answer"), "{text}");
    }
}
