//! Who may do what: the policy of those who dispatch, and credentials for data and store.

use std::path::PathBuf;

use serde_json::{Value, json};

use crate::cluster::{Cluster, JOB, said};
use crate::gcs::Gcs;
use crate::http::{Answer, Server};
use crate::{in_folder, manifests, repository, specification, waited};

/// Made for these tests, and good for nothing else.
const KEY: &str = include_str!("../support/gcs/test-key.pem");

/// The policy that docs/nomad.md gives to those who dispatch.
fn documented_policy() -> String {
    let page = std::fs::read_to_string(repository().join("docs/nomad.md")).unwrap();
    let (_, from) = page.split_once("dispatch-training - <<'HCL'\n").unwrap();
    from.split_once("\nHCL\n").unwrap().0.to_owned()
}

fn put(cluster: &Cluster, name: &str, text: impl AsRef<[u8]>) -> PathBuf {
    let path = cluster.path(name);
    std::fs::write(&path, text).unwrap();
    path
}

/// A Nomad Variable that task `task` of the job may read, and its path.
fn variable(cluster: &Cluster, task: &str, item: &str, text: &str) -> String {
    put(cluster, "item", text);
    let path = format!("nomad/jobs/{JOB}/trainAndSaveModel/{task}");
    let output = cluster.nomad(["var", "put", "-force", &path, &format!("{item}=@item")]);
    assert!(output.status.success(), "{}", said(&output));
    path
}

pub fn least_policy(cluster: &mut Cluster, _: &Gcs) {
    cluster.register(&in_folder(cluster));
    put(cluster, "policy.hcl", documented_policy());
    let output = cluster.nomad(["acl", "policy", "apply", "dispatch-training", "policy.hcl"]);
    assert!(output.status.success(), "{}", said(&output));
    let output = cluster.nomad([
        "acl",
        "token",
        "create",
        "-name=trainer",
        "-policy=dispatch-training",
        "-json",
    ]);
    let token: Value = serde_json::from_slice(&output.stdout).unwrap();
    let token = token["SecretID"].as_str().unwrap();

    let spec = specification(cluster, 4, 0.5, "");
    let url = format!("{}/opportunityHistory.json", cluster.files_address);
    let dispatch = |token: &str| {
        let mut command = cluster.command(env!("CARGO_BIN_EXE_runner"));
        let output = command
            .env("NOMAD_TOKEN", token)
            .args(["dispatch", "--versions", "1..2", "--save-path", "policy"])
            .args(["--gcp-bucket-path", "unused", "--data", &url])
            .args(["--spec", &spec, "--wait", "--json"])
            .args(["--store", &cluster.store()])
            .output();
        output.unwrap()
    };
    let output = dispatch("");
    assert_eq!(output.status.code(), Some(19), "{}", said(&output));
    let output = dispatch(token);
    assert!(output.status.success(), "{}", said(&output));
    assert_eq!(manifests(cluster, "policy").len(), 2);

    let script = |token: &str| {
        let mut command = cluster.command(repository().join("jobs/dispatch.sh"));
        let command = command.env("NOMAD_TOKEN", token).args(["3", &spec]);
        let command = command.env("DATA_URL", &url).env("SAVE_PATH", "policy");
        command.env("GCP_BUCKET_PATH", "unused").output().unwrap()
    };
    let output = script(token);
    assert!(output.status.success(), "{}", said(&output));

    // Nothing else: the job is the operator's.
    let mut stop = cluster.command(crate::cluster::binary().unwrap());
    let output = stop
        .env("NOMAD_TOKEN", token)
        .args(["job", "stop", "-detach", JOB])
        .output()
        .unwrap();
    assert!(!output.status.success());
    assert!(
        said(&output).contains("Permission denied"),
        "{}",
        said(&output)
    );
}

pub fn data_token(cluster: &mut Cluster, _: &Gcs) {
    let rows = std::fs::read(repository().join("tests/data/opportunityHistory.json")).unwrap();
    let server = Server::start(move |asked| match asked.header("authorization") {
        Some("Bearer hush-hush") => Answer::ok(&rows),
        _ => Answer::status(401, "who are you?"),
    });
    let path = variable(cluster, "train", "token", "hush-hush");
    let spec = specification(cluster, 4, 0.5, "");
    let url = server.url("/opportunityHistory.json");
    let allowed = server.url("/");
    cluster.register(&format!(
        "{}\ndata_token = \"{path}\"\nallow_data = [\"{allowed}\"]",
        in_folder(cluster)
    ));
    let url = format!("data_url={url}");
    let (status, json) = waited(cluster, "token", &spec, &["--meta", &url]);
    assert_eq!(status, 0, "{json:#}");
    assert_eq!(manifests(cluster, "token").len(), 1);
}

pub fn key_in_a_variable(cluster: &mut Cluster, gcs: &Gcs) {
    let account = json!({
        "type": "service_account",
        "client_email": "models@project.iam.gserviceaccount.com",
        "private_key": KEY,
        "token_uri": format!("{}/token", gcs.address),
    });
    let path = variable(cluster, "storeModel_GCP", "gcp_creds", &account.to_string());
    cluster.register(&format!(
        "store = \"gs://models/sales\"\ngcp_credentials = \"{path}\""
    ));
    stored_with_a_token(cluster, gcs, "key", "jwt");
}

pub fn workload_identity(cluster: &mut Cluster, gcs: &Gcs) {
    let audience = "//iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/nomad/providers/nomad";
    cluster.register(&format!(
        "store = \"gs://models/sales\"\ngcp_audience = \"{audience}\"\ngcp_token_url = \"{}/sts\"",
        gcs.address
    ));
    stored_with_a_token(cluster, gcs, "identity", "sts");
    let shown = gcs.state().tokens.subjects.last().unwrap().clone();
    let claims = shown.split('.').nth(1).unwrap();
    let claims = base64::Engine::decode(&base64::engine::general_purpose::URL_SAFE_NO_PAD, claims);
    let claims: Value = serde_json::from_slice(&claims.unwrap()).unwrap();
    assert_eq!(claims["aud"], format!("https:{audience}"));
    assert_eq!(claims["nomad_job_id"], JOB);
    assert_eq!(claims["nomad_task"], "storeModel_GCP");
}

/// One version in a bucket that asks for a token, which is got as `kind` says.
fn stored_with_a_token(cluster: &Cluster, gcs: &Gcs, save_path: &str, kind: &str) {
    gcs.state().tokens.required = true;
    let spec = specification(cluster, 4, 0.5, "");
    let (status, json) = waited(cluster, save_path, &spec, &[]);
    gcs.state().tokens.required = false;
    assert_eq!(status, 0, "{json:#}");
    assert_eq!(gcs.state().tokens.asked.last().unwrap(), kind);
    let begins = format!("sales/{save_path}_v1_");
    let names = gcs.names();
    assert!(
        names
            .iter()
            .any(|name| name.starts_with(&begins) && name.ends_with("manifest.json")),
        "{names:?}"
    );
}
