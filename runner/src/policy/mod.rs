//! What may be read, and with whose rights. Whoever dispatches a job is not its operator: a dispatch names a URL or path,
//! and the operator says by `--allow-data` which ones it may name. Under Nomad some are refused unless they were listed.

use std::net::IpAddr;
use std::path::{Component, Path, PathBuf};

use url::Url;

use crate::nomad::Nomad;
use disguise::is_disguised;
pub(crate) use paths::without_dots;
use paths::{lies_in, named, real};
use prefix::Prefix;

mod addresses;
mod credentials;
mod disguise;
mod paths;
mod prefix;
mod refusal;

pub use addresses::{Guard, RefusedAddress, Zone};
pub use credentials::CredentialPolicy;
pub use prefix::BadPrefix;
pub use refusal::Refusal;

/// Which sources may be read.
#[derive(Clone, Debug, Default)]
pub struct Policy {
    /// `--allow-data`. Where there are any, nothing else is allowed.
    listed: Vec<Prefix>,
    /// Under Nomad.
    task: Option<TaskFolders>,
    /// What is to be read was named by a dispatch, and by no operator.
    by_dispatch: bool,
    /// `--data-credentials-for`. Where there are any, no other server gets the data source's credentials.
    credentials_for: Vec<Url>,
}

#[derive(Clone, Debug)]
struct TaskFolders {
    /// The task's and the allocation's.
    own: Vec<PathBuf>,
    secrets: PathBuf,
}

/// Who chose a URL.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// The user, the operator, or a dispatch.
    Named,
    /// The server: by a redirect, or as the next page.
    Led,
}

impl Policy {
    /// `by_dispatch`: no flag of the operator's names what is to be read.
    ///
    /// # Errors
    /// When an entry of `--allow-data` is neither a URL nor a folder.
    pub fn new(listed: &[String], nomad: &Nomad, by_dispatch: bool) -> Result<Self, BadPrefix> {
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
        Ok(Self {
            by_dispatch: by_dispatch && task.is_some(),
            listed,
            task,
            credentials_for: Vec::new(),
        })
    }

    /// Sends the data source's credentials to these servers alone.
    #[must_use]
    pub fn with_credentials_for(mut self, servers: &[Url]) -> Self {
        self.credentials_for = servers.to_vec();
        self
    }

    /// Whether the operator listed what may be read.
    #[must_use]
    pub fn is_listed(&self) -> bool {
        !self.listed.is_empty()
    }

    /// What a path's own text tells: nothing is looked up but the folders that may be read. Whoever dispatches is told of a
    /// file elsewhere, and of one that is not there, the same.
    ///
    /// # Errors
    /// When a dispatch names a file that lies in no folder that may be read, or climbs by `..`.
    pub fn check_named(&self, path: &Path) -> Result<(), Refusal> {
        if !self.by_dispatch {
            return Ok(());
        }
        let climbs = |part| part == Component::ParentDir;
        if path.components().any(climbs) {
            return Err(Refusal::read(
                path.display().to_string(),
                "a dispatch names files without `..`".to_owned(),
                "Name it by its plain path, or let the operator name it with --data".to_owned(),
            ));
        }
        let named = named(path);
        let refused = self.forbids(&named);
        refused.map_or(Ok(()), |why| Err(refused_file(path, why, &below(&named))))
    }

    /// `resolved` is where `path` leads once every link is followed.
    ///
    /// # Errors
    /// When it may not be read.
    pub fn check_file(&self, path: &Path, resolved: &Path) -> Result<(), Refusal> {
        let resolved = without_dots(resolved);
        self.check_named(path)?;
        let Some(why) = self.forbids(&resolved) else {
            return Ok(());
        };
        // Where a link leads is told to an operator alone.
        let flag = match self.by_dispatch {
            true => "and the folder that a link in it leads to".to_owned(),
            false => below(&resolved),
        };
        Err(refused_file(path, why, &flag))
    }

    /// Why a file may not be read that lies there.
    fn forbids(&self, file: &Path) -> Option<&'static str> {
        let listed = |prefix: &&Prefix| prefix.holds_file(file);
        if let Some(task) = &self.task
            && lies_in(file, &task.secrets)
        {
            let secrets = real(&task.secrets);
            let mut listed = self.listed.iter().filter(listed);
            if !listed.any(|prefix| prefix.is_below(&secrets)) {
                return Some("it is among the task's secrets");
            }
        }
        if self.is_listed() {
            let is_listed = self.listed.iter().any(|prefix| listed(&prefix));
            return (!is_listed).then_some("no --allow-data names its folder");
        }
        let task = self.task.as_ref()?;
        let is_own = task.own.iter().any(|own| lies_in(file, own));
        (!is_own)
            .then_some("under Nomad only the task's and the allocation's own folders may be read")
    }

    /// Whether a file is there that may be read. Of one that may not be read nothing is told, not even that it is there.
    #[must_use]
    pub fn allows_existing(&self, path: &Path) -> bool {
        if self.check_named(path).is_err() {
            return false;
        }
        let resolved = path.canonicalize().ok();
        resolved.is_some_and(|file| self.check_file(path, &file).is_ok() && file.is_file())
    }

    /// # Errors
    /// When a dispatch names standard input, or `--allow-data` says what may be read: no entry of it can name this.
    pub fn check_stdin(&self) -> Result<(), Refusal> {
        if !self.by_dispatch && !self.is_listed() {
            return Ok(());
        }
        Err(Refusal::read(
            "standard input".to_owned(),
            if self.by_dispatch {
                "it is the task's own, and a dispatch named it".to_owned()
            } else {
                "no --allow-data stands for it".to_owned()
            },
            "The operator allows it with `--data -` and no --allow-data".to_owned(),
        ))
    }

    /// # Errors
    /// When it may not be read. An address that a name stands for is checked when it is resolved ([`Guard`]).
    pub fn check_url(&self, url: &Url, step: Step) -> Result<(), Refusal> {
        let what = match step {
            Step::Named => redacted(url),
            Step::Led => format!("{} (redirected there)", redacted(url)),
        };
        let refusal = |why: String| {
            let remedy = format!("The operator allows it with --allow-data {}", origin(url));
            Refusal::read(what.clone(), why, remedy)
        };
        if self.is_listed() {
            if is_disguised(url.path()) {
                return Err(Refusal::read(
                    what.clone(),
                    "its path holds `..` in some encoding, a control character, or what is not UTF-8, and the server may read it as another path than --allow-data names".to_owned(),
                    "Name it by its plain path".to_owned(),
                ));
            }
            if !self.listed.iter().any(|prefix| prefix.holds_url(url)) {
                return Err(refusal("no --allow-data names a prefix of it".to_owned()));
            }
        }
        // Whoever sits at the machine may name any address of it.
        if self.task.is_none() && !self.is_listed() && step == Step::Named {
            return Ok(());
        }
        self.guard(step)
            .check_host(url)
            .map_err(|zone| refusal(zone.to_string()))
    }

    /// `address`: of an object in a bucket, with its name as it is read.
    ///
    /// # Errors
    /// When it may not be read.
    pub fn check_object(&self, address: &str) -> Result<(), Refusal> {
        if !self.is_listed()
            || self
                .listed
                .iter()
                .any(|prefix| prefix.holds_object(address))
        {
            return Ok(());
        }
        let folder = address
            .rsplit_once('/')
            .map_or(address, |(folder, _)| folder);
        Err(Refusal::read(
            address.to_owned(),
            "no --allow-data names a prefix of it".to_owned(),
            format!("The operator allows it with --allow-data {folder}/"),
        ))
    }

    /// What resolved addresses are held to.
    #[must_use]
    pub fn guard(&self, step: Step) -> Guard {
        let closed = match (&self.task, step) {
            // What the operator listed may well be in a private network; what a dispatch names must not.
            _ if self.by_dispatch && !self.is_listed() => Zone::Private,
            (None, Step::Named) if !self.is_listed() => Zone::Metadata,
            _ => Zone::LinkLocal,
        };
        self.with_listed(Guard::new(closed))
    }

    /// # Errors
    /// When a server that the operator's files name may not be asked for a token.
    pub fn check_token_source(&self, url: &Url) -> Result<(), Refusal> {
        if self.task.is_none() {
            return Ok(());
        }
        self.token_guard().check_host(url).map_err(|zone| {
            Refusal::used(
                redacted(url),
                zone.to_string(),
                format!("The operator allows it with --allow-data {}", origin(url)),
            )
        })
    }

    /// What the addresses of such a server are held to.
    #[must_use]
    pub fn token_guard(&self) -> Guard {
        let closed = match self.task {
            Some(_) => Zone::LinkLocal,
            None => Zone::Metadata,
        };
        self.with_listed(Guard::new(closed))
    }

    fn with_listed(&self, guard: Guard) -> Guard {
        let urls = self.listed.iter().filter_map(Prefix::url);
        urls.fold(guard, Guard::except)
    }

    /// Whether the data source's credentials go to the server of this URL, which may be read. They go where the operator says,
    /// and nowhere else.
    ///
    /// # Errors
    /// When whoever dispatched the job chose that server.
    pub fn sends_credentials(&self, url: &Url) -> Result<bool, Refusal> {
        if !self.credentials_for.is_empty() {
            let mut named = self.credentials_for.iter();
            return Ok(named.any(|server| server.origin() == url.origin()));
        }
        let mut servers = self.listed.iter().filter_map(Prefix::url);
        let is_the_only_one = self.is_listed() && servers.all(|one| one.origin() == url.origin());
        if !self.by_dispatch || is_the_only_one {
            return Ok(true);
        }
        let (why, remedy) = if self.is_listed() {
            (
                "--allow-data lists several servers, and whoever dispatched this job chose which one would get the data source's credentials",
                format!(
                    "The operator names that one with --data-credentials-for {} (variable data_token_for of the job)",
                    url.origin().ascii_serialization()
                ),
            )
        } else {
            (
                "whoever dispatched this job chose the URL, and would get the data source's credentials",
                format!("The operator allows it with --allow-data {}", origin(url)),
            )
        };
        Err(Refusal::read(redacted(url), why.to_owned(), remedy))
    }

    /// Says of a URL that its host is, or stands for, a refused address.
    #[must_use]
    pub fn refused_address(url: &Url, refused: &RefusedAddress) -> Refusal {
        let address = match refused.address {
            IpAddr::V4(address) => address.to_string(),
            IpAddr::V6(address) => format!("[{address}]"),
        };
        let mut remedy = format!("The operator allows it with --allow-data {}", origin(url));
        // A name may be listed that stands for a private address; a worse one must be listed itself.
        if refused.zone > Zone::Private {
            remedy.push_str(&format!(" and --allow-data {}://{address}/", url.scheme()));
        }
        Refusal::read(
            redacted(url),
            format!("its name stands for {address}: {}", refused.zone),
            remedy,
        )
    }

    /// A link that leaves HTTP. No flag allows it.
    #[must_use]
    pub fn refused_link(from: &Url, to: &Url) -> Refusal {
        Refusal::read(
            redacted(to),
            format!(
                "{} leads there, and a server is followed to http:// and https:// alone",
                redacted(from)
            ),
            "No flag allows it: name what you want to read with --data".to_owned(),
        )
    }
}

/// A URL without what may be secret: user, password, query, fragment.
#[must_use]
pub fn redacted(url: &Url) -> String {
    let mut shown = url.clone();
    // Both fail only for URLs that cannot have a user.
    let _ = shown.set_username("");
    let _ = shown.set_password(None);
    shown.set_query(None);
    shown.set_fragment(None);
    shown.into()
}

/// `https://host:port/`
fn origin(url: &Url) -> String {
    let mut origin = url.clone();
    origin.set_path("/");
    redacted(&origin)
}

fn refused_file(path: &Path, why: &str, flag: &str) -> Refusal {
    Refusal::read(
        path.display().to_string(),
        why.to_owned(),
        format!("The operator allows it with --allow-data {flag}"),
    )
}

/// The folder of a file, as `--allow-data` names it.
fn below(file: &Path) -> String {
    file.parent().unwrap_or(file).display().to_string()
}

#[cfg(test)]
mod tests;
