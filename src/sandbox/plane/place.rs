//! Where the data plane keeps its files, and that nothing of it outlives its sandbox.
//!
//! Each sandbox has a folder of its own under the temporary directory, with a lock that it holds while it lives.
//! When we die, the keeper stops our servers. Should it die too, the next sandbox that starts finds the folder without a holder
//! of its lock and cleans up.

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
    sync::{Mutex, MutexGuard, PoisonError},
};

use uuid::Uuid;

use super::{
    PlaneError, copy,
    install::Install,
    keeper::{Keeper, stop_below},
};

/// Holds the lock while its sandbox lives.
const LOCK: &str = "lock";

/// Names the folder with the data, when that lies elsewhere.
const DATA_ELSEWHERE: &str = "data-at";

/// The folders of one sandbox.
#[derive(Debug)]
pub(crate) struct Place {
    /// Short-lived: sockets, logs, and the data unless it is kept.
    run: PathBuf,
    /// What is kept over a restart, where that is asked for.
    data: PathBuf,
    kept: bool,
    /// Held while we live.
    locks: Mutex<Vec<File>>,
    keeper: Mutex<Option<Keeper>>,
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

impl Place {
    /// Cleans up after sandboxes that ended without doing so, then makes the folders of this one.
    ///
    /// # Errors
    ///
    /// When a folder can't be made, or another sandbox uses the one that is to be kept.
    pub(crate) fn open(install: &Install, kept: Option<&Path>) -> Result<(Self, Leftovers), PlaneError> {
        let all = common_folder();
        fs::create_dir_all(&all).map_err(|error| PlaneError::io("make", &all, &error))?;
        check_ours(&all)?;
        passable(&all)?;
        let mut left = clean(&all);
        let run = all.join(Uuid::new_v4().simple().to_string().get(..12).unwrap_or("sandbox"));
        fs::create_dir(&run).map_err(|error| PlaneError::io("make", &run, &error))?;
        passable(&run)?;
        let mut locks = vec![lock(&run)?.ok_or_else(|| PlaneError::new("another sandbox holds our folder"))?];
        let data = match kept {
            None => run.join("data"),
            Some(folder) => folder.join("postgres"),
        };
        fs::create_dir_all(&data).map_err(|error| PlaneError::io("make", &data, &error))?;
        passable(&data)?;
        if kept.is_some() {
            check_passage(&data, install)?;
            let lock = lock(&data)?;
            locks.push(lock.ok_or_else(|| {
                PlaneError::new(format!(
                    "another sandbox uses {}: stop it, or name another folder",
                    data.display()
                ))
            })?);
            left.processes += stop_below(&data);
            copy::write(&run.join(DATA_ELSEWHERE), &data.to_string_lossy(), None)?;
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
            locks: Mutex::new(locks),
            keeper: Mutex::default(),
        };
        *held(&place.keeper) = Keeper::start(&[&place.data, &place.run]).ok();
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
            .map(|entry| entry.file_name().to_string_lossy().into_owned())
            .collect()
    }
}

impl Place {
    /// Stops what still runs, removes what isn't kept, and lets go of the folders. Once is enough.
    pub(crate) fn close(&self) {
        let locks = std::mem::take(&mut *held(&self.locks));
        if locks.is_empty() {
            return;
        }
        stop_below(&self.data);
        stop_below(&self.run);
        if let Some(keeper) = held(&self.keeper).take() {
            keeper.dismiss();
        }
        let _ = remove(&self.run);
        if self.kept {
            let _ = fs::remove_file(self.data.join(LOCK));
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.close();
    }
}

fn held<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The folder of all sandboxes of this user.
fn common_folder() -> PathBuf {
    #[cfg(unix)]
    let user = rustix::process::geteuid().as_raw();
    #[cfg(not(unix))]
    let user = 0;
    std::env::temp_dir().join(format!("neon-mcp-sandbox-{user}"))
}

/// Refuses a folder that another user made: the temporary directory is everybody's.
fn check_ours(folder: &Path) -> Result<(), PlaneError> {
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt as _;
        let metadata = fs::symlink_metadata(folder).map_err(|error| PlaneError::io("look at", folder, &error))?;
        if !metadata.is_dir() || metadata.uid() != rustix::process::geteuid().as_raw() {
            return Err(PlaneError::new(format!(
                "{} belongs to another user, so the sandbox can't keep its data there",
                folder.display()
            )));
        }
    }
    Ok(())
}

/// Refuses a folder that the user who runs PostgreSQL can't get to.
fn check_passage(folder: &Path, install: &Install) -> Result<(), PlaneError> {
    #[cfg(unix)]
    if let Some(owner) = install.owner {
        use std::os::unix::fs::MetadataExt as _;
        for above in folder.ancestors() {
            let metadata = fs::metadata(above).map_err(|error| PlaneError::io("look at", above, &error))?;
            let passes = metadata.mode() & 0o001 != 0
                || (metadata.uid() == owner.uid && metadata.mode() & 0o100 != 0)
                || (metadata.gid() == owner.gid && metadata.mode() & 0o010 != 0);
            if !passes {
                return Err(PlaneError::new(format!(
                    "PostgreSQL runs as another user than root, who can't pass through {0}: chmod o+x {0}, or name another \
                     folder",
                    above.display()
                )));
            }
        }
    }
    #[cfg(not(unix))]
    let _ = (folder, install);
    Ok(())
}

/// Lets other users, such as the one that runs PostgreSQL, pass through a folder, but not list it.
fn passable(folder: &Path) -> Result<(), PlaneError> {
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        fs::set_permissions(folder, fs::Permissions::from_mode(0o711))
            .map_err(|error| PlaneError::io("protect", folder, &error))?;
    }
    Ok(())
}

/// Takes the lock of a folder; `None` when another process holds it.
fn lock(folder: &Path) -> Result<Option<File>, PlaneError> {
    let path = folder.join(LOCK);
    let file = File::options()
        .create(true)
        .truncate(false)
        .write(true)
        .open(&path)
        .map_err(|error| PlaneError::io("open", &path, &error))?;
    match file.try_lock() {
        Ok(()) => Ok(Some(file)),
        Err(fs::TryLockError::WouldBlock) => Ok(None),
        Err(fs::TryLockError::Error(error)) => Err(PlaneError::io("lock", &path, &error)),
    }
}

/// Stops and removes what dead sandboxes left.
fn clean(all: &Path) -> Leftovers {
    let mut left = Leftovers::default();
    for entry in fs::read_dir(all).into_iter().flatten().flatten() {
        let folder = entry.path();
        if folder.extension().is_some_and(|extension| extension == GONE) {
            // Somebody was stopped while removing it. It was counted, or nothing was left to count.
            let _ = fs::remove_dir_all(&folder);
            continue;
        }
        // Whoever is just being made has no lock file yet.
        if !folder.join(LOCK).exists() || !matches!(lock(&folder), Ok(Some(_))) {
            continue;
        }
        left.processes += stop_below(&folder);
        if let Ok(data) = fs::read_to_string(folder.join(DATA_ELSEWHERE))
            && matches!(lock(Path::new(&data)), Ok(Some(_)))
        {
            left.processes += stop_below(Path::new(&data));
        }
        if remove(&folder).is_ok() {
            left.folders += 1;
        }
    }
    left
}

/// Removes a folder of a sandbox that is over.
fn remove(folder: &Path) -> std::io::Result<()> {
    let gone = folder.with_extension(GONE);
    fs::rename(folder, &gone)?;
    fs::remove_dir_all(gone)
}
