//! A sandbox as a process of its own, with a temporary directory of its own, and what it leaves behind.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Once;
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, BufReader};
use tokio::process::{Child, Command};

/// The program that runs a sandbox.
#[derive(Clone, Copy)]
pub struct Program {
    /// Where it is.
    pub path: &'static str,
    /// The arguments before all others.
    pub arguments: &'static [&'static str],
    /// A folder of the tests, where it may keep what is made once.
    pub folder: &'static str,
}

/// Folders that sandboxes use, which the user that runs PostgreSQL can pass through.
pub struct Places {
    root: TempDir,
    program: Program,
}

impl Places {
    pub fn new(program: Program) -> Self {
        let root = crate::folder::own();
        let passable = fs::Permissions::from_mode(0o711);
        fs::create_dir(root.path().join("tmp")).unwrap();
        fs::set_permissions(root.path().join("tmp"), passable).unwrap();
        Self { root, program }
    }

    /// Where it is kept.
    pub fn kept(&self) -> PathBuf {
        self.root.path().join("kept")
    }

    /// A file beside.
    pub fn file(&self, name: &str, text: &str) -> PathBuf {
        let path = self.root.path().join(name);
        fs::write(&path, text).unwrap();
        path
    }

    /// The folders of sandboxes in the temporary directory.
    pub fn short_lived(&self) -> Vec<PathBuf> {
        children(&self.root.path().join("tmp"))
            .into_iter()
            .flat_map(|user| children(&user))
            .collect()
    }

    /// The data directories that are kept.
    pub fn timelines(&self) -> Vec<PathBuf> {
        children(&self.kept().join("postgres/timelines"))
    }

    /// Those of them that are being made.
    pub fn unfinished(&self) -> Vec<PathBuf> {
        let mut timelines = self.timelines();
        timelines.retain(|timeline| !timeline.join("timeline.json").exists());
        timelines
    }

    /// The processes whose command line names a folder of ours, the sandboxes themselves left out.
    pub fn processes(&self) -> Vec<String> {
        let ours = self.root.path().to_str().unwrap();
        let program = self.program.path;
        children(Path::new("/proc"))
            .iter()
            .filter_map(|process| fs::read(process.join("cmdline")).ok())
            .map(|line| String::from_utf8_lossy(&line).replace('\0', " "))
            .filter(|line| line.contains(ours) && !line.contains(program))
            .collect()
    }

    /// Those of them that are servers.
    pub fn servers(&self) -> Vec<String> {
        let mut processes = self.processes();
        processes.retain(|line| line.contains("/postgres -D "));
        processes
    }

    /// Waits until no process is left.
    pub async fn quiet(&self) {
        let began = Instant::now();
        while !self.processes().is_empty() {
            assert!(began.elapsed() < Duration::from_secs(20), "{:?}", self.processes());
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// The command that starts a sandbox here.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(self.program.path);
        command
            .args(self.program.arguments)
            .args(["--operation-time", "5"])
            .args(arguments)
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("NEON_MCP_SANDBOX_RATE_LIMITS", "false")
            .env("TMPDIR", self.root.path().join("tmp"))
            // Where what was fetched is kept isn't looked for without a home directory.
            .envs(crate::postgres::found().map(|bin| ("NEON_MCP_POSTGRES_BIN", bin)))
            // The template is made once for all.
            .env("XDG_CACHE_HOME", Path::new(self.program.folder).join("cache"))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        command
    }

    /// Starts a sandbox that is kept.
    pub async fn start_kept(&self, arguments: &[&str]) -> Running {
        let kept = self.kept();
        let mut all = vec!["--sandbox-dir", kept.to_str().unwrap()];
        all.extend(arguments);
        Running::of(self.command(&all)).await
    }
}

fn children(folder: &Path) -> Vec<PathBuf> {
    let mut found: Vec<PathBuf> = fs::read_dir(folder)
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.path())
        .collect();
    found.sort();
    found
}

/// A sandbox that runs.
pub struct Running {
    child: Child,
    pub url: String,
    pub key: String,
    /// What it printed.
    pub printed: Vec<String>,
    http: reqwest::Client,
    stderr: tokio::task::JoinHandle<String>,
}

impl Running {
    /// Starts it and reads what it prints, up to the `psql` line where it has a project.
    pub async fn of(mut command: Command) -> Self {
        static CRYPTO: Once = Once::new();
        CRYPTO.call_once(|| {
            let _ = rustls::crypto::ring::default_provider().install_default();
        });
        let arguments: Vec<String> = command
            .as_std()
            .get_args()
            .map(|argument| argument.to_string_lossy().into_owned())
            .collect();
        let has = |text: &str| arguments.iter().any(|argument| argument == text);
        let count = if has("--no-project") || has("off") { 2 } else { 4 };
        let mut child = command.spawn().unwrap();
        let mut errors = child.stderr.take().unwrap();
        let stderr = tokio::spawn(async move {
            let mut text = String::new();
            let _ = errors.read_to_string(&mut text).await;
            text
        });
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut printed = Vec::new();
        while printed.len() < count {
            match lines.next_line().await.unwrap() {
                Some(line) => printed.push(line),
                None => panic!("it ended: {}", stderr.await.unwrap()),
            }
        }
        let value = |name: &str| {
            printed
                .iter()
                .find_map(|line| line.strip_prefix(name)?.strip_prefix('='))
                .unwrap()
                .to_owned()
        };
        let (url, key) = (value("NEON_API_HOST"), value("NEON_API_KEY"));
        // Nothing more is printed: the pipe can close.
        drop(lines);
        Self {
            child,
            url,
            key,
            printed,
            http: reqwest::Client::builder().no_proxy().build().unwrap(),
            stderr,
        }
    }

    /// The address of the first project's database.
    pub fn database_url(&self) -> &str {
        let line = self.printed.iter().find_map(|line| line.strip_prefix("DATABASE_URL="));
        line.expect("a project")
    }

    /// Sends a request, later where the sandbox limits requests, as Neon does.
    pub async fn try_call(&self, method: &str, path: &str, body: Option<Value>) -> (u16, Value) {
        loop {
            let (status, answer) = self.call_once(method, path, body.clone()).await;
            if status != 429 {
                return (status, answer);
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    async fn call_once(&self, method: &str, path: &str, body: Option<Value>) -> (u16, Value) {
        let base = match path.strip_prefix("/sandbox") {
            Some(_) => self.url.trim_end_matches("/api/v2"),
            None => &self.url,
        };
        let mut request = self
            .http
            .request(method.parse().unwrap(), format!("{base}{path}"))
            .bearer_auth(&self.key);
        if let Some(body) = body {
            request = request.json(&body);
        }
        let response = request.send().await.unwrap();
        let status = response.status().as_u16();
        (status, response.json().await.unwrap())
    }

    /// What whoever has that key gets.
    pub async fn as_who_has(&self, key: &str, path: &str) -> (u16, Value) {
        let request = self.http.get(format!("{}{path}", self.url)).bearer_auth(key);
        let response = request.send().await.unwrap();
        let status = response.status().as_u16();
        (status, response.json().await.unwrap())
    }

    #[track_caller]
    pub fn call<'a>(
        &'a self,
        method: &'a str,
        path: &'a str,
        body: Option<Value>,
    ) -> impl Future<Output = Value> + use<'a> {
        let place = std::panic::Location::caller();
        async move {
            let (status, answer) = self.try_call(method, path, body).await;
            assert!(
                (200..300).contains(&status),
                "{place}: {method} {path}: {status} {answer}"
            );
            answer
        }
    }

    pub async fn get(&self, path: &str) -> Value {
        self.call("GET", path, None).await
    }

    pub async fn post(&self, path: &str, body: Value) -> Value {
        self.call("POST", path, Some(body)).await
    }

    /// The first project's id.
    pub async fn project(&self) -> String {
        let organizations = self.get("/users/me/organizations").await;
        let organization = organizations["organizations"][0]["id"].as_str().unwrap();
        let projects = self.get(&format!("/projects?org_id={organization}")).await;
        projects["projects"][0]["id"].as_str().unwrap().to_owned()
    }

    /// Waits until a project's operations have ended; their statuses.
    pub async fn ended(&self, project: &str) -> Vec<String> {
        let began = Instant::now();
        loop {
            let page = self.get(&format!("/projects/{project}/operations?limit=1000")).await;
            let statuses: Vec<String> = page["operations"]
                .as_array()
                .unwrap()
                .iter()
                .map(|operation| operation["status"].as_str().unwrap().to_owned())
                .collect();
            if statuses.iter().all(|status| status == "finished" || status == "failed") {
                return statuses;
            }
            assert!(began.elapsed() < Duration::from_secs(120), "{page}");
            tokio::time::sleep(Duration::from_millis(40)).await;
        }
    }

    /// Waits until a project's operations have ended, all of them well.
    pub async fn finished(&self, project: &str) {
        let statuses = self.ended(project).await;
        assert!(statuses.iter().all(|status| status == "finished"), "{statuses:?}");
    }

    /// Ends it as Ctrl-C does; what it wrote to standard error.
    pub async fn interrupt(self) -> String {
        self.end(rustix::process::Signal::INT).await
    }

    /// Ends it with nothing to be done about it.
    pub async fn kill(self) -> String {
        self.end(rustix::process::Signal::KILL).await
    }

    async fn end(mut self, signal: rustix::process::Signal) -> String {
        let pid = rustix::process::Pid::from_raw(self.child.id().unwrap().try_into().unwrap()).unwrap();
        rustix::process::kill_process(pid, signal).unwrap();
        let status = self.child.wait().await.unwrap();
        let stderr = self.stderr.await.unwrap();
        assert_eq!(
            status.success(),
            signal == rustix::process::Signal::INT,
            "{status}: {stderr}"
        );
        stderr
    }
}

/// A connection to a compute.
pub async fn connect(url: &str) -> Result<tokio_postgres::Client, tokio_postgres::Error> {
    let (client, connection) = tokio_postgres::connect(url, tokio_postgres::NoTls).await?;
    tokio::spawn(connection);
    Ok(client)
}

/// One number out of a database.
pub async fn number(url: &str, query: &str) -> i64 {
    let client = connect(url).await.unwrap();
    client.query_one(query, &[]).await.unwrap().get(0)
}

/// Runs statements in a branch's database as its superuser, who comes in through the socket, and only as the user that started the
/// sandbox.
pub async fn execute_as_superuser(url: &str, statements: &[&str]) {
    let owner = connect(url).await.unwrap();
    let place =
        "SELECT current_setting('unix_socket_directories'), current_setting('port')::int, current_database()::text";
    let place = owner.query_one(place, &[]).await.unwrap();
    let (folder, port, database): (String, i32, String) = (place.get(0), place.get(1), place.get(2));
    let mut superuser = tokio_postgres::Config::new();
    superuser.host_path(folder).port(port.try_into().unwrap());
    superuser.user("cloud_admin").dbname(database);
    let (client, connection) = superuser.connect(tokio_postgres::NoTls).await.unwrap();
    tokio::spawn(connection);
    for statement in statements {
        client.batch_execute(statement).await.unwrap();
    }
}

/// Runs statements in a database.
pub async fn execute(url: &str, statements: &str) {
    connect(url).await.unwrap().batch_execute(statements).await.unwrap();
}
