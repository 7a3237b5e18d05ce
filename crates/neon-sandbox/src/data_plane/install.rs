//! The PostgreSQL of this machine: where its programs are, which version it is, and the user that it can run as.

use std::{
    collections::BTreeSet,
    env, fs,
    path::{Path, PathBuf},
    process::Command,
};

use super::DataPlaneError;

/// The oldest major version that the sandbox runs.
pub(crate) const OLDEST_MAJOR: u32 = 14;

/// Who may run it when we are root, in order of preference: PostgreSQL refuses root.
const USERS: [&str; 2] = ["postgres", "nobody"];

/// Where packages put it. `*` stands for one folder, usually a version.
const USUAL_PLACES: [&str; 6] = [
    "/usr/lib/postgresql/*/bin",
    "/usr/pgsql-*/bin",
    "/opt/homebrew/opt/postgresql@*/bin",
    "/usr/local/opt/postgresql@*/bin",
    "/Applications/Postgres.app/Contents/Versions/*/bin",
    "/usr/local/pgsql/bin",
];

/// A user of the operating system.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Owner {
    pub(crate) uid: u32,
    pub(crate) gid: u32,
}

/// A PostgreSQL that can be run.
#[derive(Clone, Debug)]
pub(crate) struct Install {
    bin: PathBuf,
    /// As `postgres --version` gives it, such as `15.18`.
    pub(crate) version: String,
    pub(crate) major: u32,
    /// Whom to run it as; `None` is ourselves.
    pub(crate) owner: Option<Owner>,
    /// The names of ourselves and of whom it runs as.
    pub(crate) users: Vec<String>,
}

impl Install {
    /// Finds a PostgreSQL: in the folder that is given, else the newest among `pg_config`'s, `PATH`'s and the usual places'.
    ///
    /// # Errors
    ///
    /// When there is none, it is too old, or nobody can run it; the text says how to install one.
    pub(crate) fn find(given: Option<&Path>) -> Result<Self, DataPlaneError> {
        let owner = owner()?;
        if let Some(bin) = given {
            return Self::at(bin, owner);
        }
        let mut places = BTreeSet::new();
        places.extend(from_pg_config());
        places.extend(
            env::var_os("PATH")
                .iter()
                .flat_map(|path| env::split_paths(path).collect::<Vec<_>>()),
        );
        places.extend(USUAL_PLACES.iter().flat_map(|place| expand(place)));
        places
            .into_iter()
            .filter(|bin| bin.join("postgres").is_file())
            .filter_map(|bin| Self::at(&bin, owner.clone()).ok())
            .max_by_key(|install| (install.major, minor(&install.version)))
            .ok_or_else(|| {
                DataPlaneError::new(format!(
                    "PostgreSQL {OLDEST_MAJOR} or newer was not found. Install it (Debian and Ubuntu: apt install postgresql; \
                     Fedora: dnf install postgresql-server postgresql-contrib; macOS: brew install postgresql@17), \
                     or name the folder of its programs with --postgres-bin"
                ))
            })
    }

    fn at(bin: &Path, owner: Option<(Owner, String)>) -> Result<Self, DataPlaneError> {
        for program in ["postgres", "initdb", "pg_dump", "psql"] {
            if !bin.join(program).exists() {
                return Err(DataPlaneError::new(format!(
                    "{} has no {program}: PostgreSQL's server and client programs are needed",
                    bin.display()
                )));
            }
        }
        let output = Command::new(bin.join("postgres"))
            .arg("--version")
            .output()
            .map_err(|error| DataPlaneError::io("run", bin.join("postgres"), &error))?;
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let version = text
            .split_whitespace()
            .find(|word| word.starts_with(|first: char| first.is_ascii_digit()))
            .unwrap_or_default()
            .to_owned();
        let major = version
            .split(|letter: char| !letter.is_ascii_digit())
            .next()
            .and_then(|digits| digits.parse().ok())
            .unwrap_or(0);
        if major < OLDEST_MAJOR {
            return Err(DataPlaneError::new(format!(
                "{} holds PostgreSQL {version:?}, and the sandbox needs {OLDEST_MAJOR} or newer",
                bin.display()
            )));
        }
        Ok(Self {
            bin: bin.to_owned(),
            version,
            major,
            owner: owner.as_ref().map(|(owner, _)| *owner),
            users: [our_name(), owner.map(|(_, name)| name)]
                .into_iter()
                .flatten()
                .collect(),
        })
    }

    /// Where one of its programs is.
    pub(crate) fn program(&self, name: &str) -> PathBuf {
        self.bin.join(name)
    }

    /// One of its programs, to be run as the user that may. It gets nothing of our environment that changes what it does.
    pub(crate) fn command(&self, program: &str) -> Command {
        let mut command = Command::new(self.bin.join(program));
        command.env_clear().env("LC_ALL", "C").env("TZ", "UTC");
        if let Some(path) = env::var_os("PATH") {
            command.env("PATH", path);
        }
        command.current_dir("/");
        #[cfg(unix)]
        if let Some(owner) = self.owner {
            use std::os::unix::process::CommandExt as _;
            command.uid(owner.uid).gid(owner.gid);
        }
        command
    }
}

fn minor(version: &str) -> u32 {
    version
        .split('.')
        .nth(1)
        .and_then(|digits| digits.parse().ok())
        .unwrap_or(0)
}

/// Whom PostgreSQL runs as: ourselves, or another user when we are root.
fn owner() -> Result<Option<(Owner, String)>, DataPlaneError> {
    #[cfg(unix)]
    {
        if !rustix::process::geteuid().is_root() {
            return Ok(None);
        }
        let passwd = fs::read_to_string("/etc/passwd").unwrap_or_default();
        USERS
            .iter()
            .find_map(|user| Some((user_in(&passwd, user)?, (*user).to_owned())))
            .map(Some)
            .ok_or_else(|| {
                DataPlaneError::new(
                    "PostgreSQL doesn't run as root, and there is no user postgres to run it as (useradd postgres)",
                )
            })
    }
    #[cfg(not(unix))]
    Err(DataPlaneError::new("the sandbox runs PostgreSQL on Unix only"))
}

/// The name of whom we run as.
fn our_name() -> Option<String> {
    let output = Command::new("id").arg("-un").output().ok()?;
    let name = String::from_utf8(output.stdout).ok()?;
    let name = name.trim();
    (!name.is_empty()).then(|| name.to_owned())
}

fn user_in(passwd: &str, name: &str) -> Option<Owner> {
    passwd.lines().find_map(|line| {
        let mut fields = line.split(':');
        if fields.next() != Some(name) {
            return None;
        }
        let uid = fields.nth(1)?.parse().ok()?;
        let gid = fields.next()?.parse().ok()?;
        Some(Owner { uid, gid })
    })
}

fn from_pg_config() -> Option<PathBuf> {
    let output = Command::new("pg_config").arg("--bindir").output().ok()?;
    let bin = String::from_utf8(output.stdout).ok()?;
    let bin = bin.trim();
    (!bin.is_empty()).then(|| PathBuf::from(bin))
}

/// The folders that a pattern with one `*` stands for.
fn expand(pattern: &str) -> Vec<PathBuf> {
    let Some((before, after)) = pattern.split_once('*') else {
        return vec![PathBuf::from(pattern)];
    };
    let (parent, prefix) = before.rsplit_once('/').unwrap_or(("", before));
    let Ok(entries) = fs::read_dir(if parent.is_empty() { "/" } else { parent }) else {
        return Vec::new();
    };
    entries
        .flatten()
        .filter(|entry| entry.file_name().to_string_lossy().starts_with(prefix))
        .map(|entry| entry.path().join(after.trim_start_matches('/')))
        .collect()
}
