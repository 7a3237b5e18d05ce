//! Where the data plane keeps its files, and that nothing of it outlives its sandbox.
//!
//! Each sandbox has a folder of its own under the temporary directory, or the one that its options name, with a lock that it holds
//! while it lives.
//! When we die, the keeper stops our servers. Should it die too, the next sandbox that starts finds the folder without a holder
//! of its lock and cleans up.

use std::{
    fs::{self, File},
    io::ErrorKind,
    path::{Path, PathBuf},
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use uuid::Uuid;

use local_files::leftover;
use local_postgres::{Install, Owner};

use super::{
    DataPlaneError, copy,
    watchdog::{Watchdog, stop_below},
};

/// Holds the lock while its sandbox lives.
const LOCK: &str = "lock";

/// Names the folder with the data, when that lies elsewhere.
const DATA_ELSEWHERE: &str = "data-at";

/// How long a folder without a lock may be one that is just being made.
const LOCK_PATIENCE: Duration = Duration::from_secs(600);

/// How often a folder is made anew that another sandbox removed meanwhile.
const MAX_TRIES: usize = 5;

/// The longest path that is read, in bytes: the kernel's longest (`PATH_MAX` on Linux).
const MAX_PATH_BYTES: u64 = 4_096;

/// The folders of one sandbox.
#[derive(Debug)]
pub(crate) struct Directories {
    /// Short-lived: sockets, logs, and the data unless it is kept.
    run: PathBuf,
    /// What is kept over a restart, where that is asked for.
    data: PathBuf,
    kept: bool,
    /// Whom the servers run as; `None` is ourselves.
    owner: Option<Owner>,
    /// Held while we live.
    locks: Mutex<Vec<File>>,
    keeper: Mutex<Option<Watchdog>>,
}

/// What a folder is called while it is removed, which takes its time: whoever comes later goes on with it.
const GONE: &str = "gone";

/// What a sandbox before us left behind.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Leftovers {
    pub(crate) folders: usize,
    pub(crate) processes: usize,
    /// Data directories that were being made.
    pub(crate) unfinished: usize,
}

impl Directories {
    /// Cleans up after sandboxes that ended without doing so, then makes the folders of this one.
    ///
    /// # Errors
    ///
    /// When a folder can't be made, or another sandbox uses the one that is to be kept.
    pub(crate) fn open(
        install: &Install,
        temporary: Option<&Path>,
        kept: Option<&Path>,
    ) -> Result<(Self, Leftovers), DataPlaneError> {
        let all = common_folder(temporary);
        make_common(&all)?;
        let mut left = clean(&all, install);
        for path in [Some(all.as_path()), kept].into_iter().flatten() {
            // PostgreSQL's settings and commands, which name them, are texts.
            if path.to_str().is_none() {
                return Err(DataPlaneError::new(format!(
                    "the path {} isn't UTF-8, which PostgreSQL's settings want: name another folder (the temporary one is TMPDIR)",
                    path.display()
                )));
            }
        }
        let run = all.join(Uuid::new_v4().simple().to_string().get(..12).unwrap_or("sandbox"));
        let mut made = fs::create_dir(&run);
        for _ in 0..MAX_TRIES {
            if !matches!(&made, Err(error) if error.kind() == ErrorKind::NotFound) {
                break;
            }
            // The last of the others went, and took the folder of all with it.
            make_common(&all)?;
            made = fs::create_dir(&run);
        }
        made.map_err(|error| DataPlaneError::io("make", &run, &error))?;
        passable(&run)?;
        let mut locks = vec![lock(&run)?.ok_or_else(|| DataPlaneError::new("another sandbox holds our folder"))?];
        let data = match kept {
            None => run.join("data"),
            Some(folder) => folder.join("postgres"),
        };
        fs::create_dir_all(&data).map_err(|error| DataPlaneError::io("make", &data, &error))?;
        if !leftover::is_folder(&data) {
            return Err(DataPlaneError::new(format!(
                "{} is no folder itself: what is kept isn't followed through a link",
                data.display()
            )));
        }
        passable(&data)?;
        if kept.is_some() {
            check_passage(&data, install)?;
            let lock = lock(&data)?;
            locks.push(lock.ok_or_else(|| {
                DataPlaneError::new(format!(
                    "another sandbox uses {}: stop it, or name another folder",
                    data.display()
                ))
            })?);
            left.processes += stop_below(&data, install.owner, None);
            copy::write(&run.join(DATA_ELSEWHERE), data.as_os_str().as_encoded_bytes(), None)?;
        }
        for folder in [run.join("sockets"), run.join("computes"), run.join("work")] {
            copy::folder(&folder, install.owner)?;
        }
        copy::folder(&data.join("timelines"), install.owner)?;
        passable(&data.join("timelines"))?;
        let place = Self {
            run,
            data,
            kept: kept.is_some(),
            owner: install.owner,
            locks: Mutex::new(locks),
            keeper: Mutex::default(),
        };
        *held(&place.keeper) = Watchdog::start(&[&place.data, &place.run]).ok();
        Ok((place, left))
    }

    /// Where the sockets of servers are.
    pub(crate) fn sockets(&self) -> PathBuf {
        self.run.join("sockets")
    }

    /// A short-lived folder's path for something that is being worked on.
    pub(crate) fn work(&self) -> PathBuf {
        self.run.join("work").join(Uuid::new_v4().simple().to_string())
    }

    /// The folder of a read replica.
    pub(crate) fn compute(&self, id: &str) -> PathBuf {
        self.run.join("computes").join(id)
    }

    /// The folder of a timeline.
    pub(crate) fn timeline(&self, id: &str) -> PathBuf {
        self.data.join("timelines").join(id)
    }

    /// Where the template is, which all timelines begin with.
    pub(crate) fn template(&self) -> PathBuf {
        self.data.join("template")
    }

    /// The ids of the timelines that have a folder.
    pub(crate) fn timelines(&self) -> Vec<String> {
        fs::read_dir(self.data.join("timelines"))
            .into_iter()
            .flatten()
            .flatten()
            .filter_map(|entry| entry.file_name().into_string().ok())
            .collect()
    }
}

impl Directories {
    /// Stops what still runs, removes what isn't kept, and lets go of the folders. Once is enough.
    pub(crate) fn close(&self) {
        let locks = std::mem::take(&mut *held(&self.locks));
        if locks.is_empty() {
            return;
        }
        stop_below(&self.data, self.owner, None);
        stop_below(&self.run, self.owner, None);
        if let Some(keeper) = held(&self.keeper).take() {
            keeper.dismiss();
        }
        let _ = remove(&self.run);
        if let Some(all) = self.run.parent() {
            // The last one takes the folder of all with it: one that isn't empty stays.
            let _ = fs::remove_dir(all);
        }
        if self.kept {
            let _ = fs::remove_file(self.data.join(LOCK));
        }
    }
}

impl Drop for Directories {
    fn drop(&mut self) {
        self.close();
    }
}

fn held<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The folder of all sandboxes of this user, in that one or in the system's temporary folder.
fn common_folder(temporary: Option<&Path>) -> PathBuf {
    #[cfg(unix)]
    let user = rustix::process::geteuid().as_raw();
    #[cfg(not(unix))]
    let user = 0;
    let temporary = temporary.map_or_else(std::env::temp_dir, Path::to_owned);
    temporary.join(format!("neon-mcp-sandbox-{user}"))
}

/// Makes the folder of all sandboxes of this user, where it isn't there.
fn make_common(all: &Path) -> Result<(), DataPlaneError> {
    let mut made = Ok(());
    for _ in 0..MAX_TRIES {
        fs::create_dir_all(all).map_err(|error| DataPlaneError::io("make", all, &error))?;
        made = check_ours(all).and_then(|()| passable(all));
        // Another sandbox that was the last one may have removed it just now.
        if made.is_ok() || fs::symlink_metadata(all).is_ok() {
            break;
        }
    }
    made
}

/// Refuses a folder that another user made: the temporary directory is everybody's.
fn check_ours(folder: &Path) -> Result<(), DataPlaneError> {
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt as _;
        let metadata = fs::symlink_metadata(folder).map_err(|error| DataPlaneError::io("look at", folder, &error))?;
        if !metadata.is_dir() || metadata.uid() != rustix::process::geteuid().as_raw() {
            return Err(DataPlaneError::new(format!(
                "{} belongs to another user, so the sandbox can't keep its data there",
                folder.display()
            )));
        }
    }
    Ok(())
}

/// Refuses a folder that the user who runs PostgreSQL can't get to.
fn check_passage(folder: &Path, install: &Install) -> Result<(), DataPlaneError> {
    #[cfg(unix)]
    if let Some(owner) = install.owner {
        use std::os::unix::fs::MetadataExt as _;
        for above in folder.ancestors() {
            let metadata = fs::metadata(above).map_err(|error| DataPlaneError::io("look at", above, &error))?;
            let passes = metadata.mode() & 0o001 != 0
                || (metadata.uid() == owner.uid && metadata.mode() & 0o100 != 0)
                || (metadata.gid() == owner.gid && metadata.mode() & 0o010 != 0);
            if !passes {
                return Err(DataPlaneError::new(format!(
                    "PostgreSQL runs as another user than root, who can't pass through {}: chmod o+x {}, or name another \
                     folder",
                    above.display(),
                    local_files::in_a_shell(&above.to_string_lossy())
                )));
            }
        }
    }
    #[cfg(not(unix))]
    let _ = (folder, install);
    Ok(())
}

/// Lets other users, such as the one that runs PostgreSQL, pass through a folder, but not list it.
fn passable(folder: &Path) -> Result<(), DataPlaneError> {
    if !leftover::is_folder(folder) {
        return Err(DataPlaneError::new(format!("{} is no folder itself", folder.display())));
    }
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        fs::set_permissions(folder, fs::Permissions::from_mode(0o711))
            .map_err(|error| DataPlaneError::io("protect", folder, &error))?;
    }
    Ok(())
}

/// Takes the lock of a folder; `None` when another process holds it.
fn lock(folder: &Path) -> Result<Option<File>, DataPlaneError> {
    let path = folder.join(LOCK);
    let file = leftover::open_lock(&path).map_err(|error| DataPlaneError::io("open", &path, &error))?;
    match file.try_lock() {
        Ok(()) => Ok(Some(file)),
        Err(fs::TryLockError::WouldBlock) => Ok(None),
        Err(fs::TryLockError::Error(error)) => Err(DataPlaneError::io("lock", &path, &error)),
    }
}

/// Stops and removes what dead sandboxes left. Nothing of it stops a start: what can't be understood is passed over.
fn clean(all: &Path, install: &Install) -> Leftovers {
    let mut left = Leftovers::default();
    for entry in fs::read_dir(all).into_iter().flatten().flatten() {
        let folder = entry.path();
        if !leftover::is_own_folder(&folder) {
            // No sandbox made this.
            continue;
        }
        if folder.extension().is_some_and(|extension| extension == GONE) {
            // Somebody was stopped while removing it. It was counted, or nothing was left to count.
            stop_below(&folder, install.owner, None);
            let _ = fs::remove_dir_all(&folder);
            continue;
        }
        let Some(_lock) = abandoned(&folder) else { continue };
        left.processes += stop_below(&folder, install.owner, None);
        left.processes += stop_elsewhere(&folder, install);
        if remove(&folder).is_ok() {
            left.folders += 1;
        }
    }
    left
}

/// The lock of a folder whose sandbox is over; `None` where one may still use it.
fn abandoned(folder: &Path) -> Option<File> {
    let path = folder.join(LOCK);
    if fs::symlink_metadata(&path).is_err() {
        // Whoever is just being made has no lock file yet, but soon will.
        let made = fs::symlink_metadata(folder)
            .and_then(|metadata| metadata.modified())
            .ok()?;
        made.elapsed().ok().filter(|age| *age >= LOCK_PATIENCE)?;
    }
    lock(folder).ok().flatten()
}

/// Stops the servers of a dead sandbox whose data lies elsewhere. Where that is, a file says, which may say anything: what is
/// stopped there is what has its sockets with that sandbox, and nobody else may use the folder.
fn stop_elsewhere(folder: &Path, install: &Install) -> usize {
    let Ok(bytes) = leftover::read(&folder.join(DATA_ELSEWHERE), MAX_PATH_BYTES) else {
        return 0;
    };
    let Some(data) = path_of(bytes).filter(|data| data.is_absolute()) else {
        return 0;
    };
    // Nothing is made there.
    if !leftover::is_own_folder(&data) || !leftover::is_file(&data.join(LOCK)) {
        return 0;
    }
    match lock(&data) {
        Ok(Some(_lock)) => stop_below(&data, install.owner, Some(&folder.join("sockets"))),
        _ => 0,
    }
}

#[cfg(unix)]
fn path_of(bytes: Vec<u8>) -> Option<PathBuf> {
    use std::os::unix::ffi::OsStringExt as _;
    Some(PathBuf::from(std::ffi::OsString::from_vec(bytes)))
}

#[cfg(not(unix))]
fn path_of(bytes: Vec<u8>) -> Option<PathBuf> {
    String::from_utf8(bytes).ok().map(PathBuf::from)
}

/// Removes a folder of a sandbox that is over.
fn remove(folder: &Path) -> std::io::Result<()> {
    let gone = folder.with_extension(GONE);
    match fs::rename(folder, &gone) {
        Ok(()) => fs::remove_dir_all(gone),
        // Something is called so already.
        Err(_) => fs::remove_dir_all(folder),
    }
}
