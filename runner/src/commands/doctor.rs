//! `runner doctor`: what this machine lacks, and how to mend it.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::net::TcpStream;
use url::{Host, Url};

use super::output;
use crate::data::DataError;
use crate::error::Error;
use crate::exit::Exit;
use crate::foreign;
use crate::nomad::Nomad;
use crate::platform::{NamedFolder, open_regular};
use crate::policy::{Guard, Policy, Step, Zone};
use crate::sandbox::{
    Engine, EngineOptions, Grants, Guest, Limits, Mode, Trust, check_cache, run_guest,
};
use crate::size::Size;
use crate::version;

/// A module with an empty `_start`.
const EMPTY_MODULE: &[u8] =
    b"\0asm\x01\0\0\0\x01\x04\x01\x60\0\0\x03\x02\x01\0\x07\x0a\x01\x06_start\0\0\x0a\x04\x01\x02\0\x0b";
/// Below this, a training with a few thousand rows has no room beside the runner.
const LEAST_MEMORY: u64 = 256 << 20;
const PATIENCE: Duration = Duration::from_secs(5);

#[derive(clap::Args)]
pub struct Args {
    /// Try to reach the data's server [default: $NOMAD_META_data_url]
    #[arg(long, value_name = "URL")]
    pub data: Option<String>,

    /// Try to reach the store's server
    #[arg(long, value_name = "URL")]
    pub store: Option<String>,

    /// A folder that must be writable, such as a host volume (repeatable)
    #[arg(long, value_name = "FOLDER")]
    pub folder: Vec<PathBuf>,

    /// The folder that `run --cache-dir` is to keep compiled modules in
    #[arg(long, value_name = "FOLDER")]
    pub cache_dir: Option<PathBuf>,
}

/// What was found: well, or a trouble with its remedy.
type Finding = Result<String, String>;

/// Prints a line for each thing that the runner needs; ends with 1 when one is missing.
///
/// # Errors
/// When stdout can't be written.
pub async fn run(args: Args) -> Result<Exit, Error> {
    let nomad = Nomad::from_environment();
    let mut findings: Vec<(&str, Finding)> = vec![
        ("sandbox", sandbox().await),
        ("address space", address_space()),
        ("memory", memory(&nomad)),
        ("temporary files", writable(&std::env::temp_dir())),
        ("output", writable(&output(&nomad))),
        ("root", root()),
        ("names", names()),
        ("certificates", certificates()),
        ("clock", clock()),
        ("credentials", credentials(&nomad)),
    ];
    findings.extend(
        args.folder
            .iter()
            .map(|folder| ("folder", writable(folder))),
    );
    findings.extend(args.cache_dir.iter().map(|folder| ("cache", cache(folder))));
    // What a dispatch names is held to what a dispatch may reach.
    let policy = Policy::new(&[], &nomad, nomad.names_data(args.data.as_deref()));
    let guard = policy.map_err(DataError::from)?.guard(Step::Named);
    let data = args.data.or(nomad.meta.data_url);
    let store_guard = Guard::new(Zone::Metadata);
    for (name, url, guard) in [("data", data, guard), ("store", args.store, store_guard)] {
        if let Some(url) = url {
            findings.push((name, reachable(&url, &guard).await));
        }
    }
    let mut missing = false;
    for (name, finding) in findings {
        missing |= finding.is_err();
        output::print(match finding {
            Ok(what) => format!("well     {name}: {}", foreign::line(&what)),
            Err(what) => format!("TROUBLE  {name}: {}", foreign::line(&what)),
        })?;
    }
    Ok(if missing { Exit::Local } else { Exit::Done })
}

/// Compiles and runs a module that does nothing: it needs address space and executable memory.
async fn sandbox() -> Finding {
    let run = async {
        let folder = tempfile::tempdir().map_err(|error| error.to_string())?;
        let file = folder.path().join("empty.wasm");
        std::fs::write(&file, EMPTY_MODULE).map_err(|error| error.to_string())?;
        let engine = Engine::new(&EngineOptions::default()).map_err(|error| error.to_string())?;
        let module = engine
            .load(&file, &Trust::default())
            .map_err(|error| error.to_string())?;
        let granted = NamedFolder::open(folder.path()).map_err(|error| error.to_string())?;
        let guest = Guest {
            mode: Mode::Train,
            grants: Grants {
                data: &granted,
                job: None,
                model: &granted,
                predictions: None,
                env: BTreeMap::new(),
                seed: 0,
            },
        };
        run_guest(&engine, &module, &guest, &Limits::default())
            .await
            .map_err(|error| error.to_string())?;
        Ok::<_, String>(engine.describe().to_owned())
    };
    run.await.map_err(|error| {
        format!(
            "a module does not run here ({error}); where SELinux refuses executable memory, allow it \
             (setsebool deny_execmem off) or use --engine interpreter; where memory is refused, see below"
        )
    })
}

/// wasmtime reserves gigabytes of addresses and uses little of them.
fn address_space() -> Finding {
    let limit = rustix::process::getrlimit(rustix::process::Resource::As).current;
    let overcommit = read("/proc/sys/vm/overcommit_memory");
    match (limit, overcommit.as_deref()) {
        (Some(bytes), _) if bytes < 1 << 30 => Err(format!(
            "limited to {}; raise it to 1 GiB and more (ulimit -v unlimited)",
            Size(bytes)
        )),
        (Some(bytes), _) => Ok(format!(
            "limited to {} (ulimit -v): modules run with checked accesses, more slowly",
            Size(bytes)
        )),
        (None, Some("2")) => Ok(
            "vm.overcommit_memory is 2: reserved addresses do not count, but used memory is refused early".to_owned(),
        ),
        (None, _) => Ok("not limited".to_owned()),
    }
}

fn memory(nomad: &Nomad) -> Finding {
    let cgroup = read("/sys/fs/cgroup/memory.max").and_then(|text| text.parse::<u64>().ok());
    match nomad.memory_limit.or(cgroup) {
        Some(bytes) if bytes < LEAST_MEMORY => Err(format!(
            "this task has {}; give it {} and more (`memory` in its `resources`)",
            Size(bytes),
            Size(LEAST_MEMORY)
        )),
        Some(bytes) => Ok(format!("limited to {}", Size(bytes))),
        None => Ok("not limited".to_owned()),
    }
}

fn output(nomad: &Nomad) -> PathBuf {
    match &nomad.alloc_dir {
        Some(folder) => folder.clone(),
        None => PathBuf::from("."),
    }
}

fn writable(folder: &Path) -> Finding {
    match tempfile::tempfile_in(folder) {
        Ok(_) => Ok(format!("{} can be written", folder.display())),
        Err(error) => Err(format!(
            "{} cannot be written ({error}); let the user that the task runs as write there, or choose another \
             folder (TMPDIR, --out)",
            folder.display()
        )),
    }
}

/// What a chroot brings. The runner does with very little, and says what it then does without.
fn root() -> Finding {
    let mut names: Vec<String> = std::fs::read_dir("/")
        .map_err(|error| {
            format!("/ cannot be listed ({error}); let the user that the task runs as read it")
        })?
        .filter_map(|entry| Some(entry.ok()?.file_name().to_string_lossy().into_owned()))
        .collect();
    if ["proc", "usr", "var"]
        .iter()
        .all(|name| names.iter().any(|found| found == name))
    {
        return Ok("a whole machine's".to_owned());
    }
    names.sort();
    let proc = if Path::new("/proc/self/exe").exists() {
        ""
    } else {
        "; without /proc, manifests do not name the runner's digest"
    };
    Ok(format!("a small one, of {}{proc}", names.join(", ")))
}

/// What lies in the cache is executed: it is used only where nobody else can write.
fn cache(folder: &Path) -> Finding {
    check_cache(folder).map_err(|error| {
        format!(
            "{} is not used ({error}); give it to the user that the task runs as, and to nobody else \
             (install -d -o nobody -m 0700 …)",
            folder.display()
        )
    })?;
    writable(folder)
}

/// A task's chroot has no more of /etc than the client's `chroot_env` lets it have.
fn names() -> Finding {
    let missing: Vec<&str> = ["/etc/hosts", "/etc/resolv.conf"]
        .into_iter()
        .filter(|file| !Path::new(file).exists())
        .collect();
    if missing.is_empty() {
        return Ok("/etc/hosts and /etc/resolv.conf are there".to_owned());
    }
    Err(format!(
        "{} not there, so no server's name is found; name it in the client's `chroot_env`",
        missing.join(" and ")
    ))
}

fn certificates() -> Finding {
    let Some(file) = std::env::var_os("SSL_CERT_FILE").filter(|file| !file.is_empty()) else {
        return Ok("the built-in roots".to_owned());
    };
    let file = PathBuf::from(file);
    match open_regular(&file) {
        Ok(_) => Ok(format!("those of {}", file.display())),
        Err(error) => Err(format!(
            "SSL_CERT_FILE names {}, which cannot be read ({error}): the built-in roots are used; unset it, or bring \
             that file into the task",
            file.display()
        )),
    }
}

/// No clock that is right is earlier than the program itself.
fn clock() -> Finding {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    clock_at(now.unwrap_or_default(), version::source_date())
}

fn clock_at(now: Duration, built: Duration) -> Finding {
    let day = |time: Duration| {
        let seconds = i64::try_from(time.as_secs()).unwrap_or(i64::MAX);
        jiff::Timestamp::from_second(seconds).map_or_else(
            |_| "a year beyond 9999".to_owned(),
            |time| time.strftime("%Y-%m-%d").to_string(),
        )
    };
    let (today, built) = (day(now), (built, day(built)));
    if now >= built.0 {
        return Ok(format!("{today}, and this program is of {}", built.1));
    }
    Err(format!(
        "it says {today}, and this program is of {}: certificates are refused by a clock that is off; set it (NTP)",
        built.1
    ))
}

/// Files that hold credentials, where the environment names some.
fn credentials(nomad: &Nomad) -> Finding {
    let mut found = Vec::new();
    let name = "GOOGLE_APPLICATION_CREDENTIALS";
    let named = std::env::var(name).ok().filter(|file| !file.is_empty());
    if let Some(file) = named {
        if let Err(error) = open_regular(Path::new(&file)) {
            return Err(format!(
                "{name} names {file}, which cannot be read ({error}); write it there with a `template` block"
            ));
        }
        found.push(file);
    }
    if nomad.meta.gcp_creds.is_some() {
        found.push("the dispatch's gcp_creds, used with --allow-gcp-creds alone".to_owned());
    }
    let token = nomad.secrets_dir.as_ref().filter(|folder| {
        std::fs::read_dir(folder).is_ok_and(|mut entries| {
            entries.any(|entry| {
                entry.is_ok_and(|entry| entry.file_name().to_string_lossy().ends_with(".jwt"))
            })
        })
    });
    if token.is_some() {
        found.push("a workload identity of Nomad's".to_owned());
    }
    if found.is_empty() {
        found.push(if nomad.is_task() {
            "none named; what the cloud's machine offers is used with --allow-node-identity alone"
                .to_owned()
        } else {
            "none named; what the cloud's machine offers is used".to_owned()
        });
    }
    Ok(found.join(", "))
}

/// Whether the server behind an address takes a connection.
async fn reachable(address: &str, guard: &Guard) -> Finding {
    let url = match Url::parse(address) {
        Ok(url) if url.scheme() == "file" => return Ok("a local folder".to_owned()),
        Ok(url) => url,
        Err(_) => return Ok("a local path".to_owned()),
    };
    let (host, port) = match (url.scheme(), url.host()) {
        ("gs", _) => (Host::Domain("storage.googleapis.com"), 443),
        (_, Some(host)) => (host, url.port_or_known_default().unwrap_or(443)),
        _ => return Err(format!("{} names no server", url.scheme())),
    };
    guard
        .check_host(&url)
        .map_err(|zone| format!("{host} is not asked: {zone}"))?;
    // As it is looked up: the brackets around an address belong to the URL.
    let name = match host {
        Host::Ipv6(address) => address.to_string(),
        _ => host.to_string(),
    };
    match tokio::time::timeout(PATIENCE, connect(&name, port, guard)).await {
        Ok(Ok(_)) => Ok(format!("{host}:{port} takes connections")),
        Ok(Err(error)) => Err(format!(
            "{host}:{port} cannot be reached ({error}); look at its name, the firewall and the proxy"
        )),
        Err(_) => Err(format!(
            "{host}:{port} does not answer; look at the firewall and the proxy"
        )),
    }
}

async fn connect(host: &str, port: u16, guard: &Guard) -> std::io::Result<TcpStream> {
    let addresses: Vec<SocketAddr> = tokio::net::lookup_host((host, port)).await?.collect();
    for address in &addresses {
        guard.check(address.ip()).map_err(|zone| {
            std::io::Error::other(format!("its name stands for {}: {zone}", address.ip()))
        })?;
    }
    TcpStream::connect(addresses.as_slice()).await
}

/// A small file of the kernel's, without its newline.
fn read(file: &str) -> Option<String> {
    Some(std::fs::read_to_string(file).ok()?.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_is_off_that_is_earlier_than_the_program() {
        let (day, built) = (
            Duration::from_secs(86_400),
            Duration::from_secs(1_790_000_000),
        );
        let early = clock_at(built - day, built).unwrap_err();
        assert!(
            early.contains("2026-09-20") && early.contains("2026-09-21"),
            "{early}"
        );
        assert!(clock_at(built, built).is_ok() && clock_at(built + day, built).is_ok());
        assert!(clock_at(Duration::ZERO, version::source_date()).is_err());
        assert!(clock().is_ok());
    }
}
