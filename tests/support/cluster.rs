//! A real Nomad agent on loopback: server and client in one process, in a folder that goes when it is dropped.
#![allow(dead_code)]

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tempfile::TempDir;

/// Nothing here takes that long, on a busy machine either; what does has failed.
const PATIENCE: Duration = Duration::from_secs(300);

pub const JOB: &str = "sales-close-prediction";

/// `NOMAD_BIN`, else `nomad` on the PATH.
pub fn binary() -> Option<PathBuf> {
    if let Some(named) = std::env::var_os("NOMAD_BIN").filter(|named| !named.is_empty()) {
        return Some(PathBuf::from(named));
    }
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path)
        .map(|folder| folder.join("nomad"))
        .find(|file| file.is_file())
}

pub struct Cluster {
    pub root: TempDir,
    binary: PathBuf,
    repository: PathBuf,
    agent: Option<Child>,
    files: Child,
    address: String,
    pub files_address: String,
    /// Inherited by the tasks, as an agent's environment is.
    environment: Vec<(String, String)>,
    /// Nomad's access control is on: this token may do all.
    token: String,
}

impl Cluster {
    /// Starts an agent, and a web server with the files that the job downloads.
    pub fn start(binary: PathBuf, repository: &Path, environment: &[(&str, &str)]) -> Self {
        let root = TempDir::with_prefix("nomad-test-").unwrap();
        let port = free_port();
        let served = root.path().join("served");
        std::fs::create_dir(&served).unwrap();
        let files = Command::new("python3")
            .args([
                "-m",
                "http.server",
                &port.to_string(),
                "--bind",
                "127.0.0.1",
                "-d",
            ])
            .arg(&served)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut cluster = Self {
            binary,
            repository: repository.to_owned(),
            agent: None,
            files,
            address: String::new(),
            files_address: format!("http://127.0.0.1:{port}"),
            environment: environment
                .iter()
                .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
                .collect(),
            token: String::new(),
            root,
        };
        cluster.lay_out(&served);
        cluster.configure();
        cluster.start_agent();
        cluster
    }

    pub fn path(&self, relative: &str) -> PathBuf {
        self.root.path().join(relative)
    }

    pub fn store(&self) -> String {
        format!("file://{}", self.path("store").display())
    }

    fn lay_out(&self, served: &Path) {
        let stripped = Command::new("strip")
            .arg("-o")
            .arg(served.join("runner-amd64"))
            .arg(env!("CARGO_BIN_EXE_runner"))
            .status();
        if !stripped.is_ok_and(|status| status.success()) {
            std::fs::copy(env!("CARGO_BIN_EXE_runner"), served.join("runner-amd64")).unwrap();
        }
        std::fs::copy(
            self.repository.join("dist/workload.wasm"),
            served.join("workload.wasm"),
        )
        .unwrap();
        let compiled = Command::new(env!("CARGO_BIN_EXE_runner"))
            .arg("compile")
            .arg(served.join("workload.wasm"))
            .arg("--output")
            .arg(served.join("workload-amd64.cwasm"))
            .output()
            .unwrap();
        assert!(compiled.status.success(), "{}", said(&compiled));
        let data = self.repository.join("tests/data/opportunityHistory.json");
        std::fs::copy(data, served.join("opportunityHistory.json")).unwrap();
        let sums = Command::new("sha256sum")
            .args(["runner-amd64", "workload.wasm", "workload-amd64.cwasm"])
            .current_dir(served)
            .output()
            .unwrap();
        std::fs::write(served.join("SHA256SUMS"), sums.stdout).unwrap();
        for volume in ["store", "store/_data", "store/_tmp", "cache", "models"] {
            let folder = self.path(volume);
            std::fs::create_dir(&folder).unwrap();
            // Tasks run as `nobody`.
            assert!(
                Command::new("chown")
                    .arg("nobody")
                    .arg(&folder)
                    .status()
                    .unwrap()
                    .success()
            );
        }
        use std::os::unix::fs::PermissionsExt;
        std::fs::set_permissions(self.root.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
    }

    /// What jobs/agent.dev.hcl leaves to whoever starts it, and the libraries that a runner built for tests needs: the
    /// one that is shipped is static.
    fn configure(&mut self) {
        let root = self.root.path().display().to_string();
        let (http, rpc, serf) = (free_port(), free_port(), free_port());
        self.address = format!("http://127.0.0.1:{http}");
        let libraries: String = libraries(Path::new(env!("CARGO_BIN_EXE_runner")))
            .into_iter()
            .map(|(from, to)| format!("    \"{from}\" = \"{to}\"\n"))
            .collect();
        let volumes = [
            ("store", "store"),
            ("snapshots", "store/_data"),
            ("cache", "cache"),
            ("models", "models"),
        ];
        let volumes: String = volumes
            .map(|(name, path)| {
                format!("  host_volume \"{name}\" {{\n    path = \"{root}/{path}\"\n  }}\n")
            })
            .concat();
        let text = format!(
            "name = \"first\"\ndata_dir = \"{root}/data\"\nports {{\n  http = {http}\n  rpc = {rpc}\n  serf = {serf}\n}}\nadvertise {{\n  http = \"127.0.0.1\"\n  rpc = \"127.0.0.1\"\n  serf = \"127.0.0.1\"\n}}\n\
             server {{\n  enabled = true\n  bootstrap_expect = 1\n  heartbeat_grace = \"2s\"\n  min_heartbeat_ttl = \"2s\"\n}}\nacl {{\n  enabled = true\n}}\n\
             client {{\n  enabled = true\n  servers = [\"127.0.0.1:{rpc}\"]\n{volumes}  chroot_env = {{\n{libraries}  }}\n}}\n"
        );
        std::fs::write(self.path("agent.hcl"), text).unwrap();
    }

    /// Another client of the same server, with folders of its own.
    pub fn start_client(&self, name: &str) -> Child {
        let folder = self.path(name);
        let text = std::fs::read_to_string(self.path("agent.hcl")).unwrap();
        let own = format!("{}/data", self.root.path().display());
        let ports = |text: String, kind: &str| {
            let begins = format!("  {kind} = ");
            let lines = text.lines().map(|line| match line.strip_prefix(&begins) {
                Some(port) if port.parse::<u16>().is_ok() => format!("{begins}{}", free_port()),
                _ => line.to_owned(),
            });
            lines.collect::<Vec<_>>().join("\n")
        };
        let text = text
            .replace(&own, &folder.display().to_string())
            .replace("enabled = true\n  bootstrap_expect = 1", "enabled = false");
        let text = ports(ports(ports(text, "http"), "rpc"), "serf");
        let file = self.path(&format!("{name}.hcl"));
        let text = text.replace("name = \"first\"", &format!("name = \"{name}\""));
        std::fs::write(&file, text).unwrap();
        self.spawn_agent(&file)
    }

    /// The id of a client, once it is ready.
    pub fn node(&self, name: &str) -> String {
        self.wait(&format!("client {name} to be ready"), |cluster| {
            let nodes = cluster.api("/v1/nodes")?;
            let node = nodes
                .as_array()?
                .iter()
                .find(|node| node["Name"] == name && node["Status"] == "ready")?;
            Some(node["ID"].as_str()?.to_owned())
        })
    }

    fn spawn_agent(&self, configuration: &Path) -> Child {
        let log = std::fs::OpenOptions::new()
            .create(true)
            .append(true)
            .open(self.path("agent.log"))
            .unwrap();
        Command::new(&self.binary)
            .arg("agent")
            .arg(format!(
                "-config={}",
                self.repository.join("jobs/agent.dev.hcl").display()
            ))
            .arg(format!("-config={}", configuration.display()))
            .env_clear()
            .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
            .envs(self.environment.iter().map(|(name, value)| (name, value)))
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .unwrap()
    }

    pub fn start_agent(&mut self) {
        self.agent = Some(self.spawn_agent(&self.path("agent.hcl")));
        if self.token.is_empty() {
            self.token = self.wait("a token", |cluster| {
                let output = cluster.nomad(["acl", "bootstrap", "-json"]);
                let token: Value = serde_json::from_slice(&output.stdout).ok()?;
                Some(token["SecretID"].as_str()?.to_owned())
            });
        }
        self.wait("the client to be ready", |cluster| {
            let nodes = cluster.api("/v1/nodes")?;
            (nodes[0]["Status"] == "ready").then_some(())
        });
    }

    /// As a machine that loses power does it; its tasks go on.
    pub fn kill_agent(&mut self) {
        let mut agent = self.agent.take().unwrap();
        agent.kill().unwrap();
        agent.wait().unwrap();
    }

    /// A command that talks to this agent, in the folder with the job's variables.
    pub fn command(&self, program: impl AsRef<std::ffi::OsStr>) -> Command {
        let folder = self.binary.parent().unwrap().display();
        let mut command = Command::new(program);
        command
            .env_clear()
            .env("PATH", format!("{folder}:/usr/sbin:/usr/bin:/sbin:/bin"))
            .env("HOME", self.root.path())
            .env("NOMAD_ADDR", &self.address)
            .current_dir(self.root.path());
        if !self.token.is_empty() {
            command.env("NOMAD_TOKEN", &self.token);
        }
        command
    }

    pub fn nomad<const N: usize>(&self, args: [&str; N]) -> Output {
        self.command(&self.binary).args(args).output().unwrap()
    }

    /// Registers the job with these variables besides those of the served files.
    pub fn register(&self, variables: &str) {
        let output = self
            .command(self.repository.join("jobs/variables.sh"))
            .arg(self.path("served"))
            .arg(&self.files_address)
            .output()
            .unwrap();
        assert!(output.status.success());
        let written = String::from_utf8(output.stdout).unwrap();
        let allowed = if variables.contains("allow_data") {
            String::new()
        } else {
            format!(
                "allow_data = [\"{}/\", \"{}/_data\"]\n",
                self.files_address,
                self.path("store").display()
            )
        };
        let defaults = [("cpu", 500), ("memory", 512)];
        let defaults: String = defaults
            .into_iter()
            .filter(|(name, _)| !variables.lines().any(|line| line.starts_with(name)))
            .map(|(name, value)| format!("{name} = {value}\n"))
            .collect();
        let text =
            format!("{written}architectures = [\"amd64\"]\n{allowed}{defaults}{variables}\n");
        std::fs::write(self.path("vars.hcl"), text).unwrap();
        let job = self.repository.join(format!("jobs/{JOB}.nomad.hcl"));
        let output = self.nomad(["job", "run", "-var-file=vars.hcl", job.to_str().unwrap()]);
        assert!(output.status.success(), "{}", said(&output));
    }

    /// `runner dispatch` with what the job requires, as JSON.
    pub fn dispatch<const N: usize>(&self, save_path: &str, args: [&str; N]) -> Output {
        self.command(env!("CARGO_BIN_EXE_runner"))
            .args([
                "dispatch",
                "--json",
                "--gcp-bucket-path",
                "unused",
                "--save-path",
                save_path,
            ])
            .args([
                "--data",
                &format!("{}/opportunityHistory.json", self.files_address),
            ])
            .args(args)
            .output()
            .unwrap()
    }

    /// What the agent said, at its end.
    fn log_end(&self) -> String {
        let log = std::fs::read_to_string(self.path("agent.log")).unwrap_or_default();
        let lines: Vec<&str> = log.lines().collect();
        lines[lines.len().saturating_sub(20)..].join("\n")
    }

    pub fn api(&self, path: &str) -> Option<Value> {
        let output = self.nomad(["operator", "api", path]);
        serde_json::from_slice(&output.stdout).ok()
    }

    pub fn allocations(&self, job: &str) -> Vec<Value> {
        let path = format!("/v1/job/{}/allocations", job.replace('/', "%2F"));
        self.api(&path)
            .and_then(|list| list.as_array().cloned())
            .unwrap_or_default()
    }

    /// Waits until every allocation of a dispatched job has ended, and returns them.
    pub fn ended(&self, job: &str) -> Vec<Value> {
        self.wait(&format!("{job} to end"), |cluster| {
            let allocations = cluster.allocations(job);
            let ended = |each: &Value| {
                matches!(
                    each["ClientStatus"].as_str(),
                    Some("complete" | "failed" | "lost")
                )
            };
            (!allocations.is_empty() && allocations.iter().all(ended)).then_some(allocations)
        })
    }

    /// The process of a task, once it runs.
    pub fn process(&self, allocation: &str, task: &str) -> Pid {
        self.wait(&format!("task {task} to run"), |_| {
            process_of(allocation, task)
        })
    }

    /// # Panics
    /// When it does not come true.
    pub fn wait<T>(&self, what: &str, check: impl Fn(&Self) -> Option<T>) -> T {
        self.wait_for(PATIENCE, what, check)
    }

    /// The same for what takes an hour.
    ///
    /// # Panics
    /// When it does not come true.
    pub fn wait_as_long<T>(&self, what: &str, check: impl Fn(&Self) -> Option<T>) -> T {
        self.wait_for(12 * PATIENCE, what, check)
    }

    fn wait_for<T>(&self, patience: Duration, what: &str, check: impl Fn(&Self) -> Option<T>) -> T {
        let started = Instant::now();
        loop {
            if let Some(value) = check(self) {
                return value;
            }
            assert!(
                started.elapsed() < patience,
                "waited too long for {what}; the agent said:\n{}",
                self.log_end()
            );
            std::thread::sleep(Duration::from_millis(200));
        }
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        // Tasks outlive their agent: they are stopped first.
        if self.agent.is_some() {
            self.nomad(["job", "stop", "-purge", "-detach", JOB]);
            for job in self
                .api("/v1/jobs")
                .iter()
                .filter_map(Value::as_array)
                .flatten()
            {
                if let Some(id) = job["ID"].as_str() {
                    self.nomad(["job", "stop", "-detach", id]);
                }
            }
            let below = self.root.path().display().to_string();
            let started = Instant::now();
            while mounts(&below).iter().any(|mount| mount.ends_with("/proc"))
                && started.elapsed() < Duration::from_secs(20)
            {
                std::thread::sleep(Duration::from_millis(200));
            }
        }
        if let Some(mut agent) = self.agent.take() {
            if let Ok(pid) = i32::try_from(agent.id()).map(Pid::from_raw) {
                let _ = pid.map(|pid| kill_process(pid, Signal::TERM));
            }
            let _ = agent.wait();
        }
        let _ = self.files.kill();
        let _ = self.files.wait();
        for orphan in processes_of(self.root.path()) {
            let _ = kill_process(orphan, Signal::KILL);
        }
        for mount in mounts(&self.root.path().display().to_string()) {
            let _ = Command::new("umount").args(["-l", &mount]).status();
        }
    }
}

/// What is mounted below a folder, the deepest first.
fn mounts(below: &str) -> Vec<String> {
    let table = std::fs::read_to_string("/proc/self/mounts").unwrap_or_default();
    let points = table.lines().filter_map(|line| line.split(' ').nth(1));
    let mut points: Vec<String> = points
        .filter(|point| point.starts_with(below))
        .map(str::to_owned)
        .collect();
    points.sort_by_key(|point| std::cmp::Reverse(point.len()));
    points
}

/// What a killed client left behind: processes that have a file below a folder open.
fn processes_of(folder: &Path) -> Vec<Pid> {
    let open_below = |pid: &Path| {
        let files = std::fs::read_dir(pid.join("fd")).into_iter().flatten();
        files
            .flatten()
            .filter_map(|file| std::fs::read_link(file.path()).ok())
            .any(|file| file.starts_with(folder))
    };
    let entries = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    entries
        .filter_map(|entry| {
            let pid = entry.file_name().to_str()?.parse().ok()?;
            open_below(&entry.path()).then(|| Pid::from_raw(pid))?
        })
        .collect()
}

fn process_of(allocation: &str, task: &str) -> Option<Pid> {
    let wanted = [
        format!("NOMAD_ALLOC_ID={allocation}"),
        format!("NOMAD_TASK_NAME={task}"),
    ];
    for entry in std::fs::read_dir("/proc").ok()?.flatten() {
        let Some(pid) = entry
            .file_name()
            .to_str()
            .and_then(|name| name.parse().ok())
        else {
            continue;
        };
        let environment = std::fs::read(entry.path().join("environ")).unwrap_or_default();
        let variables: Vec<&[u8]> = environment.split(|byte| *byte == 0).collect();
        if wanted
            .iter()
            .all(|each| variables.contains(&each.as_bytes()))
        {
            return Pid::from_raw(pid);
        }
    }
    None
}

/// Where the libraries of a program are, and where its loader looks for them.
fn libraries(program: &Path) -> Vec<(String, String)> {
    let output = Command::new("ldd").arg(program).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    text.lines()
        .filter_map(|line| line.split_whitespace().find(|word| word.starts_with('/')))
        .map(|path| {
            let real = std::fs::canonicalize(path).unwrap();
            (real.display().to_string(), path.to_owned())
        })
        .collect()
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port()
}

pub fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}
