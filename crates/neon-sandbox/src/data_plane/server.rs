//! One `postgres` process on one data directory.

use std::{
    io::{Read as _, Seek as _, SeekFrom},
    path::{Path, PathBuf},
    process::Stdio,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::{process::Child, time::Instant};
use tokio_postgres::{Client, NoTls};

use super::{DataPlaneError, watchdog::MAX_PID_FILE_BYTES};
use local_files::leftover;
use local_postgres::Install;

/// How much of a log is read, from its end, in bytes.
const MAX_LOG_BYTES: u64 = 64 * 1024;

/// How long a start may take, recovery included.
const START_PATIENCE: Duration = Duration::from_secs(120);

/// How long a stop may take before the process is stopped at once.
const STOP_PATIENCE: Duration = Duration::from_secs(10);

/// Between two looks at a process that starts.
const LOOK: Duration = Duration::from_millis(4);

/// The superuser that the sandbox itself connects as.
pub(crate) const SUPERUSER: &str = "cloud_admin";

/// What a server is told for throwaway use: nothing is forced to the disk, and segments of the log are never written again,
/// so that a link to one stays what it was.
const SETTINGS: &[&str] = &[
    "fsync=off",
    "full_page_writes=off",
    "wal_level=replica",
    "wal_recycle=off",
    "wal_init_zero=off",
    "min_wal_size=2MB",
    "max_wal_size=256MB",
    "wal_keep_size=64MB",
    "max_wal_senders=10",
    "max_replication_slots=10",
    "shared_buffers=16MB",
    "max_connections=120",
    "max_worker_processes=4",
    "max_parallel_workers=2",
    "superuser_reserved_connections=8",
    "jit=off",
    "huge_pages=off",
    "logging_collector=off",
    "log_min_messages=warning",
    "log_destination=stderr",
    "timezone=UTC",
    "password_encryption=scram-sha-256",
];

/// How a server is started.
#[derive(Clone, Debug)]
pub(crate) struct Start {
    pub(crate) data: PathBuf,
    /// Where segments of the log go when they are full; `None`: nowhere.
    pub(crate) archive: Option<PathBuf>,
    /// Settings beside those that every server gets, which they win over.
    pub(crate) settings: Vec<(String, String)>,
    /// Whether it follows another server, and so takes connections while it recovers.
    pub(crate) standby: bool,
    /// The port that it had before, where it is given that again if nobody else took it: standbys look for it there.
    pub(crate) port: Option<u16>,
}

/// What all servers share.
#[derive(Clone, Debug)]
pub(crate) struct Common {
    pub(crate) install: Install,
    pub(crate) sockets: PathBuf,
    pub(crate) certificate: PathBuf,
    pub(crate) key: PathBuf,
    /// Whether this PostgreSQL can encrypt connections: not every build can.
    pub(crate) tls: bool,
    pub(crate) dying: Dying,
}

/// Servers that were told to stop and that nobody waited for. They are asked about at the end: one that has ended and that
/// nobody asks about stays in the system's table of processes, and its file says that it runs.
#[derive(Clone, Debug, Default)]
pub(crate) struct Dying(Arc<Mutex<Vec<Child>>>);

impl Dying {
    fn all(&self) -> MutexGuard<'_, Vec<Child>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn add(&self, child: Child) {
        let mut all = self.all();
        all.retain_mut(|child| matches!(child.try_wait(), Ok(None)));
        all.push(child);
    }

    /// Waits until all have ended, ten seconds at most.
    pub(crate) async fn wait(&self) {
        let mut children = std::mem::take(&mut *self.all());
        let ended = async {
            for child in &mut children {
                let _ = child.wait().await;
            }
        };
        let _ = tokio::time::timeout(STOP_PATIENCE, ended).await;
    }
}

/// A server that runs.
#[derive(Debug)]
pub(crate) struct Server {
    /// `None` when it is over.
    child: Option<Child>,
    dying: Dying,
    pub(crate) data: PathBuf,
    /// On 127.0.0.1, and the number of its socket.
    pub(crate) port: u16,
    pub(crate) socket_folder: PathBuf,
}

impl Server {
    /// Starts a server and waits until it takes connections.
    ///
    /// # Errors
    ///
    /// When it ends before that, with the last lines of its log, or takes too long.
    pub(crate) async fn start(common: &Common, start: Start) -> Result<Self, DataPlaneError> {
        let mut last = None;
        let mut start = start;
        // Another process may take the port between our look and the start.
        for _ in 0..3 {
            match Self::try_start(common, &start).await {
                Err(error) if error.to_string().contains("in use") => {
                    last = Some(error);
                    start.port = None;
                }
                result => return result,
            }
        }
        Err(last.unwrap_or_else(|| DataPlaneError::new("no port was free for PostgreSQL")))
    }

    async fn try_start(common: &Common, start: &Start) -> Result<Self, DataPlaneError> {
        let port = match start.port.filter(|port| is_free(*port)) {
            Some(port) => port,
            None => free_port()?,
        };
        let log_path = start.data.with_extension("log");
        let log = leftover::create(&log_path).map_err(|error| DataPlaneError::io("make", &log_path, &error))?;
        let errors = log
            .try_clone()
            .map_err(|error| DataPlaneError::io("open", &log_path, &error))?;
        let pid_file = start.data.join("postmaster.pid");
        leftover::remove(&pid_file).map_err(|error| DataPlaneError::io("remove", &pid_file, &error))?;
        let mut command = common.install.command("postgres");
        command.arg("-D").arg(&start.data);
        let mut set = |name: &str, value: &str| {
            command.arg("-c").arg(format!("{name}={value}"));
        };
        for setting in SETTINGS {
            if let Some((name, value)) = setting.split_once('=') {
                set(name, value);
            }
        }
        set("port", &port.to_string());
        set("listen_addresses", "127.0.0.1");
        set("unix_socket_directories", &common.sockets.to_string_lossy());
        if common.tls {
            set("ssl", "on");
            set("ssl_cert_file", &common.certificate.to_string_lossy());
            set("ssl_key_file", &common.key.to_string_lossy());
        }
        match &start.archive {
            Some(archive) => {
                set("archive_mode", "on");
                set("archive_command", &archive_command(archive));
            }
            None => set("archive_mode", "off"),
        }
        for (name, value) in &start.settings {
            set(name, value);
        }
        command.stdin(Stdio::null()).stdout(log).stderr(errors);
        #[cfg(unix)]
        {
            use std::os::unix::process::CommandExt as _;
            // Ctrl-C is for us; we stop it in order.
            command.process_group(0);
        }
        let mut command = tokio::process::Command::from(command);
        let child = command
            .spawn()
            .map_err(|error| DataPlaneError::io("run", Path::new("postgres"), &error))?;
        let mut server = Self {
            child: Some(child),
            dying: common.dying.clone(),
            data: start.data.clone(),
            port,
            socket_folder: common.sockets.clone(),
        };
        server.wait_until_ready(&log_path, start.standby).await?;
        Ok(server)
    }

    /// Waits until the server's own file says that it takes connections. It has the state in its eighth line.
    /// `standby` stands there as soon as a recovery has begun.
    async fn wait_until_ready(&mut self, log: &Path, standby: bool) -> Result<(), DataPlaneError> {
        let began = Instant::now();
        let file = self.data.join("postmaster.pid");
        loop {
            if let Ok(bytes) = leftover::read(&file, MAX_PID_FILE_BYTES)
                && let Ok(text) = String::from_utf8(bytes)
                && let Some(state) = text.lines().nth(7)
                && (state.trim() == "ready" || (standby && self.takes_connections(state.trim()).await))
            {
                return Ok(());
            }
            if let Some(Ok(Some(status))) = self.child.as_mut().map(Child::try_wait) {
                return Err(DataPlaneError::new(format!(
                    "PostgreSQL ended at its start ({status}): {}",
                    last_lines(log)
                )));
            }
            if began.elapsed() > START_PATIENCE {
                return Err(DataPlaneError::new(format!(
                    "PostgreSQL wasn't ready after {} seconds: {}",
                    START_PATIENCE.as_secs(),
                    last_lines(log)
                )));
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    /// Whether a standby has come so far that it can be asked: what its file says is no proof.
    async fn takes_connections(&self, state: &str) -> bool {
        state == "standby" && self.connect("postgres").await.is_ok()
    }

    /// Whether it still runs.
    pub(crate) fn runs(&mut self) -> bool {
        matches!(self.child.as_mut().map(Child::try_wait), Some(Ok(None)))
    }

    /// The file of its socket.
    pub(crate) fn socket(&self) -> PathBuf {
        self.socket_folder.join(format!(".s.PGSQL.{}", self.port))
    }

    /// A connection as the superuser.
    pub(crate) async fn connect(&self, database: &str) -> Result<Client, DataPlaneError> {
        let (client, connection) = tokio_postgres::Config::new()
            .host_path(&self.socket_folder)
            .port(self.port)
            .user(SUPERUSER)
            .dbname(database)
            .application_name("neon-mcp sandbox")
            .connect(NoTls)
            .await
            .map_err(|error| DataPlaneError::sql("connect to PostgreSQL", &error))?;
        tokio::spawn(async move {
            if let Err(error) = connection.await {
                tracing::debug!(%error, "a connection of the sandbox's own ended");
            }
        });
        Ok(client)
    }

    /// Stops it: connections are cut, what was committed is kept. At once when it takes too long.
    pub(crate) async fn stop(mut self) {
        if !self.runs() {
            return;
        }
        self.signal(Signal::Fast);
        if !self.ended().await {
            self.signal(Signal::Immediate);
            self.ended().await;
        }
    }

    /// Stops it at once: what was written last may have to be recovered at the next start.
    pub(crate) async fn abort(mut self) {
        if !self.runs() {
            return;
        }
        self.signal(Signal::Immediate);
        self.ended().await;
    }

    /// Waits until it has ended, for a while; whether it has.
    async fn ended(&mut self) -> bool {
        match &mut self.child {
            Some(child) => tokio::time::timeout(STOP_PATIENCE, child.wait()).await.is_ok(),
            None => true,
        }
    }

    fn signal(&self, signal: Signal) {
        #[cfg(unix)]
        if let Some(pid) = self
            .child
            .as_ref()
            .and_then(Child::id)
            .and_then(|id| i32::try_from(id).ok())
            .and_then(rustix::process::Pid::from_raw)
        {
            let number = match signal {
                Signal::Fast => rustix::process::Signal::INT,
                Signal::Immediate => rustix::process::Signal::QUIT,
            };
            let _ = rustix::process::kill_process(pid, number);
        }
    }
}

impl Drop for Server {
    /// A server that nobody stopped is stopped at once. It cleans up its shared memory, which a killed one couldn't.
    fn drop(&mut self) {
        if self.runs() {
            self.signal(Signal::Immediate);
            if let Some(child) = self.child.take() {
                self.dying.add(child);
            }
        }
    }
}

/// The two ways to stop a server.
#[derive(Clone, Copy, Debug)]
enum Signal {
    Fast,
    Immediate,
}

/// Links a full segment into the archive, once.
fn archive_command(archive: &Path) -> String {
    let folder = shell(archive);
    format!("test -f {folder}/%f || ln %p {folder}/%f")
}

/// A path as one word of a shell command in a setting, where `%` has a meaning of its own.
pub(crate) fn shell(path: &Path) -> String {
    format!("'{}'", path.to_string_lossy().replace('\'', r"'\''").replace('%', "%%"))
}

/// A port of 127.0.0.1 that nobody listens on now.
fn free_port() -> Result<u16, DataPlaneError> {
    std::net::TcpListener::bind(("127.0.0.1", 0))
        .and_then(|listener| listener.local_addr())
        .map(|address| address.port())
        .map_err(|error| DataPlaneError::new(format!("no port is free for PostgreSQL: {error}")))
}

/// Whether nobody listens on a port of 127.0.0.1 now.
fn is_free(port: u16) -> bool {
    std::net::TcpListener::bind(("127.0.0.1", port)).is_ok()
}

/// The end of a log, on one line.
fn last_lines(log: &Path) -> String {
    let text = leftover::open(log).and_then(|mut file| {
        let length = file.metadata()?.len();
        file.seek(SeekFrom::Start(length.saturating_sub(MAX_LOG_BYTES)))?;
        let mut end = Vec::new();
        file.take(MAX_LOG_BYTES).read_to_end(&mut end)?;
        Ok(end)
    });
    let text = text.unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let lines: Vec<&str> = text.lines().rev().take(6).collect();
    lines.into_iter().rev().collect::<Vec<_>>().join(" | ")
}
