//! A throwaway PostgreSQL, shared by the tests of one run, that ends when the run does.

use std::{
    fs,
    io::Write as _,
    os::unix::{fs::chown, process::CommandExt as _},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::OnceLock,
    thread::sleep,
    time::{Duration, Instant},
};

use crate::folder::memory;

/// The superuser of the cluster.
pub const ROLE: &str = "owner";

/// Its password, with characters that a URI must escape.
pub const PASSWORD: &str = "p@ss:wörd/%";

/// How long the server may take to start.
const PATIENCE: Duration = Duration::from_secs(60);

/// Ends the server when whoever started it ends, in whatever way: then its standard input does.
const WATCHED: &str = r#"
"$1" -D "$2/data" -k "$2" -c listen_addresses= -c fsync=off -c max_connections=200 \
    -c timezone=UTC -c log_min_messages=warning 2>>"$2/log" >&2 </dev/null &
cat >/dev/null
kill -QUIT $!
wait
rm -rf "$2"
"#;

/// A running server.
pub struct Postgres {
    /// Its socket.
    pub socket: PathBuf,
    /// The directory of its programs.
    pub programs: PathBuf,
    // Holds the standard input that keeps the server alive.
    _watched: Child,
}

impl Postgres {
    /// The server of this run.
    pub fn shared() -> &'static Self {
        static SHARED: OnceLock<Postgres> = OnceLock::new();
        SHARED.get_or_init(|| Self::start(&[]))
    }

    /// A server of one test's own with these settings, for what all databases of a server share: roles, and who it says it
    /// is.
    pub fn own(settings: &[(&str, &str)]) -> Self {
        Self::start(settings)
    }

    /// Connects to a database as the superuser.
    pub async fn connect(&self, database: &str) -> tokio_postgres::Client {
        let mut config = tokio_postgres::Config::new();
        config.host_path(self.socket.parent().unwrap());
        config.user(ROLE).password(PASSWORD).dbname(database);
        let (client, connection) = config.connect(tokio_postgres::NoTls).await.unwrap();
        tokio::spawn(connection);
        client
    }

    /// A new database, with a connection to it.
    pub async fn database(name: &str) -> tokio_postgres::Client {
        Self::copy(name, "template1").await
    }

    /// A new database that is a copy of another one, to which nobody is connected; with a connection to it.
    pub async fn copy(name: &str, of: &str) -> tokio_postgres::Client {
        let postgres = tokio::task::spawn_blocking(Self::shared).await.unwrap();
        let admin = postgres.connect("postgres").await;
        let statement = format!("create database {name} template {of}");
        // Whoever was connected a moment ago may not be gone yet.
        let mut tries = 0;
        while let Err(error) = admin.batch_execute(&statement).await {
            tries += 1;
            assert!(tries < 100, "{error}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        postgres.connect(name).await
    }

    /// The schema of a database, as `pg_dump` writes it and Neon hands it out.
    pub fn dump(&self, database: &str) -> String {
        let output = Command::new(self.programs.join("pg_dump"))
            .args(["--schema-only", "-U", ROLE, "-h"])
            .arg(self.socket.parent().unwrap())
            .arg(database)
            .env("PGPASSWORD", PASSWORD)
            .output()
            .unwrap();
        assert!(
            output.status.success(),
            "pg_dump: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        String::from_utf8(output.stdout).unwrap()
    }

    fn start(settings: &[(&str, &str)]) -> Self {
        let programs = programs();
        let mut place = tempfile::Builder::new();
        place.prefix("pg");
        let place = match memory() {
            Some(folder) => place.tempdir_in(folder),
            None => place.tempdir(),
        };
        let place = place.unwrap().keep();
        let user = user();
        if let Some((uid, gid)) = user {
            chown(&place, Some(uid), Some(gid)).unwrap();
        }
        let command = |program: &Path| {
            let mut command = Command::new(program);
            command.current_dir(&place).env_clear().env("LC_ALL", "C.UTF-8");
            command.env("PATH", std::env::var_os("PATH").unwrap_or_default());
            if let Some((uid, gid)) = user {
                command.uid(uid).gid(gid);
            }
            command
        };
        let password = place.join("password");
        fs::write(&password, format!("{PASSWORD}\n")).unwrap();
        let made = command(&programs.join("initdb"))
            .args(["--auth=scram-sha-256", "--encoding=UTF8", "--no-sync", "-U", ROLE])
            .arg("--pwfile")
            .arg(&password)
            .arg("-D")
            .arg(place.join("data"))
            .output()
            .unwrap();
        assert!(
            made.status.success(),
            "initdb: {}",
            String::from_utf8_lossy(&made.stderr)
        );
        let mut configuration = fs::OpenOptions::new()
            .append(true)
            .open(place.join("data/postgresql.conf"))
            .unwrap();
        for (name, value) in settings {
            writeln!(configuration, "{name} = '{value}'").unwrap();
        }
        let watched = command(Path::new("sh"))
            .args(["-c", WATCHED, "sh"])
            .arg(programs.join("postgres"))
            .arg(&place)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        // The last line of this file says `ready` once connections are accepted.
        let status = place.join("data/postmaster.pid");
        let started = Instant::now();
        while !fs::read_to_string(&status).is_ok_and(|text| text.trim_end().ends_with("ready")) {
            let log = || fs::read_to_string(place.join("log")).unwrap_or_default();
            assert!(started.elapsed() < PATIENCE, "PostgreSQL doesn't start: {}", log());
            sleep(Duration::from_millis(20));
        }
        Self {
            socket: place.join(".s.PGSQL.5432"),
            programs,
            _watched: watched,
        }
    }
}

/// The directory of the programs of the PostgreSQL that tests run on: from `POSTGRES_BIN`, else the newest of this machine, else
/// one that is fetched. `NEON_MCP_FETCH_POSTGRES=always` passes over what the machine has.
///
/// # Errors
/// When there is none and none can be fetched.
pub fn found() -> Result<PathBuf, String> {
    static FOUND: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    let find = || {
        if let Some(place) = std::env::var_os("POSTGRES_BIN") {
            return Ok(place.into());
        }
        let always = std::env::var_os("NEON_MCP_FETCH_POSTGRES").is_some_and(|when| when == "always");
        match local_postgres::find(None) {
            Ok(install) if !always => Ok(install.bin().to_owned()),
            _ => local_postgres::fetch().map_err(|error| error.to_string()),
        }
    };
    FOUND.get_or_init(find).clone()
}

/// The same, for a test that needs one.
///
/// # Panics
/// When there is none and none can be fetched.
pub fn programs() -> PathBuf {
    found().unwrap_or_else(|error| {
        panic!("these tests need PostgreSQL (on Debian and Ubuntu: postgresql), or its programs' directory in POSTGRES_BIN: {error}")
    })
}

/// Who runs the server: it refuses to run as root, so then it is `postgres`, whom the package has made, or `nobody`.
fn user() -> Option<(u32, u32)> {
    if !rustix::process::geteuid().is_root() {
        return None;
    }
    let users = fs::read_to_string("/etc/passwd").unwrap();
    let ids = |name: &str| {
        let fields = users.lines().map(|line| line.split(':').collect::<Vec<_>>());
        let fields = fields.into_iter().find(|fields| fields[0] == name)?;
        Some((fields[2].parse().unwrap(), fields[3].parse().unwrap()))
    };
    Some(
        ids("postgres")
            .or_else(|| ids("nobody"))
            .expect("no user to run PostgreSQL as"),
    )
}
