//! A file of the operator's that is read again when it changes. What can't be read leaves in force what was read before; what can be read
//! and not be used as it is leaves in force what its reader makes of it; an entry of which a file can't be used leaves nothing in force
//! but all the others.
//!
//! Whatever was there when a reading began is noted before it is read: a change during the reading is a change at the next look.

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

/// A file, and what was there before it was read.
pub(super) type Stamped = (PathBuf, Stamp);

/// What was read of a file, and of which files beside it.
pub(super) struct Loaded<T> {
    pub(super) value: T,
    /// Each with its stamp of before it was read, however that ended.
    pub(super) others: Vec<Stamped>,
    /// Of what entries a file can't be used, and why.
    pub(super) unusable: Vec<String>,
    /// Why the file itself isn't as it should be, and what is in force therefore. Nothing starts with such a file.
    pub(super) broken: Option<String>,
}

/// Reads the file; what it said before is there but at the start.
type Load<T> = dyn Fn(&Path, Option<&T>) -> Result<Loaded<T>, String> + Send + Sync;

/// A file that is read again when it changes.
pub(super) struct Watched<T> {
    /// What it is, in one word.
    name: &'static str,
    path: PathBuf,
    load: Box<Load<T>>,
    state: Mutex<State<T>>,
    /// Held by whoever reads.
    turn: Arc<tokio::sync::Mutex<()>>,
}

struct State<T> {
    value: Arc<T>,
    stamp: Stamp,
    others: Arc<[Stamped]>,
    looked: Instant,
    /// What can't be used of what is there now: it is tried again, and told once.
    wrong: Option<String>,
}

/// What a request finds.
enum Seen<T> {
    /// What was read is what is there.
    Same(Arc<T>),
    /// The file changed.
    Changed,
    /// It is time to look at the files beside it, which this request does.
    IsDue,
}

impl<T> Watched<T> {
    /// Reads the file.
    ///
    /// # Errors
    /// Why it can't be used, all of it: at a start nobody waits for the rest.
    pub(super) fn open(
        name: &'static str,
        path: PathBuf,
        load: impl Fn(&Path, Option<&T>) -> Result<Loaded<T>, String> + Send + Sync + 'static,
    ) -> Result<Self, String> {
        let (stamp, looked) = (stamp(&path), Instant::now());
        let loaded = load(&path, None)?;
        if let Some(why) = loaded.broken.into_iter().chain(loaded.unusable).next() {
            return Err(why);
        }
        Ok(Self {
            name,
            state: Mutex::new(State {
                value: Arc::new(loaded.value),
                stamp,
                others: loaded.others.into(),
                looked,
                wrong: None,
            }),
            load: Box::new(load),
            turn: Arc::default(),
            path,
        })
    }

    fn state(&self) -> MutexGuard<'_, State<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn seen(&self) -> Seen<T> {
        let now = stamp(&self.path);
        let mut state = self.state();
        if now != state.stamp {
            return Seen::Changed;
        }
        if state.looked.elapsed() < OTHERS {
            return Seen::Same(state.value.clone());
        }
        // This one looks, and all others go on meanwhile with what there is.
        state.looked = Instant::now();
        Seen::IsDue
    }

    /// Reads the file again, if it or one beside it changed, or something couldn't be used. The caller has the turn.
    fn look(&self) {
        let (before, others) = {
            let state = self.state();
            // What can't be used may be usable without a change that a stamp tells: the directory was at fault.
            let is_due = state.wrong.is_some() || stamp(&self.path) != state.stamp;
            (state.wrong.clone(), (!is_due).then(|| state.others.clone()))
        };
        let is_same = |others: &[Stamped]| others.iter().all(|(path, known)| stamp(path) == *known);
        if others.is_some_and(|others| is_same(&others)) {
            return;
        }
        let wrong = self.read();
        match wrong {
            None => tracing::info!("{} was read again", self.path.display()),
            Some(why) if before.as_ref() != Some(&why) => tracing::error!("{why}"),
            Some(_) => {}
        }
    }

    /// Reads the file again, and gives what can't be used of it. The caller has the turn.
    fn read(&self) -> Option<String> {
        let (now, looked) = (stamp(&self.path), Instant::now());
        let before = self.state().value.clone();
        let loaded = (self.load)(&self.path, Some(&before));
        let mut state = self.state();
        (state.stamp, state.looked) = (now, looked);
        state.wrong = match loaded {
            Ok(loaded) => {
                state.value = Arc::new(loaded.value);
                state.others = loaded.others.into();
                let unusable = (!loaded.unusable.is_empty()).then(|| {
                    format!(
                        "{} counts as it is now, but whom this is about is refused: {}",
                        self.path.display(),
                        loaded.unusable.join("; ")
                    )
                });
                let wrong: Vec<String> = loaded.broken.into_iter().chain(unusable).collect();
                (!wrong.is_empty()).then(|| wrong.join("; "))
            }
            // What is beside it is what it was when it was read: it is all read again with it.
            Err(error) => Some(format!(
                "{} can't be read, so what it said before stays in force: {error}",
                self.path.display()
            )),
        };
        state.wrong.clone()
    }
}

impl<T: Send + Sync + 'static> Watched<T> {
    /// What the file says now.
    ///
    /// A request that begins after a change was written is never answered by what was there before it, so that whoever revoked a token
    /// knows it refused: it waits for a reading that began later. All others go on with what there is while one reads. What is read are
    /// files, and what comes out are policies and their schemas, which takes a second for some hundred of them: it is done on a thread for
    /// that, where it holds up nobody's connection, and to its end, whatever becomes of the request that began it.
    pub(super) async fn current(self: &Arc<Self>) -> Arc<T> {
        let looks = match self.seen() {
            Seen::Same(value) => return value,
            Seen::Changed => false,
            Seen::IsDue => true,
        };
        let turn = self.turn.clone().lock_owned().await;
        // Whoever had the turn before may have read what this one came for, or may have begun before that was written.
        if !looks && let Seen::Same(value) = self.seen() {
            return value;
        }
        let watched = self.clone();
        let read = tokio::task::spawn_blocking(move || {
            let _turn = turn;
            watched.look();
        });
        if read.await.is_err() {
            tracing::error!(
                "a reading of {} failed inside; what was read before stays",
                self.path.display()
            );
        }
        self.state().value.clone()
    }
}

impl<T: Send + Sync> Reload for Watched<T> {
    fn name(&self) -> &'static str {
        self.name
    }

    /// Reads it whether it seems to have changed or not.
    fn reload(&self) -> Result<(), String> {
        let _turn = self.turn.blocking_lock();
        self.read().map_or(Ok(()), Err)
    }
}

/// A file, and what is there now: to be had before it is read.
pub(super) fn stamped(path: PathBuf) -> Stamped {
    let known = stamp(&path);
    (path, known)
}

/// What tells the file that is there now from a later one.
fn stamp(path: &Path) -> Stamp {
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
impl<T> Watched<T> {
    /// Has the next request look at the files beside it.
    pub(super) fn comes_due(&self) {
        self.state().looked = Instant::now().checked_sub(OTHERS).unwrap();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::sync::mpsc;

    use super::*;

    fn numbers(path: &Path, _: Option<&u32>) -> Result<Loaded<u32>, String> {
        let text = std::fs::read_to_string(path).map_err(|error| error.to_string())?;
        let mut loaded = Loaded {
            value: text.parse().map_err(|_| "no number".to_owned())?,
            others: vec![],
            unusable: vec![],
            broken: None,
        };
        match loaded.value {
            13 => loaded.unusable.push("unlucky".to_owned()),
            666 => loaded.broken = Some("beastly".to_owned()),
            _ => {}
        }
        Ok(loaded)
    }

    fn now<T: Send + Sync + Copy + 'static>(watched: &Arc<Watched<T>>) -> T {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        *runtime.block_on(watched.current())
    }

    #[test]
    fn file_that_cannot_be_read_leaves_the_earlier_one_in_force_until_it_is_right_again() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("number");
        assert!(Watched::open("number", path.clone(), numbers).is_err());
        std::fs::write(&path, "1").unwrap();
        let watched = Arc::new(Watched::open("number", path.clone(), numbers).unwrap());
        assert_eq!(now(&watched), 1);
        for (text, is) in [("22", 22), ("broken", 22), ("333333333", 333_333_333)] {
            std::fs::write(&path, text).unwrap();
            assert_eq!(now(&watched), is, "{text}");
            assert_eq!(watched.reload().is_ok(), text != "broken", "{text}");
        }
    }

    #[test]
    fn file_with_what_cannot_be_used_counts_as_far_as_it_can_but_starts_nothing() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("number");
        for (text, why) in [("13", "unlucky"), ("666", "beastly")] {
            std::fs::write(&path, text).unwrap();
            assert!(Watched::open("number", path.clone(), numbers).is_err());
            std::fs::write(&path, "1").unwrap();
            let watched = Arc::new(Watched::open("number", path.clone(), numbers).unwrap());
            std::fs::write(&path, text).unwrap();
            assert!(watched.reload().unwrap_err().contains(why));
            assert_eq!(now(&watched).to_string(), text);
        }
    }

    /// A list of two files, whose texts are added up. What is done while it is read is done when the first of them was read.
    fn sums(directory: &Path, during: impl Fn() + Send + Sync + 'static) -> (PathBuf, Box<Load<u32>>) {
        let path = directory.join("list");
        let names = [directory.join("a"), directory.join("b")];
        for path in names.iter().chain([&path]) {
            std::fs::write(path, "1").unwrap();
        }
        let load: Box<Load<u32>> = Box::new(move |_, _| {
            let (mut value, mut others) = (0, Vec::new());
            for (index, name) in names.iter().enumerate() {
                others.push(stamped(name.clone()));
                let text = std::fs::read_to_string(name).unwrap();
                value += text.parse::<u32>().unwrap();
                if index == 0 {
                    during();
                }
            }
            Ok(Loaded {
                value,
                others,
                unusable: vec![],
                broken: None,
            })
        });
        (path, load)
    }

    #[test]
    fn change_of_a_file_while_the_rest_is_read_is_noticed_at_the_next_look() {
        for at in [0, 1] {
            let directory = tempfile::tempdir().unwrap();
            let (first, reads) = (directory.path().join("a"), AtomicUsize::new(0));
            // At the start, and when it is read again.
            let (path, load) = sums(directory.path(), move || {
                if reads.fetch_add(1, Ordering::Relaxed) == at {
                    std::fs::write(&first, "10").unwrap();
                }
            });
            let watched = Arc::new(Watched::open("list", path.clone(), load).unwrap());
            assert_eq!(now(&watched), 2);
            if at == 1 {
                std::fs::write(&path, "changed").unwrap();
                assert_eq!(now(&watched), 2);
            }
            watched.comes_due();
            assert_eq!(now(&watched), 11, "in reading {at}");
        }
    }

    #[tokio::test]
    async fn request_waits_for_what_was_written_before_it_and_for_nothing_else() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("number");
        std::fs::write(&path, "1").unwrap();
        let (reads, began) = mpsc::channel();
        let (goes_on, waits) = mpsc::channel::<()>();
        let waits = Mutex::new(waits);
        let watched = Watched::open("number", path.clone(), move |path, before: Option<&u32>| {
            let loaded = numbers(path, before);
            if before.is_some() {
                reads.send(()).unwrap();
                // What is read is read: what is written now comes too late for it.
                waits.lock().unwrap().recv().unwrap();
            }
            let others = vec![stamped(path.with_extension("beside"))];
            loaded.map(|loaded| Loaded { others, ..loaded })
        });
        let watched = Arc::new(watched.unwrap());
        let asks = || {
            let watched = watched.clone();
            tokio::spawn(async move { *watched.current().await })
        };
        let mut began = Some(began);
        let mut has_begun = async || {
            let channel = began.take().unwrap();
            let waited = tokio::task::spawn_blocking(move || {
                channel.recv_timeout(Duration::from_secs(60)).unwrap();
                channel
            });
            began = Some(waited.await.unwrap());
        };
        // A file beside it changed: whoever comes while it is read goes on.
        std::fs::write(path.with_extension("beside"), "x").unwrap();
        watched.comes_due();
        let looks = asks();
        has_begun().await;
        assert_eq!(asks().await.unwrap(), 1);
        goes_on.send(()).unwrap();
        assert_eq!(looks.await.unwrap(), 1);
        // The file itself: who comes after a writing isn't answered by a reading that began before it.
        std::fs::write(&path, "22").unwrap();
        let first = asks();
        has_begun().await;
        std::fs::write(&path, "333").unwrap();
        let second = asks();
        // Whoever began it may go, and it is read to its end.
        first.abort();
        tokio::task::yield_now().await;
        assert!(!second.is_finished());
        goes_on.send(()).unwrap();
        has_begun().await;
        goes_on.send(()).unwrap();
        assert_eq!(second.await.unwrap(), 333);
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
