//! A PostgreSQL on this machine: where its programs are, which version it is, and running them.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use crate::{
    LocalPostgresError,
    owner::{Owner, our_name, owner},
    plain::absolute_path,
};

/// The oldest major version that the sandbox runs.
pub const OLDEST_MAJOR: u32 = 14;

/// A PostgreSQL that can be run.
#[derive(Clone, Debug)]
pub struct Install {
    bin: PathBuf,
    /// As `postgres --version` gives it, such as `15.18`.
    pub version: String,
    /// The number before the point.
    pub major: u32,
    /// Whom to run it as; `None` is ourselves.
    pub owner: Option<Owner>,
    /// The names of ourselves and of whom it runs as.
    pub users: Vec<String>,
}

impl Install {
    /// The PostgreSQL whose programs are in this folder.
    ///
    /// # Errors
    ///
    /// When a program is missing, it is too old, or nobody can run it.
    pub fn at(bin: &Path) -> Result<Self, LocalPostgresError> {
        Self::found_at(bin, owner()?)
    }

    pub(crate) fn found_at(bin: &Path, owner: Option<(Owner, String)>) -> Result<Self, LocalPostgresError> {
        for program in ["postgres", "initdb", "pg_dump", "psql"] {
            if !bin.join(program).exists() {
                return Err(LocalPostgresError::new(format!(
                    "{} has no {program}: PostgreSQL's server and client programs are needed",
                    bin.display()
                )));
            }
        }
        let mut command = clean(&bin.join("postgres"), owner.as_ref().map(|(owner, _)| *owner));
        let output = command
            .arg("--version")
            .output()
            .map_err(|error| LocalPostgresError::io("run", bin.join("postgres"), &error))?;
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
            return Err(LocalPostgresError::new(format!(
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

    /// Whether it can encrypt connections: a build without OpenSSL ends at a start that asks for it. It says so before it misses
    /// its data directory.
    pub fn has_tls(&self) -> bool {
        let mut command = self.command("postgres");
        command.args(["-C", "ssl", "-c", "ssl=on"]);
        let output = command.output();
        output.is_ok_and(|output| !String::from_utf8_lossy(&output.stderr).contains("not supported by this build"))
    }

    /// The folder of its programs.
    pub fn bin(&self) -> &Path {
        &self.bin
    }

    /// Where one of its programs is.
    pub fn program(&self, name: &str) -> PathBuf {
        self.bin.join(name)
    }

    /// One of its programs, to be run as the user that may. It gets nothing of our environment that changes what it does.
    pub fn command(&self, program: &str) -> Command {
        clean(&self.bin.join(program), self.owner)
    }
}

/// A program with nothing of our environment that changes what it does, run as that user: never as root.
fn clean(program: &Path, owner: Option<Owner>) -> Command {
    let mut command = Command::new(program);
    command.env_clear().env("LC_ALL", "C").env("TZ", "UTC");
    if let Some(path) = absolute_path() {
        command.env("PATH", path);
    }
    command.current_dir("/");
    #[cfg(unix)]
    if let Some(owner) = owner {
        use std::os::unix::process::CommandExt as _;
        command.uid(owner.uid).gid(owner.gid);
    }
    #[cfg(not(unix))]
    let _ = owner;
    command
}
