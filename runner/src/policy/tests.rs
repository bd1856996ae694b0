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

/// What a dispatch, or a user at a laptop, may name.
fn policy(listed: &[&str], nomad: &Nomad) -> Policy {
    let listed: Vec<String> = listed.iter().map(|&text| text.to_owned()).collect();
    Policy::new(&listed, nomad, true).unwrap()
}

/// What an operator's own arguments may name.
fn of_operator(nomad: &Nomad) -> Policy {
    Policy::new(&[], nomad, false).unwrap()
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
        .check_url(&url, Step::Named)
        .map_err(|refusal| refusal.to_string())
}

fn object(policy: &Policy, address: &str) -> Result<(), String> {
    policy
        .check_object(address)
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
        "/localhost/a",
        "/proc/self/environ",
    ] {
        let refusal = file(&policy, path).unwrap_err();
        assert!(refusal.contains("--allow-data /"), "{refusal}");
    }
    for path in ["/local/../etc/passwd", "/local/../local/a.csv"] {
        let refusal = file(&policy, path).unwrap_err();
        assert!(refusal.contains("without `..`"), "{refusal}");
    }
    let policy = of_operator(&nomad());
    file(&policy, "/local/../local/a.csv").unwrap();
    let refusal = file(&policy, "/local/../etc/passwd").unwrap_err();
    assert!(refusal.contains("--allow-data /etc"), "{refusal}");
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
        "https://data.example.com/sales/2024..2025/a;v=1/..hidden/100%25%20%C3%A9.csv",
    ] {
        url(&listed, allowed).unwrap();
    }
    object(&listed, "gs://bucket/a/b.csv").unwrap();
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
    ] {
        let refusal = url(&listed, refused).unwrap_err();
        assert!(refusal.contains("--allow-data "), "{refused}: {refusal}");
    }
}

#[test]
fn no_disguise_of_two_dots_leaves_a_prefix() {
    let listed = policy(&["https://data.example.com/sales/"], &Nomad::default());
    for way_out in [
        "..;/x",
        "..;a=b/x",
        "..%3bx/x",
        "..%20/x",
        "%20../x",
        ".%20./x",
        "..%C2%A0/x",
        ".%C2%AD./x",
        "..%00/x",
        "..%00.csv",
        "..%0d/x",
        "a%0a.csv",
        "..%3f/x",
        "..%23/x",
        "..:x/x",
        "...",
        "..%2fx",
        "..%5cx",
        "%252e%252e/x",
        "%2525252e%2525252e/x",
        "%252525252525252525252525252e/x",
        "%25252e./x",
        "%c0%ae%c0%ae/x",
        "%E9.csv",
        "%u002e%u002e/x",
        "%EF%BC%8E%EF%BC%8E/x",
        "%E2%80%A5/x",
        "..%EF%BC%8Fx",
        "..%E2%88%95x",
        "%EF%BC%852e%EF%BC%852e/x",
    ] {
        let refusal = url(
            &listed,
            &format!("https://data.example.com/sales/{way_out}"),
        );
        let refusal = refusal.expect_err(way_out);
        assert!(refusal.contains("by its plain path"), "{refusal}");
    }
}

#[test]
fn an_object_is_judged_by_the_name_that_is_read() {
    let listed = policy(
        &["gs://bucket/ok/", "s3://whole", "az://a/b%20c"],
        &Nomad::default(),
    );
    for allowed in [
        "gs://bucket/ok/x",
        "gs://bucket/ok",
        "s3://whole/a/b",
        "az://a/b%20c/d",
    ] {
        object(&listed, allowed).unwrap();
    }
    for refused in [
        "gs://bucket/secret/%2e%2e/ok/x",
        "gs://bucket/okay",
        "gs://other/ok/x",
        "gs://whole/a",
        "s3://wholesale/a",
        "az://a/b c/d",
    ] {
        let refusal = object(&listed, refused).unwrap_err();
        assert!(refusal.contains("--allow-data "), "{refused}: {refusal}");
    }
}

#[test]
fn an_operator_says_which_server_gets_the_credentials() {
    let sends = |listed: &[&str], servers: &[&str], by_dispatch: bool, to: &str| {
        let listed: Vec<String> = listed.iter().map(|&text| text.to_owned()).collect();
        let servers: Vec<Url> = servers.iter().map(|url| Url::parse(url).unwrap()).collect();
        let policy = Policy::new(&listed, &nomad(), by_dispatch).unwrap();
        let sent = policy
            .with_credentials_for(&servers)
            .sends_credentials(&Url::parse(to).unwrap());
        sent.map_err(|refusal| refusal.to_string())
    };
    let (one, other) = ("https://one.example/a", "https://other.example/");
    assert_eq!(sends(&[], &[], false, one), Ok(true));
    let refusal = sends(&[], &[], true, one).unwrap_err();
    assert!(
        refusal.contains("--allow-data https://one.example/"),
        "{refusal}"
    );
    // Two folders of one server, beside what is no server.
    let listed = [one, "https://one.example/b", "/local", "gs://bucket/"];
    assert_eq!(sends(&listed, &[], true, one), Ok(true));
    for several in [
        [one, other],
        [one, "http://one.example/"],
        [one, "https://one.example:8443/"],
    ] {
        let refusal = sends(&several, &[], true, one).unwrap_err();
        let said = "--data-credentials-for https://one.example (";
        assert!(refusal.contains(said), "{refusal}");
        assert_eq!(
            sends(&several, &["https://one.example"], true, one),
            Ok(true)
        );
    }
    for by_dispatch in [true, false] {
        let servers = ["https://one.example"];
        assert_eq!(
            sends(&[one, other], &servers, by_dispatch, other),
            Ok(false)
        );
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
    url(&under_nomad, "https://example.com/").unwrap();
}

#[test]
fn metadata_servers_are_known_by_all_their_addresses() {
    for policy in [policy(&[], &nomad()), of_operator(&nomad())] {
        for address in [
            "http://[fd00:ec2::23]/v1/credentials",
            "http://[fd00:ec2::254]/",
            "http://[fd00:42::42]/",
            "http://[fd00:c1::a9fe:a9fe]/",
            "http://[fe80::a9fe:a9fe]/",
            "http://169.254.170.23/v1/credentials",
            "http://[64:ff9b:1::a9fe:a9fe]/",
            "http://[::ffff:0:a9fe:a9fe]/",
            "http://[2600::5efe:a9fe:a9fe]/",
            "http://[fd00:a9fe:a9fe::1]/",
            "http://[fd00:ec2::5efe:808:808]/",
            "http://169.254.42.42/",
            "http://169.254.0.23/",
        ] {
            let refusal = url(&policy, address).unwrap_err();
            assert!(refusal.contains("metadata server"), "{address}: {refusal}");
        }
    }
}

const PRIVATE: [&str; 18] = [
    "http://127.0.0.1:4646/v1/jobs",
    "http://127.1/",
    "http://0/",
    "http://0.0.0.0:8500/",
    "http://localhost:8500/",
    "http://Nomad.LOCALHOST./",
    "http://[::1]:4646/",
    "http://[::]/",
    "http://[::ffff:0.0.0.0]/",
    "http://[::ffff:127.0.0.1]/",
    "http://[64:ff9b::a00:1]/",
    "http://10.0.0.7/",
    "http://172.31.0.1/",
    "http://192.168.1.1/",
    "http://100.64.0.1/",
    "http://[fd12:3456::1]/",
    // A public IPv4 address within does not make a private network a public one.
    "http://[fd12:3456::5efe:808:808]/",
    "http://[64:ff9b:1:a9fe:a9:fe00:808:808]/",
];

#[test]
fn a_dispatch_names_no_address_of_the_machine_and_its_network() {
    let under_nomad = policy(&[], &nomad());
    for address in PRIVATE {
        let refusal = url(&under_nomad, address).unwrap_err();
        assert!(
            refusal.contains("loopback, private or reserved")
                && refusal.contains("--allow-data http://"),
            "{address}: {refusal}"
        );
        let led = Url::parse(address).unwrap();
        under_nomad.check_url(&led, Step::Led).unwrap_err();
        // An operator may name it, in a flag or in the list; and so may a user at a laptop.
        url(&of_operator(&nomad()), address).unwrap();
        url(&policy(&[address], &nomad()), address).unwrap();
        url(&policy(&[], &Nomad::default()), address).unwrap();
    }
    for address in [
        "http://93.184.215.14/",
        "http://172.32.0.1/",
        "http://[2606:2800:21f:cb07:6820:80da:af6b:8b2c]/",
        "http://[2002:5db8:d70e::1]/",
        "http://[64:ff9b::5db8:d70e]/",
    ] {
        url(&under_nomad, address).unwrap();
    }
    object(&under_nomad, "gs://localhost/rows.csv").unwrap();
}

#[test]
fn standard_input_is_named_by_no_dispatch_and_by_no_list() {
    let user = policy(&[], &Nomad::default());
    user.check_stdin().unwrap();
    of_operator(&nomad()).check_stdin().unwrap();
    for refused in [
        policy(&[], &nomad()),
        policy(&["/"], &nomad()),
        policy(&["/"], &Nomad::default()),
    ] {
        let refusal = refused.check_stdin().unwrap_err().to_string();
        assert!(refusal.contains("--data -"), "{refusal}");
    }
}

#[test]
fn nothing_is_told_of_a_file_that_may_not_be_read() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path().canonicalize().unwrap();
    for name in ["local", "secrets"] {
        std::fs::create_dir(folder.join(name)).unwrap();
        std::fs::write(folder.join(name).join("there"), "").unwrap();
    }
    std::os::unix::fs::symlink("../secrets/there", folder.join("local/link")).unwrap();
    let nomad = Nomad {
        task_dir: Some(folder.join("local")),
        secrets_dir: Some(folder.join("secrets")),
        ..nomad()
    };
    let policy = policy(&[], &nomad);
    assert!(policy.allows_existing(&folder.join("local/there")));
    for path in [
        "local/missing",
        "local/link",
        "secrets/there",
        "secrets/missing",
        "local/../secrets/there",
    ] {
        assert!(!policy.allows_existing(&folder.join(path)), "{path}");
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
        "https://a/..;/b",
        "gs://",
        "gs://a/../b",
        "gs://a//b",
        "gs://a/ b",
        "gs://user@a/b",
        "gs://a/b?c",
    ] {
        let error = Policy::new(&[text.to_owned()], &Nomad::default(), false)
            .unwrap_err()
            .to_string();
        assert!(error.contains("--allow-data"), "{text}: {error}");
    }
}

#[tokio::test]
async fn a_proxy_is_reached_by_its_name_wherever_it_is() {
    use reqwest::dns::Resolve;
    let guard = Guard::new(Zone::Private).through(vec!["127.0.0.1".to_owned()]);
    assert!(guard.resolve("127.0.0.1".parse().unwrap()).await.is_ok());
    assert!(guard.resolve("127.0.0.2".parse().unwrap()).await.is_err());
}

#[tokio::test]
async fn a_name_is_refused_by_the_address_that_it_stands_for() {
    use reqwest::dns::Resolve;
    // Nobody else's name can be relied on to stand for such an address: an address given as a name is resolved too.
    for (address, closed, is_refused) in [
        ("169.254.169.254", Zone::Metadata, true),
        ("169.254.0.1", Zone::Metadata, false),
        ("169.254.0.1", Zone::LinkLocal, true),
        ("127.0.0.1", Zone::LinkLocal, false),
        ("127.0.0.1", Zone::Private, true),
    ] {
        let guard = Guard::new(closed);
        let resolved = guard.resolve(address.parse().unwrap()).await;
        let refused = resolved
            .err()
            .is_some_and(|error| error.downcast_ref::<RefusedAddress>().is_some());
        assert_eq!(refused, is_refused, "{address}");
        let listed = guard.except(&Url::parse(&format!("http://{address}/")).unwrap());
        assert!(listed.resolve(address.parse().unwrap()).await.is_ok());
    }
}

#[test]
fn a_server_leads_nobody_to_a_metadata_server_by_the_name_that_was_given() {
    for (policy, named, led) in [
        (policy(&[], &Nomad::default()), false, true),
        (
            policy(&["http://example.com/"], &Nomad::default()),
            true,
            true,
        ),
        (of_operator(&nomad()), true, true),
        (policy(&[], &nomad()), true, true),
    ] {
        let link_local = "169.254.0.1".parse().unwrap();
        assert_eq!(policy.guard(Step::Named).check(link_local).is_err(), named);
        assert_eq!(policy.guard(Step::Led).check(link_local).is_err(), led);
        let metadata = "169.254.169.254".parse().unwrap();
        for step in [Step::Named, Step::Led] {
            policy.guard(step).check(metadata).unwrap_err();
        }
        policy.token_guard().check(metadata).unwrap_err();
    }
}

#[test]
fn the_nodes_identity_and_a_dispatchs_credentials_are_used_where_an_operator_says_so() {
    let metadata = Url::parse("http://169.254.169.254/").unwrap();
    let task = |node, creds| CredentialPolicy::new(&nomad(), node, creds);
    let refusal = task(false, true).check_node_identity("it").unwrap_err();
    assert!(refusal.to_string().contains("--allow-node-identity"));
    let guard = task(false, true).guard().unwrap();
    assert_eq!(guard.check_host(&metadata), Err(Zone::Metadata));
    assert!(task(true, false).guard().is_none());
    task(true, false).check_node_identity("it").unwrap();
    let refusal = task(true, false).check_gcp_creds().unwrap_err();
    assert!(refusal.to_string().contains("--allow-gcp-creds"));
    task(false, true).check_gcp_creds().unwrap();
    let laptop = CredentialPolicy::new(&Nomad::default(), false, false);
    laptop.check_node_identity("it").unwrap();
    assert!(laptop.guard().is_none());
    laptop.check_gcp_creds().unwrap_err();
}
