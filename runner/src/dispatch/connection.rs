//! How Nomad's API is reached: by the variables that the `nomad` command reads, and no others.

use std::net::ToSocketAddrs;
use std::time::Duration;

use reqwest::Client;
use url::{Host, Url};

use super::error::DispatchError;
use super::tls;
use crate::net;

/// How long a server may stay silent. Nomad answers at once; a server that elects a leader takes seconds.
const SILENCE: Duration = Duration::from_secs(60);

#[derive(clap::Args, Clone, Debug)]
#[group(skip)]
#[command(next_help_heading = "Nomad")]
pub struct Args {
    /// A server or client of the cluster; $NOMAD_TOKEN, $NOMAD_HTTP_AUTH and the TLS variables
    /// ($NOMAD_CACERT, $NOMAD_CLIENT_CERT, …) are honoured
    #[arg(
        long,
        value_name = "URL",
        env = "NOMAD_ADDR",
        hide_env_values = true,
        default_value = "http://127.0.0.1:4646"
    )]
    pub address: String,

    /// The namespace of the job
    #[arg(
        long,
        value_name = "NAME",
        env = "NOMAD_NAMESPACE",
        hide_env_values = true,
        default_value = "default"
    )]
    pub namespace: String,

    /// A region to dispatch in (repeatable: versions are dealt out in turn) [default: the server's]
    #[arg(
        long,
        value_name = "NAME",
        env = "NOMAD_REGION",
        hide_env_values = true
    )]
    pub region: Vec<String>,
}

/// A client of Nomad's API, and where it is.
pub struct Connection {
    pub client: Client,
    /// With a path that ends in `/`.
    pub base: Url,
    pub token: Option<String>,
    /// User and password of a proxy before Nomad.
    pub basic: Option<(String, String)>,
}

impl Connection {
    /// # Errors
    /// When the address is none, or a TLS file can't be used. No request is sent.
    pub fn new(args: &Args) -> Result<Self, DispatchError> {
        let address = args.address.trim();
        let wrong = |problem: String| DispatchError::Address {
            address: address.to_owned(),
            problem,
        };
        let (text, socket) = match address.strip_prefix("unix://") {
            // The host is for the request's header only.
            Some(path) => ("http://127.0.0.1", Some(path.to_owned())),
            None => (address, None),
        };
        let mut base = Url::parse(text).map_err(|error| wrong(error.to_string()))?;
        if !matches!(base.scheme(), "http" | "https") || base.host().is_none() {
            return Err(wrong(
                "write it as http://HOST:4646 or https://HOST:4646".to_owned(),
            ));
        }
        if !base.path().ends_with('/') {
            base.set_path(&format!("{}/", base.path()));
        }
        let mut builder = net::builder(SILENCE)?;
        if let Some(path) = socket {
            builder = builder.unix_socket(path);
        }
        if is_loopback(&base) {
            // A proxy of the network has no way to this machine's own addresses.
            builder = builder.no_proxy();
        }
        if base.scheme() == "https" {
            if let Some(config) = tls::config()? {
                builder = builder.tls_backend_preconfigured(config);
            }
            if let Some(name) = variable("NOMAD_TLS_SERVER_NAME") {
                let addresses = addresses(&base).map_err(|error| wrong(error.to_string()))?;
                builder = builder.resolve_to_addrs(&name, &addresses);
                base.set_host(Some(&name))
                    .map_err(|error| wrong(format!("NOMAD_TLS_SERVER_NAME={name}: {error}")))?;
            }
        }
        Ok(Self {
            client: net::build(builder)?,
            base,
            token: variable("NOMAD_TOKEN"),
            basic: variable("NOMAD_HTTP_AUTH").map(|text| match text.split_once(':') {
                Some((user, password)) => (user.to_owned(), password.to_owned()),
                None => (text, String::new()),
            }),
        })
    }
}

/// A variable of the environment; an empty one counts as not given.
pub fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        Some(Host::Domain(name)) => name == "localhost",
        None => false,
    }
}

/// Where the server is, when its certificate is for another name than the address holds.
fn addresses(url: &Url) -> std::io::Result<Vec<std::net::SocketAddr>> {
    let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']);
    let port = url.port_or_known_default().unwrap_or(4646);
    Ok((host, port).to_socket_addrs()?.collect())
}
