//! Finding a PostgreSQL: where packages put one, else where a fetched one is kept.

use std::{
    collections::BTreeSet,
    env, fs,
    path::{Path, PathBuf},
};

use crate::{
    Install, LocalPostgresError, OLDEST_MAJOR,
    fetch::{alone, fetched},
    owner::owner,
};

/// Where packages put it. `*` stands for one folder, usually a version.
const USUAL_PLACES: [&str; 6] = [
    "/usr/lib/postgresql/*/bin",
    "/usr/pgsql-*/bin",
    "/opt/homebrew/opt/postgresql@*/bin",
    "/usr/local/opt/postgresql@*/bin",
    "/Applications/Postgres.app/Contents/Versions/*/bin",
    "/usr/local/pgsql/bin",
];

/// Finds a PostgreSQL: in the folder that is given, else the newest among `pg_config`'s, `PATH`'s and the usual places', else
/// the one that was fetched before.
///
/// # Errors
///
/// When there is none, it is too old, or nobody can run it; the text says how to install one.
pub fn find(given: Option<&Path>) -> Result<Install, LocalPostgresError> {
    let owner = owner()?;
    if let Some(bin) = given {
        return Install::found_at(bin, owner);
    }
    let mut places = BTreeSet::new();
    places.extend(from_pg_config());
    places.extend(
        env::var_os("PATH")
            .iter()
            .flat_map(|path| env::split_paths(path).collect::<Vec<_>>())
            .filter(|folder| folder.is_absolute()),
    );
    places.extend(USUAL_PLACES.iter().flat_map(|place| expand(place)));
    places
        .into_iter()
        .filter(|bin| bin.join("postgres").is_file())
        .filter_map(|bin| Install::found_at(&bin, owner.clone()).ok())
        .max_by_key(|install| (install.major, minor(&install.version)))
        .or_else(|| Install::found_at(&fetched()?, owner).ok())
        .ok_or_else(|| {
            LocalPostgresError::new(format!(
                "PostgreSQL {OLDEST_MAJOR} or newer was not found. Install it (Debian and Ubuntu: apt install postgresql; \
                 Fedora: dnf install postgresql-server postgresql-contrib; macOS: brew install postgresql@17), \
                 name the folder of its programs with --postgres-bin, or have one fetched with --fetch-postgres"
            ))
        })
}

fn minor(version: &str) -> u32 {
    version
        .split('.')
        .nth(1)
        .and_then(|digits| digits.parse().ok())
        .unwrap_or(0)
}

fn from_pg_config() -> Option<PathBuf> {
    let mut command = alone("pg_config", Path::new("/"))?;
    let output = command.arg("--bindir").output().ok()?;
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
