//! What may be read. Whoever dispatches a job is not its operator: a dispatch names a URL or path, and the operator
//! says by `--allow-data` which ones it may name. Under Nomad some are refused unless they were listed.

use std::net::IpAddr;
use std::path::{Component, Path, PathBuf};

use url::{Host, Url};

use super::DataError;
use super::source::redacted;
use crate::nomad::Nomad;
use prefix::Prefix;

mod addresses;
mod prefix;

pub(super) use addresses::{Guard, RefusedAddress};

/// Names of cloud metadata servers: where a proxy resolves names, their addresses are never seen here.
const METADATA_NAMES: [&str; 4] = [
    "metadata.google.internal",
    "metadata.goog",
    "instance-data",
    "instance-data.ec2.internal",
];

/// Which sources may be read.
#[derive(Clone, Debug, Default)]
pub struct Policy {
    /// `--allow-data`. Where there are any, nothing else is allowed.
    listed: Vec<Prefix>,
    /// Under Nomad.
    task: Option<TaskFolders>,
}

#[derive(Clone, Debug)]
struct TaskFolders {
    /// The task's and the allocation's.
    own: Vec<PathBuf>,
    secrets: PathBuf,
}

/// What was refused, why, and which flag would allow it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{what} may not be read: {why}. {remedy}")]
pub struct Refusal {
    what: String,
    why: String,
    remedy: String,
}

impl Policy {
    /// # Errors
    /// When an entry of `--allow-data` is neither a URL nor a folder.
    pub fn new(listed: &[String], nomad: &Nomad) -> Result<Self, DataError> {
        let task = nomad.is_task().then(|| TaskFolders {
            own: [&nomad.task_dir, &nomad.alloc_dir]
                .into_iter()
                .flatten()
                .cloned()
                .collect(),
            secrets: nomad
                .secrets_dir
                .clone()
                .unwrap_or_else(|| PathBuf::from("/secrets")),
        });
        let listed = listed
            .iter()
            .map(|text| Prefix::parse(text))
            .collect::<Result<_, _>>()?;
        Ok(Self { listed, task })
    }

    /// Whether the operator listed what may be read.
    #[must_use]
    pub fn is_listed(&self) -> bool {
        !self.listed.is_empty()
    }

    /// `resolved` is where `path` leads once every link is followed.
    ///
    /// # Errors
    /// When it may not be read.
    pub fn check_file(&self, path: &Path, resolved: &Path) -> Result<(), Refusal> {
        let resolved = without_dots(resolved);
        let refuse = |why: &str, flag: &Path| {
            Err(Refusal {
                what: path.display().to_string(),
                why: why.to_owned(),
                remedy: format!(
                    "The operator allows it with --allow-data {}",
                    flag.display()
                ),
            })
        };
        let folder = resolved.parent().unwrap_or(&resolved);
        if let Some(task) = &self.task {
            let secrets = real(&task.secrets);
            let listed = || {
                self.listed
                    .iter()
                    .any(|prefix| prefix.holds_file(&resolved) && prefix.is_below(&secrets))
            };
            if resolved.starts_with(&secrets) && !listed() {
                return refuse("it is among the task's secrets", folder);
            }
        }
        if self.is_listed() {
            if self
                .listed
                .iter()
                .any(|prefix| prefix.holds_file(&resolved))
            {
                return Ok(());
            }
            return refuse("no --allow-data names its folder", folder);
        }
        match &self.task {
            Some(task) if !task.own.iter().any(|own| resolved.starts_with(real(own))) => refuse(
                "under Nomad only the task's and the allocation's own folders may be read",
                folder,
            ),
            _ => Ok(()),
        }
    }

    /// `redirected`: the server led here, and nobody named this host.
    ///
    /// # Errors
    /// When it may not be read. An address that a name stands for is checked when it is resolved ([`Guard`]).
    pub fn check_url(&self, url: &Url, redirected: bool) -> Result<(), Refusal> {
        let what = if redirected {
            format!("{} (redirected there)", redacted(url))
        } else {
            redacted(url)
        };
        if self.is_listed() && !self.listed.iter().any(|prefix| prefix.holds_url(url)) {
            return Err(Refusal {
                what,
                why: "no --allow-data names a prefix of it".to_owned(),
                remedy: format!("The operator allows it with --allow-data {}", origin(url)),
            });
        }
        let Some(guard) = self.guard(redirected) else {
            return Ok(());
        };
        let refused = match url.host() {
            Some(Host::Ipv4(address)) => guard.check(IpAddr::V4(address)),
            Some(Host::Ipv6(address)) => guard.check(IpAddr::V6(address)),
            Some(Host::Domain(name)) => self.check_name(name.trim_end_matches('.')),
            None => Ok(()),
        };
        refused.map_err(|why| Refusal {
            what,
            why: why.to_owned(),
            remedy: format!("The operator allows it with --allow-data {}", origin(url)),
        })
    }

    /// Credentials go where the operator says, and nowhere else.
    ///
    /// # Errors
    /// When whoever dispatched the job chose the URL, and the operator did not list it.
    pub(super) fn check_credentials(&self, url: &Url, by_dispatch: bool) -> Result<(), Refusal> {
        if self.task.is_none() || self.is_listed() || !by_dispatch {
            return Ok(());
        }
        Err(Refusal {
            what: redacted(url),
            why: "whoever dispatched this job chose the URL, and would get the data source's credentials".to_owned(),
            remedy: format!("The operator allows it with --allow-data {}", origin(url)),
        })
    }

    fn check_name(&self, name: &str) -> Result<(), &'static str> {
        if METADATA_NAMES.contains(&name) && !self.listed.iter().any(|prefix| prefix.is_host(name))
        {
            return Err("it is a cloud's metadata server, which holds the machine's credentials");
        }
        Ok(())
    }

    /// What to check resolved addresses by; none where everything is allowed.
    #[must_use]
    pub(super) fn guard(&self, redirected: bool) -> Option<Guard> {
        if self.task.is_none() && !self.is_listed() && !redirected {
            return None;
        }
        Some(Guard::new(
            self.listed.iter().filter_map(Prefix::address).collect(),
        ))
    }

    /// Says of a URL that its name stands for a refused address.
    pub(super) fn refused_address(url: &Url, refused: &RefusedAddress) -> Refusal {
        let address = match refused.address {
            IpAddr::V4(address) => address.to_string(),
            IpAddr::V6(address) => format!("[{address}]"),
        };
        Refusal {
            what: redacted(url),
            why: format!("its name stands for {address}: {}", refused.why),
            remedy: format!(
                "The operator allows it with --allow-data {} and --allow-data {}://{address}/",
                origin(url),
                url.scheme()
            ),
        }
    }

    /// A link that leaves HTTP. No flag allows it.
    pub(super) fn refused_link(from: &Url, to: &Url) -> Refusal {
        Refusal {
            what: redacted(to),
            why: format!(
                "{} leads there, and a server is followed to http:// and https:// alone",
                redacted(from)
            ),
            remedy: "No flag allows it: name what you want to read with --data".to_owned(),
        }
    }
}

/// `https://host:port/`
fn origin(url: &Url) -> String {
    let mut origin = url.clone();
    origin.set_path("/");
    redacted(&origin)
}

/// Where a folder of the task really is; it may not be there.
fn real(folder: &Path) -> PathBuf {
    folder
        .canonicalize()
        .unwrap_or_else(|_| without_dots(folder))
}

/// What an absolute path means when none of its folders is a link.
fn without_dots(path: &Path) -> PathBuf {
    let mut plain = PathBuf::new();
    for component in path.components() {
        match component {
            Component::ParentDir => {
                plain.pop();
            }
            Component::CurDir => {}
            component => plain.push(component),
        }
    }
    plain
}

#[cfg(test)]
mod tests;
