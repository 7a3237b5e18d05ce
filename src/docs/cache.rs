//! What was read, kept for a while: bounded in count and bytes.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// The most texts.
const MAX_TEXTS: usize = 64;

/// The most bytes of them.
const MAX_BYTES: usize = 8 * 1024 * 1024;

/// A text of the docs host.
#[derive(Debug)]
pub(super) struct Page {
    pub(super) text: String,
    /// The mark by which the host knows this version.
    pub(super) etag: Option<String>,
}

#[derive(Debug)]
struct Kept {
    at: Instant,
    page: Arc<Page>,
}

/// The texts by their file.
#[derive(Debug)]
pub(super) struct Cache {
    /// How long a text is given out without asking again.
    fresh: Duration,
    kept: Mutex<HashMap<String, Kept>>,
}

impl Cache {
    pub(super) fn new(fresh: Duration) -> Self {
        Self {
            fresh,
            kept: Mutex::default(),
        }
    }

    /// A text that may be given out.
    pub(super) fn fresh(&self, file: &str, now: Instant) -> Option<Arc<Page>> {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let kept = kept
            .get(file)
            .filter(|kept| now.saturating_duration_since(kept.at) < self.fresh)?;
        Some(kept.page.clone())
    }

    /// A text that the host may be asked about.
    pub(super) fn known(&self, file: &str) -> Option<Arc<Page>> {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.get(file).map(|kept| kept.page.clone())
    }

    /// Keeps a text that the host has just given or confirmed. The oldest make room.
    pub(super) fn keep(&self, file: &str, page: Arc<Page>, at: Instant) {
        if page.text.len() > MAX_BYTES {
            return;
        }
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.insert(file.to_owned(), Kept { at, page });
        loop {
            let bytes: usize = kept.values().map(|kept| kept.page.text.len()).sum();
            if kept.len() <= MAX_TEXTS && bytes <= MAX_BYTES {
                break;
            }
            let others = kept.iter().filter(|(name, _)| *name != file);
            let Some(oldest) = others.min_by_key(|(_, kept)| kept.at).map(|(name, _)| name.clone()) else {
                break;
            };
            kept.remove(&oldest);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FRESH: Duration = Duration::from_secs(3_600);

    fn page(bytes: usize) -> Arc<Page> {
        Arc::new(Page {
            text: "x".repeat(bytes),
            etag: None,
        })
    }

    #[test]
    fn a_text_is_fresh_for_an_hour_and_known_after_it() {
        let (cache, start) = (Cache::new(FRESH), Instant::now());
        cache.keep("a", page(1), start);
        assert!(cache.fresh("a", start + FRESH - Duration::from_secs(1)).is_some());
        assert!(cache.fresh("a", start + FRESH).is_none() && cache.known("a").is_some());
        cache.keep("a", page(1), start + FRESH);
        assert!(cache.fresh("a", start + FRESH).is_some(), "confirmed");
    }

    #[test]
    fn the_oldest_make_room() {
        let (cache, start) = (Cache::new(FRESH), Instant::now());
        let at = |number: usize| start + Duration::from_secs(number as u64);
        for number in 0..=MAX_TEXTS {
            cache.keep(&number.to_string(), page(1), at(number));
        }
        assert!(cache.known("0").is_none() && cache.known("1").is_some());
        cache.keep("large", page(MAX_BYTES), at(1_000));
        assert!(cache.known("large").is_some() && cache.known("1").is_none());
        cache.keep("too large", page(MAX_BYTES + 1), at(1_001));
        assert!(cache.known("too large").is_none() && cache.known("large").is_some());
    }
}
