//! A file of the operator's that is read again when it changes. One that can't be used leaves the earlier one in force; an entry of it
//! of which a file can't be used leaves nothing in force but all the others.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use crate::server::http::reload::Reload;

/// How often the files are looked at that the watched one names, and how often what can't be used is tried again.
const OTHERS: Duration = Duration::from_secs(1);

/// What tells a file from a later one in its place, or from itself before others could read or write it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Stamp(Option<(SystemTime, u64, Change)>);

/// What a file system says of a file beside its time and its length.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Change {
    number: u64,
    /// When anything of it changed, its mode and owner, too.
    at: (i64, i64),
}

/// What was read of a file, and of which files beside it.
pub(super) struct Loaded<T> {
    pub(super) value: T,
    pub(super) others: Vec<PathBuf>,
    /// Of what entries a file can't be used, and why.
    pub(super) unusable: Vec<String>,
}

type Load<T> = dyn Fn(&Path) -> Result<Loaded<T>, String> + Send + Sync;

/// A file that is read again when it changes.
pub(super) struct Watched<T> {
    /// What it is, in one word.
    name: &'static str,
    path: PathBuf,
    load: Box<Load<T>>,
    state: Mutex<State<T>>,
}

struct State<T> {
    value: Arc<T>,
    stamp: Stamp,
    others: Vec<(PathBuf, Stamp)>,
    looked: Instant,
    /// What can't be used of what is there now: it is tried again, and told once.
    wrong: Option<String>,
}

impl<T> Watched<T> {
    /// Reads the file.
    ///
    /// # Errors
    /// Why it can't be used, all of it: at a start nobody waits for the rest.
    pub(super) fn open(
        name: &'static str,
        path: PathBuf,
        load: impl Fn(&Path) -> Result<Loaded<T>, String> + Send + Sync + 'static,
    ) -> Result<Self, String> {
        let stamp = stamp(&path);
        let loaded = load(&path)?;
        if let Some(why) = loaded.unusable.into_iter().next() {
            return Err(why);
        }
        Ok(Self {
            name,
            state: Mutex::new(State {
                value: Arc::new(loaded.value),
                stamp,
                others: stamped(loaded.others),
                looked: Instant::now(),
                wrong: None,
            }),
            load: Box::new(load),
            path,
        })
    }

    fn state(&self) -> MutexGuard<'_, State<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What the file says now.
    pub(super) fn current(&self) -> Arc<T> {
        let mut state = self.state();
        let now = stamp(&self.path);
        let mut is_due = now != state.stamp;
        if !is_due && state.looked.elapsed() >= OTHERS {
            state.looked = Instant::now();
            let has_changed = state.others.iter().any(|(path, known)| stamp(path) != *known);
            // What can't be used may be usable without a change that a stamp tells: the directory was at fault.
            is_due = has_changed || state.wrong.is_some();
        }
        if is_due {
            let before = state.wrong.clone();
            self.read(&mut state, now);
            match &state.wrong {
                None => tracing::info!("{} was read again", self.path.display()),
                Some(why) if before.as_ref() != Some(why) => tracing::error!("{why}"),
                Some(_) => {}
            }
        }
        state.value.clone()
    }

    /// Reads the file again.
    fn read(&self, state: &mut State<T>, now: Stamp) {
        state.stamp = now;
        match (self.load)(&self.path) {
            Ok(loaded) => {
                state.value = Arc::new(loaded.value);
                state.others = stamped(loaded.others);
                state.wrong = match loaded.unusable.as_slice() {
                    [] => None,
                    some => Some(format!(
                        "{} counts as it is now, but whom this is about is refused: {}",
                        self.path.display(),
                        some.join("; ")
                    )),
                };
            }
            Err(error) => {
                for (path, known) in &mut state.others {
                    *known = stamp(path);
                }
                state.wrong = Some(format!(
                    "{} changed and can't be used, so what it said before stays in force: {error}",
                    self.path.display()
                ));
            }
        }
    }
}

impl<T: Send + Sync> Reload for Watched<T> {
    fn name(&self) -> &'static str {
        self.name
    }

    /// Reads it whether it seems to have changed or not.
    fn reload(&self) -> Result<(), String> {
        let mut state = self.state();
        self.read(&mut state, stamp(&self.path));
        state.wrong.clone().map_or(Ok(()), Err)
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
    let Ok(metadata) = std::fs::metadata(path) else {
        return Stamp(None);
    };
    #[cfg(unix)]
    let change = {
        use std::os::unix::fs::MetadataExt as _;
        Change {
            number: metadata.ino(),
            at: (metadata.ctime(), metadata.ctime_nsec()),
        }
    };
    #[cfg(not(unix))]
    let change = Change { number: 0, at: (0, 0) };
    let stamp = metadata.modified().ok().map(|time| (time, metadata.len(), change));
    Stamp(stamp)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbers(path: &Path) -> Result<Loaded<u32>, String> {
        let text = std::fs::read_to_string(path).map_err(|error| error.to_string())?;
        let value: u32 = text.parse().map_err(|_| "no number".to_owned())?;
        let unusable = if value == 13 {
            vec!["unlucky".to_owned()]
        } else {
            vec![]
        };
        Ok(Loaded {
            value,
            others: vec![],
            unusable,
        })
    }

    #[test]
    fn broken_file_leaves_the_earlier_one_in_force_until_it_is_right_again() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("number");
        assert!(Watched::open("number", path.clone(), numbers).is_err());
        std::fs::write(&path, "1").unwrap();
        let watched = Watched::open("number", path.clone(), numbers).unwrap();
        assert_eq!(*watched.current(), 1);
        for (text, now) in [("22", 22), ("broken", 22), ("333333333", 333_333_333)] {
            std::fs::write(&path, text).unwrap();
            assert_eq!(*watched.current(), now, "{text}");
            assert_eq!(watched.reload().is_ok(), text != "broken", "{text}");
        }
        std::fs::remove_file(&path).unwrap();
        assert_eq!(*watched.current(), 333_333_333);
    }

    #[test]
    fn file_with_an_entry_that_cannot_be_used_counts_but_starts_nothing() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("number");
        std::fs::write(&path, "13").unwrap();
        assert!(Watched::open("number", path.clone(), numbers).is_err());
        std::fs::write(&path, "1").unwrap();
        let watched = Watched::open("number", path.clone(), numbers).unwrap();
        std::fs::write(&path, "13").unwrap();
        assert!(watched.reload().unwrap_err().contains("unlucky"));
        assert_eq!(*watched.current(), 13);
    }

    #[cfg(unix)]
    #[test]
    fn stamp_tells_a_change_of_the_mode() {
        use std::os::unix::fs::PermissionsExt as _;
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("file");
        std::fs::write(&path, "1").unwrap();
        let before = stamp(&path);
        // Of one tick of the file system's clock, two changes have one time.
        std::thread::sleep(Duration::from_millis(20));
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o400)).unwrap();
        assert_ne!(stamp(&path), before);
    }
}
