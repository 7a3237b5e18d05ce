//! Copies of data directories: as clones where the file system can, owned by the user that runs PostgreSQL.

use std::{
    fs,
    io::{self, Write as _},
    path::{Path, PathBuf},
};

use local_postgres::Owner;

use super::DataPlaneError;
use local_files::leftover;

/// Files that belong to the process that runs on a directory, not to its data.
const NOT_COPIED: [&str; 8] = [
    "postmaster.pid",
    "postmaster.opts",
    "backup_label",
    "tablespace_map",
    "recovery.signal",
    "standby.signal",
    "postgresql.auto.conf.tmp",
    "current_logfiles",
];

/// Folders whose content a start makes anew.
const EMPTIED: [&str; 7] = [
    "pg_replslot",
    "pg_dynshmem",
    "pg_notify",
    "pg_serial",
    "pg_snapshots",
    "pg_stat_tmp",
    "pg_subtrans",
];

/// What of the write-ahead log comes along.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Log {
    /// All of it: nothing runs on the directory.
    Whole,
    /// None of it: it is brought later.
    Without,
}

/// Copies a data directory. Files that vanish meanwhile, as they do under a running server, are left out.
pub(crate) fn data(from: &Path, to: &Path, owner: Option<Owner>, log: Log) -> Result<(), DataPlaneError> {
    folder(to, owner)?;
    // Whether the file system makes clones: a thousand files needn't ask.
    let mut clones = true;
    let mut waiting = vec![PathBuf::new()];
    while let Some(below) = waiting.pop() {
        let entries = match fs::read_dir(from.join(&below)) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            Err(error) => return Err(DataPlaneError::io("read", from.join(&below), &error)),
        };
        for entry in entries.flatten() {
            let name = entry.file_name();
            let path = below.join(&name);
            let source = entry.path();
            let Ok(kind) = entry.file_type() else { continue };
            let text = name.to_string_lossy();
            if kind.is_dir() {
                folder(&to.join(&path), owner)?;
                let top = below.as_os_str().is_empty();
                let emptied = top && EMPTIED.contains(&text.as_ref());
                let skipped = text == "pgsql_tmp" || (log == Log::Without && below == Path::new("pg_wal"));
                let no_log = top && text == "pg_wal" && log == Log::Without;
                if no_log {
                    folder(&to.join("pg_wal/archive_status"), owner)?;
                } else if !emptied && !skipped {
                    waiting.push(path);
                }
            } else if kind.is_file() && !NOT_COPIED.contains(&text.as_ref()) {
                copy_file(&source, &to.join(&path), owner, &mut clones)?;
            }
        }
    }
    Ok(())
}

/// The same without holding up other work: a thousand files take their time. Whoever stops waiting for it takes the folder away,
/// and then it ends by itself.
pub(crate) async fn data_aside(
    from: PathBuf,
    to: PathBuf,
    owner: Option<Owner>,
    log: Log,
) -> Result<(), DataPlaneError> {
    tokio::task::spawn_blocking(move || data(&from, &to, owner, log))
        .await
        .map_err(|error| DataPlaneError::new(error.to_string()))?
}

/// Copies one file, unless it has vanished.
pub(crate) fn file(from: &Path, to: &Path, owner: Option<Owner>) -> Result<(), DataPlaneError> {
    copy_file(from, to, owner, &mut true)
}

/// Copies one file as a clone, as long as that works. A copy has the rights of what it was made from.
fn copy_file(from: &Path, to: &Path, owner: Option<Owner>, clones: &mut bool) -> Result<(), DataPlaneError> {
    let cloned = *clones && reflink_copy::reflink(from, to).is_ok();
    if cloned {
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            fs::set_permissions(to, fs::Permissions::from_mode(0o600))
                .map_err(|error| DataPlaneError::io("protect", to, &error))?;
        }
    } else {
        match fs::copy(from, to) {
            Ok(_) => *clones = false,
            Err(error) if error.kind() == io::ErrorKind::NotFound && !from.exists() => return Ok(()),
            Err(error) => return Err(DataPlaneError::io("copy", from, &error)),
        }
    }
    own(to, owner)
}

/// Makes a folder that the user who runs PostgreSQL owns, and nobody else can enter.
pub(crate) fn folder(path: &Path, owner: Option<Owner>) -> Result<(), DataPlaneError> {
    match fs::create_dir(path) {
        Ok(()) => {}
        // What isn't a folder itself, such as a link to one, is given to nobody.
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists && leftover::is_folder(path) => {}
        Err(error) => return Err(DataPlaneError::io("make", path, &error)),
    }
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        fs::set_permissions(path, fs::Permissions::from_mode(0o700))
            .map_err(|error| DataPlaneError::io("protect", path, &error))?;
    }
    own(path, owner)
}

/// Writes a file for the user who runs PostgreSQL, in the place of whatever stood there.
pub(crate) fn write(path: &Path, text: impl AsRef<[u8]>, owner: Option<Owner>) -> Result<(), DataPlaneError> {
    leftover::create(path)
        .and_then(|mut file| file.write_all(text.as_ref()))
        .map_err(|error| DataPlaneError::io("write", path, &error))?;
    own(path, owner)
}

/// Gives a file or folder to the user who runs PostgreSQL.
pub(crate) fn own(path: &Path, owner: Option<Owner>) -> Result<(), DataPlaneError> {
    #[cfg(unix)]
    if let Some(owner) = owner {
        std::os::unix::fs::chown(path, Some(owner.uid), Some(owner.gid))
            .map_err(|error| DataPlaneError::io("give away", path, &error))?;
    }
    Ok(())
}
