#![allow(clippy::unwrap_used)]

use super::*;

fn nomad() -> Nomad {
    Nomad {
        alloc_id: Some("d1f6".to_owned()),
        task_dir: Some("/local".into()),
        alloc_dir: Some("/alloc".into()),
        secrets_dir: Some("/secrets".into()),
        ..Nomad::default()
    }
}

fn policy(listed: &[&str], nomad: &Nomad) -> Policy {
    let listed: Vec<String> = listed.iter().map(|&text| text.to_owned()).collect();
    Policy::new(&listed, nomad).unwrap()
}

fn file(policy: &Policy, path: &str) -> Result<(), String> {
    let path = Path::new(path);
    policy
        .check_file(path, path)
        .map_err(|refusal| refusal.to_string())
}

fn url(policy: &Policy, url: &str) -> Result<(), String> {
    let url = Url::parse(url).unwrap();
    policy
        .check_url(&url, false)
        .map_err(|refusal| refusal.to_string())
}

#[test]
fn a_laptop_reads_what_its_user_may_read() {
    let policy = policy(&[], &Nomad::default());
    file(&policy, "/etc/passwd").unwrap();
    url(&policy, "http://169.254.169.254/latest").unwrap();
}

#[test]
fn under_nomad_only_the_tasks_own_folders_are_read() {
    let policy = policy(&[], &nomad());
    file(&policy, "/local/a.csv").unwrap();
    file(&policy, "/alloc/data/a.csv").unwrap();
    for path in [
        "/etc/passwd",
        "/secrets/api.sock",
        "/local/../etc/passwd",
        "/localhost/a",
        "/proc/self/environ",
    ] {
        let refusal = file(&policy, path).unwrap_err();
        assert!(refusal.contains("--allow-data /"), "{refusal}");
    }
}

#[test]
fn a_list_replaces_the_default_and_secrets_must_be_listed_by_themselves() {
    let listed = policy(&["/", "https://data.example.com/"], &nomad());
    file(&listed, "/etc/passwd").unwrap();
    file(&listed, "/secrets/token").unwrap_err();
    file(&policy(&["/secrets/data"], &nomad()), "/secrets/data/a.csv").unwrap();
    file(&policy(&["/secrets/data"], &nomad()), "/secrets/token").unwrap_err();
    let refusal = file(
        &policy(&["https://data.example.com/"], &nomad()),
        "/local/a.csv",
    )
    .unwrap_err();
    assert!(refusal.contains("--allow-data /local"), "{refusal}");
}

#[test]
fn a_prefix_ends_where_a_part_of_the_path_ends() {
    let listed = policy(
        &["https://data.example.com/sales", "gs://bucket/a/"],
        &Nomad::default(),
    );
    for allowed in [
        "https://data.example.com/sales",
        "https://data.example.com:443/sales/2024.csv?x=1",
        "https://ann:secret@data.example.com/sales/",
        "gs://bucket/a/b.csv",
    ] {
        url(&listed, allowed).unwrap();
    }
    for refused in [
        "https://data.example.com/salesforce",
        "https://data.example.com/sales/../private",
        "https://data.example.com/sales/%2e%2e/private",
        "https://data.example.com/sales/..%2fprivate",
        "https://data.example.com/sales/%252e%252e%252fprivate",
        "https://data.example.com/sales/..%5cprivate",
        "http://data.example.com/sales",
        "https://data.example.com:8443/sales",
        "https://data.example.com.evil.example/sales",
        "https://data.example.com@evil.example/sales",
        "gs://bucket/ab",
        "gs://other/a/b.csv",
    ] {
        let refusal = url(&listed, refused).unwrap_err();
        assert!(refusal.contains("--allow-data "), "{refused}: {refusal}");
    }
}

#[test]
fn metadata_servers_and_link_local_addresses_are_refused_however_they_are_written() {
    let under_nomad = policy(&[], &nomad());
    for address in [
        "http://169.254.169.254/latest/meta-data/",
        "http://169.254.169.254./",
        "http://2852039166/",
        "http://0xa9.0xfe.0xa9.0xfe/",
        "http://0251.0376.0251.0376/",
        "http://169.254.170.2/v2/credentials",
        "http://[::ffff:169.254.169.254]/",
        "http://[::169.254.169.254]/",
        "http://[64:ff9b::a9fe:a9fe]/",
        "http://[2002:a9fe:a9fe::]/",
        "http://[fe80::1]/",
        "http://[fd00:ec2::254]/",
        "http://[fd20:ce::254]/",
        "http://100.100.100.200/",
        "http://168.63.129.16/",
        "http://192.0.0.192/",
        "http://metadata.google.internal/computeMetadata/v1/",
        "http://METADATA.google.internal./",
    ] {
        let refusal = url(&under_nomad, address).unwrap_err();
        assert!(
            refusal.contains("--allow-data http://"),
            "{address}: {refusal}"
        );
    }
    for address in [
        "http://127.0.0.1:8080/",
        "http://[::1]/",
        "http://10.0.0.7/",
        "https://example.com/",
    ] {
        url(&under_nomad, address).unwrap();
    }
}

#[test]
fn an_operator_may_list_such_an_address() {
    let listed = policy(
        &[
            "http://169.254.169.254/",
            "http://metadata.google.internal/",
        ],
        &nomad(),
    );
    url(&listed, "http://169.254.169.254/data.csv").unwrap();
    url(&listed, "http://metadata.google.internal/data.csv").unwrap();
    url(&listed, "http://169.254.170.2/data.csv").unwrap_err();
}

#[test]
fn what_is_no_prefix_is_refused() {
    for text in [
        "",
        "file://",
        "ftp://example.com/",
        "https://",
        "https://a/?b",
        "https://user@a/",
    ] {
        let error = Policy::new(&[text.to_owned()], &Nomad::default())
            .unwrap_err()
            .to_string();
        assert!(error.contains("--allow-data"), "{text}: {error}");
    }
}

#[tokio::test]
async fn a_name_is_refused_by_the_address_that_it_stands_for() {
    use reqwest::dns::Resolve;
    // Nobody else's name can be relied on to stand for such an address: an address given as a name is resolved too.
    let name = || "169.254.169.254".parse().unwrap();
    let Err(refused) = Guard::new(Vec::new()).resolve(name()).await else {
        unreachable!("it must be refused");
    };
    assert!(
        refused.downcast_ref::<RefusedAddress>().is_some(),
        "{refused}"
    );
    assert!(
        Guard::new(vec!["169.254.169.254".parse().unwrap()])
            .resolve(name())
            .await
            .is_ok()
    );
}
