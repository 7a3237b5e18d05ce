//! Writing the state down: after every change, several at a time where they come faster than the disk.

use std::{
    io,
    sync::{
        Arc, MutexGuard, Weak,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio::sync::{Mutex, Notify, watch};

use super::{
    folder::Folder,
    state::{
        State,
        persisted::{self, Life},
    },
};

/// How long the writing looks away from whether the sandbox is still there.
const LOOK: Duration = Duration::from_millis(500);

/// What holds the state that is written down.
pub(crate) trait Source: Send + Sync {
    /// The state as it is now.
    fn state(&self) -> MutexGuard<'_, State>;
}

/// What writes the state into its folder.
#[derive(Debug)]
pub(crate) struct Saver {
    folder: Arc<Folder>,
    life: Life,
    /// How many changes there were.
    changes: AtomicU64,
    /// How many of them were written.
    written: watch::Sender<u64>,
    changed: Notify,
    /// Held while the state is written.
    writing: Mutex<()>,
}

impl Saver {
    pub(crate) fn new(folder: Folder, life: Life) -> Self {
        Self {
            folder: Arc::new(folder),
            life,
            changes: AtomicU64::new(0),
            written: watch::Sender::new(0),
            changed: Notify::new(),
            writing: Mutex::const_new(()),
        }
    }

    /// Notes a change. Returns its number.
    pub(crate) fn touch(&self) -> u64 {
        let number = self.changes.fetch_add(1, Ordering::AcqRel) + 1;
        self.changed.notify_one();
        number
    }

    /// Waits until a change is written.
    pub(crate) async fn wait_for(&self, number: u64) {
        let _ = self.written.subscribe().wait_for(|written| *written >= number).await;
    }

    /// Writes the state as it is now.
    pub(crate) async fn save(&self, source: &impl Source) -> io::Result<()> {
        let _one_at_a_time = self.writing.lock().await;
        let number = self.changes.load(Ordering::Acquire);
        let bytes = persisted::write(&source.state(), self.life)?;
        let folder = Arc::clone(&self.folder);
        let written = tokio::task::spawn_blocking(move || folder.write(&bytes))
            .await
            .map_err(io::Error::other)
            .and_then(|written| written);
        // Even where it failed: nobody is helped by waiting.
        self.written.send_replace(number);
        written
    }

    /// Writes the state for the last time and leaves the folder.
    pub(crate) async fn finish(&self, source: &impl Source) -> io::Result<()> {
        let written = self.save(source).await;
        self.folder.release();
        written
    }

    /// Writes what changes, as long as the sandbox is there.
    pub(crate) async fn run(self: Arc<Self>, source: Weak<impl Source>) {
        loop {
            tokio::select! {
                () = self.changed.notified() => {
                    let Some(source) = source.upgrade() else { return };
                    if let Err(error) = self.save(&*source).await {
                        tracing::error!(%error, "the sandbox's state can't be written to {}", self.folder.state().display());
                    }
                }
                () = tokio::time::sleep(LOOK) => {
                    if source.strong_count() == 0 {
                        return;
                    }
                }
            }
        }
    }
}
