//! A file of the operator's that is read again when it changes. One that can't be used leaves the earlier one in force.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};

/// How often the files are looked at that the watched one names.
const OTHERS: Duration = Duration::from_secs(1);

/// What tells a file from a later one in its place.
pub(super) type Stamp = Option<(SystemTime, u64, u64)>;

/// What was read of a file, and of which files beside it.
pub(super) struct Loaded<T> {
    pub(super) value: T,
    pub(super) others: Vec<PathBuf>,
}

type Load<T> = dyn Fn(&Path) -> Result<Loaded<T>, String> + Send + Sync;

/// A file that is read again when it changes.
pub(super) struct Watched<T> {
    path: PathBuf,
    load: Box<Load<T>>,
    state: Mutex<State<T>>,
}

struct State<T> {
    value: Arc<T>,
    stamp: Stamp,
    others: Vec<(PathBuf, Stamp)>,
    looked: Instant,
}

impl<T> Watched<T> {
    /// Reads the file.
    ///
    /// # Errors
    /// Why it can't be used.
    pub(super) fn open(
        path: PathBuf,
        load: impl Fn(&Path) -> Result<Loaded<T>, String> + Send + Sync + 'static,
    ) -> Result<Self, String> {
        let stamp = stamp(&path);
        let loaded = load(&path)?;
        Ok(Self {
            state: Mutex::new(State {
                value: Arc::new(loaded.value),
                stamp,
                others: stamped(loaded.others),
                looked: Instant::now(),
            }),
            load: Box::new(load),
            path,
        })
    }

    /// What the file says now.
    pub(super) fn current(&self) -> Arc<T> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let now = stamp(&self.path);
        let mut changed = now != state.stamp;
        if !changed && state.looked.elapsed() >= OTHERS {
            state.looked = Instant::now();
            changed = state.others.iter().any(|(path, known)| stamp(path) != *known);
        }
        if changed {
            // Once for each change, however it ends: what can't be used now is looked at again when it changes.
            state.stamp = now;
            match (self.load)(&self.path) {
                Ok(loaded) => {
                    state.value = Arc::new(loaded.value);
                    state.others = stamped(loaded.others);
                    tracing::info!("{} was read again", self.path.display());
                }
                Err(error) => {
                    for (path, known) in &mut state.others {
                        *known = stamp(path);
                    }
                    tracing::error!(
                        "{} changed and can't be used, so what it said before stays in force: {error}",
                        self.path.display()
                    );
                }
            }
        }
        state.value.clone()
    }
}

fn stamped(paths: Vec<PathBuf>) -> Vec<(PathBuf, Stamp)> {
    let stamped = paths.into_iter().map(|path| {
        let known = stamp(&path);
        (path, known)
    });
    stamped.collect()
}

/// What tells the file that is there now from a later one.
pub(super) fn stamp(path: &Path) -> Stamp {
    let metadata = std::fs::metadata(path).ok()?;
    #[cfg(unix)]
    let number = std::os::unix::fs::MetadataExt::ino(&metadata);
    #[cfg(not(unix))]
    let number = 0;
    Some((metadata.modified().ok()?, metadata.len(), number))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn broken_file_leaves_the_earlier_one_in_force_until_it_is_right_again() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("number");
        let load = |path: &Path| {
            let text = std::fs::read_to_string(path).map_err(|error| error.to_string())?;
            let value: u32 = text.parse().map_err(|_| "no number".to_owned())?;
            Ok(Loaded { value, others: vec![] })
        };
        assert!(Watched::open(path.clone(), load).is_err());
        std::fs::write(&path, "1").unwrap();
        let watched = Watched::open(path.clone(), load).unwrap();
        assert_eq!(*watched.current(), 1);
        for (text, now) in [("22", 22), ("broken", 22), ("333333333", 333_333_333)] {
            std::fs::write(&path, text).unwrap();
            assert_eq!(*watched.current(), now, "{text}");
        }
        std::fs::remove_file(&path).unwrap();
        assert_eq!(*watched.current(), 333_333_333);
    }
}
