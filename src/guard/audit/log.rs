//! The log as calls see it: begin, finish, write.

use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use uuid::Uuid;

use super::disk::{AuditLimits, Disk};
use super::entry::{AuditOutcome, Entry};
use super::line::line;
use super::note::{self, Note};
use super::share::Shares;
use crate::guard::files::{FileError, Held};

/// How many lines about refusals are kept in memory while they can't be written. Those about finished calls are all
/// kept: there are no more of them than calls under way, since none begins.
const KEPT: usize = 256;

const STOPPED: &str =
    "this server stopped while the call was under way, so whether anything changed at Neon isn't known";

const DROPPED: &str = "the call was given up before its end was seen, so whether anything changed at Neon isn't known";

/// The audit log. Cheap to clone; the clones are one log.
///
/// Its functions block for the time of a few system calls, and at most five seconds while another process holds the
/// lock.
#[derive(Debug, Clone)]
pub struct AuditLog {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    disk: Disk,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// What a crash left has been looked for.
    opened: bool,
    /// What must be written next, in order. Anything here between two calls couldn't be.
    waiting: VecDeque<Waiting>,
    /// How much of the log the refusals of each caller have taken.
    shares: Shares,
}

#[derive(Debug)]
struct Waiting {
    line: String,
    /// Removed when the line is in the log; until then it stands in for the line.
    note: Option<Note>,
}

impl AuditLog {
    /// The log at `path`. Nothing is opened or checked before it is first used.
    #[must_use]
    pub fn new(path: impl Into<PathBuf>, limits: AuditLimits) -> Self {
        Self {
            shared: Arc::new(Shared {
                disk: Disk::new(path.into(), limits),
                state: Mutex::default(),
            }),
        }
    }

    /// Where the log is.
    #[must_use]
    pub fn path(&self) -> &Path {
        self.shared.disk.log()
    }

    /// Whether a call could begin now.
    ///
    /// # Errors
    /// Where [`Self::begin`] has them.
    pub fn check(&self) -> Result<(), FileError> {
        let held = self.catch_up(&mut self.state())?;
        self.shared.disk.open(&held).map(drop)
    }

    /// Notes a call before its request is sent. Should this process end before [`Pending::finish`], the log will
    /// say that the call's outcome is unknown, whatever outcome `entry` has.
    ///
    /// # Errors
    /// When the note can't be written, when the log can't be opened, and as long as earlier lines can't be written:
    /// the call must not be sent.
    pub fn begin(&self, entry: &Entry) -> Result<Pending, FileError> {
        let mut entry = entry.clone();
        entry.outcome = AuditOutcome::Unknown;
        entry.reason = Some(STOPPED.to_owned());
        let id = Uuid::new_v4();
        let mut state = self.state();
        let held = self.catch_up(&mut state)?;
        // With nothing to catch up on the log itself hasn't been touched yet.
        self.shared.disk.open(&held)?;
        let note = Note::create(&self.shared.disk, &held, id, &line(&entry, id))?;
        Ok(Pending {
            log: self.clone(),
            entry,
            id,
            begun: Instant::now(),
            note: Some(note),
        })
    }

    /// Writes the line of a call that was refused, or that changes nothing. Of very many refusals of one caller some have no line: a
    /// later one says how many.
    ///
    /// # Errors
    /// When it can't be written. It is kept for later, and told on standard error.
    pub fn write(&self, entry: &Entry) -> Result<(), FileError> {
        let is_taken = self.state().shares.takes(entry, Instant::now());
        self.tell_left_out()?;
        match is_taken {
            true => self.record(line(entry, Uuid::new_v4()), None),
            false => Ok(()),
        }
    }

    /// Writes how many lines were left out, of callers that have a share again.
    fn tell_left_out(&self) -> Result<(), FileError> {
        let told = self.state().shares.told(Instant::now());
        // Each is tried: what can't be written waits.
        let mut all = Ok(());
        for entry in told {
            let written = self.record(line(&entry, Uuid::new_v4()), None);
            all = all.and(written);
        }
        all
    }

    fn record(&self, line: String, note: Option<Note>) -> Result<(), FileError> {
        let mut state = self.state();
        let full = note.is_none() && state.waiting.len() >= KEPT;
        let told = line.clone();
        let room = if full {
            self.catch_up(&mut state).map(drop)
        } else {
            Ok(())
        };
        let kept = room.is_ok();
        room.and_then(|()| {
            state.waiting.push_back(Waiting { line, note });
            self.catch_up(&mut state).map(drop)
        })
        .inspect_err(|error| {
            let fate = if kept { "waits" } else { "is lost" };
            tracing::error!("{error}; this line {fate}: {}", told.trim_end());
        })
    }

    /// Writes whatever waits, in order. What can't be written waits on.
    fn catch_up(&self, state: &mut State) -> Result<Held, FileError> {
        let disk = &self.shared.disk;
        let held = disk.lock()?;
        if !state.opened {
            note::adopt(disk, &held)?;
            state.opened = true;
        }
        while let Some(next) = state.waiting.front() {
            disk.append(&held, &next.line)?;
            if let Some(note) = state.waiting.pop_front().and_then(|written| written.note) {
                note.remove();
            }
        }
        Ok(held)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Every step leaves it whole.
        self.shared.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        let Ok(state) = self.state.get_mut() else { return };
        for entry in state.shares.rest() {
            let written = self
                .disk
                .lock()
                .and_then(|held| self.disk.append(&held, &line(&entry, Uuid::new_v4())));
            if let Err(error) = written {
                tracing::error!("{error}; this line is lost: {entry:?}");
            }
        }
    }
}

/// A call that is noted and hasn't ended. Dropped without [`Self::finish`], it is written as unknown.
#[derive(Debug)]
#[must_use = "dropped, the call is written as unknown"]
pub struct Pending {
    log: AuditLog,
    entry: Entry,
    id: Uuid,
    begun: Instant,
    note: Option<Note>,
}

impl Pending {
    /// Writes the line of the call, now that its end is known.
    ///
    /// # Errors
    /// When it can't be written. It is kept for later, told on standard error, and no call can begin until it is
    /// written.
    pub fn finish(mut self, entry: &Entry) -> Result<(), FileError> {
        let note = self.note.take();
        // An error has been told, and the line waits.
        let _ = self.log.tell_left_out();
        self.log.record(line(entry, self.id), note)
    }
}

impl Drop for Pending {
    fn drop(&mut self) {
        let Some(note) = self.note.take() else {
            return;
        };
        self.entry.reason = Some(DROPPED.to_owned());
        self.entry.duration_ms = u64::try_from(self.begun.elapsed().as_millis()).unwrap_or(u64::MAX);
        // An error has been told, and the line waits.
        let _ = self.log.record(line(&self.entry, self.id), Some(note));
    }
}
