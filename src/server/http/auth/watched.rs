//! A file of the operator's that is read again when it changes. What can't be read leaves in force what was read before; what can be read
//! and not be used as it is leaves in force what its reader makes of it; an entry of which a file can't be used leaves nothing in force
//! but all the others. Where this process has nothing left to read it with, or it never holds still, nobody can tell what is in force:
//! whoever it would be about is told to come again, since what was read before may be what was just taken back.
//!
//! A file is read while others write it. So what is there is noted before it is read and looked at again afterwards, and what changed
//! meanwhile is read once more. What was written only just now, and is no right file, may be half of one: it gets a moment to become
//! whole. A half that is a right file is told by its last line (`guard/whole.rs`).

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use super::challenge::Denial;
use crate::guard::Untrusted;
use crate::server::http::reload::Reload;

/// How often the files are looked at that the watched one names, and how often what can't be used is tried again.
const OTHERS: Duration = Duration::from_secs(1);

/// For how long two changes of a file may have one time: some ticks of the clock that file systems go by. What changed less long ago is
/// read after that, so that any later change of it tells.
const TICK: Duration = Duration::from_millis(20);

/// For how long what is no right file is taken for half of one that is being written.
const HALF: Duration = Duration::from_millis(250);

/// How long is waited for a file to hold still, and between two looks.
const PATIENCE: Duration = Duration::from_secs(1);
const BETWEEN: Duration = Duration::from_millis(20);

/// The answer to a caller of whom nobody can tell whether it may call: what says so can't be read at this moment.
const UNTOLD: Denial =
    Denial::Away("What says who may call can't be read at this moment: try again. The server's log says why.");

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

/// Why a file couldn't be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Unread {
    /// What is there says nothing, as what others could change: what it said before stays.
    Nothing(String),
    /// It couldn't be looked at, and nobody can tell what it says.
    Untold(String),
}

impl Unread {
    pub(super) fn why(self) -> String {
        match self {
            Self::Nothing(why) | Self::Untold(why) => why,
        }
    }
}

impl From<Untrusted> for Unread {
    fn from(error: Untrusted) -> Self {
        match error.is_for_want() {
            true => Self::Untold(error.to_string()),
            false => Self::Nothing(error.to_string()),
        }
    }
}

/// Reads the file; what it said before is there but at the start.
type Load<T> = dyn Fn(&Path, Option<&T>) -> Result<Loaded<T>, Unread> + Send + Sync;

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
    /// Whether nobody can tell what is there now.
    untold: bool,
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
        load: impl Fn(&Path, Option<&T>) -> Result<Loaded<T>, Unread> + Send + Sync + 'static,
    ) -> Result<Self, String> {
        let Read { stamp, looked, loaded } = still(&path, &|| load(&path, None));
        let loaded = loaded.map_err(Unread::why)?;
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
                untold: false,
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
        if state.untold || now != state.stamp {
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
            let is_due = state.wrong.is_some() || state.untold || stamp(&self.path) != state.stamp;
            (state.wrong.clone(), (!is_due).then(|| state.others.clone()))
        };
        if others.is_some_and(|others| are_same(&others)) {
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
        let before = self.state().value.clone();
        let Read { stamp, looked, loaded } = still(&self.path, &|| (self.load)(&self.path, Some(&before)));
        let mut state = self.state();
        (state.stamp, state.looked) = (stamp, looked);
        state.untold = matches!(loaded, Err(Unread::Untold(_)));
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
            Err(Unread::Nothing(error)) => Some(format!(
                "{} can't be read, so what it said before stays in force: {error}",
                self.path.display()
            )),
            Err(Unread::Untold(error)) => Some(format!(
                "nobody can tell what {} says now, so whoever it is about is told to come again: {error}",
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
    ///
    /// # Errors
    /// The answer to the request, where nobody can tell what the file says.
    pub(super) async fn current(self: &Arc<Self>) -> Result<Arc<T>, Denial> {
        let looks = match self.seen() {
            Seen::Same(value) => return Ok(value),
            Seen::Changed => false,
            Seen::IsDue => true,
        };
        let turn = self.turn.clone().lock_owned().await;
        // Whoever had the turn before may have read what this one came for, or may have begun before that was written.
        if !looks && let Seen::Same(value) = self.seen() {
            return Ok(value);
        }
        let watched = self.clone();
        let read = tokio::task::spawn_blocking(move || {
            let _turn = turn;
            watched.look();
        });
        if read.await.is_err() {
            tracing::error!("a reading of {} failed inside", self.path.display());
            self.state().untold = true;
        }
        let state = self.state();
        match state.untold {
            true => Err(UNTOLD),
            false => Ok(state.value.clone()),
        }
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
    let known = settled(&path);
    (path, known)
}

/// A reading, and what was there when it began.
struct Read<T> {
    stamp: Stamp,
    looked: Instant,
    loaded: Result<Loaded<T>, Unread>,
}

/// Reads a file until nothing of it changed meanwhile.
fn still<T>(path: &Path, load: &dyn Fn() -> Result<Loaded<T>, Unread>) -> Read<T> {
    let began = Instant::now();
    // What was read before is kept meanwhile: of what didn't change, nothing is made twice.
    let mut readings = Vec::new();
    loop {
        let (stamp, looked) = (settled(path), Instant::now());
        let loaded = load();
        let holds = self::stamp(path) == stamp && !stamp.is_younger_than(TICK);
        // Each of the others is of one entry, and told by its own last line: they are looked at again soon.
        let all_hold = holds && loaded.as_ref().map_or(true, |loaded| are_same(&loaded.others));
        let is_half = loaded.as_ref().is_ok_and(|loaded| loaded.broken.is_some()) && stamp.is_younger_than(HALF);
        if all_hold && !is_half {
            return Read { stamp, looked, loaded };
        }
        if began.elapsed() >= PATIENCE {
            let loaded = match holds {
                true => loaded,
                false => Err(Unread::Untold("it changes again and again".to_owned())),
            };
            return Read { stamp, looked, loaded };
        }
        readings.push(loaded);
        std::thread::sleep(BETWEEN);
    }
}

/// Whether what is there is what was there.
fn are_same(files: &[Stamped]) -> bool {
    files.iter().all(|(path, known)| stamp(path) == *known)
}

/// What tells the file that is there now from each later one, at once or after some ticks of the clock.
fn settled(path: &Path) -> Stamp {
    let before = stamp(path);
    match before.age() {
        Some(age) if age < TICK => std::thread::sleep(TICK.saturating_sub(age)),
        _ => return before,
    }
    stamp(path)
}

impl Stamp {
    /// How long ago anything of the file changed; nothing where it isn't there, or has a time that is still to come.
    fn age(self) -> Option<Duration> {
        let (written, _, change) = self.0?;
        let changed = match change.at {
            (0, 0) => written,
            (seconds, nanoseconds) => {
                let since = Duration::new(seconds.try_into().ok()?, nanoseconds.try_into().ok()?);
                UNIX_EPOCH.checked_add(since)?
            }
        };
        changed.elapsed().ok()
    }

    fn is_younger_than(self, time: Duration) -> bool {
        self.age().is_some_and(|age| age < time)
    }
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

    fn numbers(path: &Path, _: Option<&u32>) -> Result<Loaded<u32>, Unread> {
        let nothing = |why: &str| Unread::Nothing(why.to_owned());
        let text = std::fs::read_to_string(path).map_err(|error| nothing(&error.to_string()))?;
        if text == "want" {
            return Err(Unread::Untold(text));
        }
        let mut loaded = Loaded {
            value: text.parse().map_err(|_| nothing("no number"))?,
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
        *runtime.block_on(watched.current()).unwrap()
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
    fn what_changes_while_it_is_read_is_read_again_at_once() {
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
            if at == 1 {
                assert_eq!(now(&watched), 2);
                std::fs::write(&path, "changed").unwrap();
            }
            assert_eq!(now(&watched), 11, "in reading {at}");
        }
    }

    #[test]
    fn change_within_one_tick_of_the_clock_is_noticed() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("number");
        std::fs::write(&path, "1").unwrap();
        let watched = Arc::new(Watched::open("number", path.clone(), numbers).unwrap());
        for number in (2..8).flat_map(|number| [number, number]) {
            // As long as the one before, in the same file.
            std::fs::write(&path, number.to_string()).unwrap();
            assert_eq!(now(&watched), number);
        }
    }

    /// Writes a file in two parts, as `cp` does it, again and again as long as it is there.
    fn rewritten(path: &Path, parts: [&'static str; 2], pause: Duration) -> mpsc::Sender<()> {
        let (stop, stopped) = mpsc::channel();
        let path = path.to_owned();
        std::thread::spawn(move || {
            while stopped.try_recv() == Err(mpsc::TryRecvError::Empty) {
                std::fs::write(&path, parts[0]).unwrap();
                std::thread::sleep(pause);
                std::fs::write(&path, parts.concat()).unwrap();
                std::thread::sleep(pause);
            }
        });
        stop
    }

    #[test]
    fn half_of_a_file_gets_a_moment_to_become_whole() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("number");
        std::fs::write(&path, "6661").unwrap();
        let halves = AtomicUsize::new(0);
        let watched = Watched::open("number", path.clone(), move |path, before: Option<&u32>| {
            let loaded = numbers(path, before);
            // The rest comes when its half was read a second time.
            if loaded.as_ref().is_ok_and(|loaded| loaded.broken.is_some())
                && halves.fetch_add(1, Ordering::Relaxed) == 1
            {
                std::fs::write(path, "6662").unwrap();
            }
            loaded
        });
        let watched = Arc::new(watched.unwrap());
        let written = Instant::now();
        // "666" is a broken one.
        std::fs::write(&path, "666").unwrap();
        let number = now(&watched);
        // A machine that was busy elsewhere for all of its moment reads it once.
        assert!(number == 6662 || written.elapsed() >= HALF, "{number}");
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn what_cannot_be_told_answers_nobody_by_what_was_there_before() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("number");
        std::fs::write(&path, "1").unwrap();
        let watched = Arc::new(Watched::open("number", path.clone(), numbers).unwrap());
        let current = async || watched.current().await.map(|value| *value);
        std::fs::write(&path, "want").unwrap();
        for _ in 0..3 {
            assert_eq!(current().await, Err(UNTOLD));
        }
        let again = watched.clone();
        assert!(
            tokio::task::spawn_blocking(move || again.reload())
                .await
                .unwrap()
                .is_err()
        );
        assert_eq!(current().await, Err(UNTOLD));
        std::fs::write(&path, "2").unwrap();
        assert_eq!(current().await, Ok(2));
        // One that changes again and again.
        let stop = rewritten(&path, ["3", "3"], Duration::from_millis(7));
        harness::wait::until_async("nobody can tell", async || current().await == Err(UNTOLD)).await;
        drop(stop);
        harness::wait::until_async("it holds still", async || current().await == Ok(33)).await;
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
            tokio::spawn(async move { *watched.current().await.unwrap() })
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
