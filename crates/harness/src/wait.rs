//! Waiting for what must come, in place of sleeping for as long as it may take.

use std::time::{Duration, Instant};

/// How long what must come may take: a test that doesn't fail waits no longer than it must, and a busy machine has its time.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// How often is looked.
const LOOK: Duration = Duration::from_millis(5);

/// Waits until a condition holds; panics when it doesn't come.
#[track_caller]
pub fn until(what: &str, mut holds: impl FnMut() -> bool) -> impl Future<Output = ()> {
    let place = std::panic::Location::caller();
    async move {
        let began = Instant::now();
        while !holds() {
            assert!(began.elapsed() < PATIENCE, "{place}: {what} doesn't come");
            tokio::time::sleep(LOOK).await;
        }
    }
}

/// The same, where the condition is asked for.
#[track_caller]
pub fn until_async(what: &str, mut holds: impl AsyncFnMut() -> bool) -> impl Future<Output = ()> {
    let place = std::panic::Location::caller();
    async move {
        let began = Instant::now();
        while !holds().await {
            assert!(began.elapsed() < PATIENCE, "{place}: {what} doesn't come");
            tokio::time::sleep(LOOK).await;
        }
    }
}

/// The same for tests without a runtime.
#[track_caller]
pub fn blocking(what: &str, mut holds: impl FnMut() -> bool) {
    let began = Instant::now();
    while !holds() {
        assert!(began.elapsed() < PATIENCE, "{what} doesn't come");
        std::thread::sleep(LOOK);
    }
}
