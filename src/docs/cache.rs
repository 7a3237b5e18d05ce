//! What was read, kept for a while: bounded in count and bytes.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use quick_cache::Weighter;
use quick_cache::unsync;
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
    kept: Mutex<unsync::Cache<String, Kept, Weight>>,
}

/// What a text takes of the bytes: its own, and no less than makes the most texts.
#[derive(Debug, Clone)]
struct Weight;

impl Weighter<String, Kept> for Weight {
    fn weight(&self, _file: &String, kept: &Kept) -> u64 {
        kept.page.text.len().max(MAX_BYTES / MAX_TEXTS) as u64
    }
}

impl Cache {
    pub(super) fn new(fresh: Duration) -> Self {
        Self {
            fresh,
            kept: Mutex::new(unsync::Cache::with_weighter(MAX_TEXTS, MAX_BYTES as u64, Weight)),
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

    /// Keeps a text that the host has just given or confirmed. What is asked for least makes room; what is too large isn't kept.
    pub(super) fn keep(&self, file: &str, page: Arc<Page>, at: Instant) {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.insert(file.to_owned(), Kept { at, page });
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
    fn cache_is_bounded_in_texts_and_bytes() {
        let (cache, start) = (Cache::new(FRESH), Instant::now());
        let known = |of: &[usize]| {
            of.iter()
                .filter(|number| cache.known(&number.to_string()).is_some())
                .count()
        };
        let all: Vec<usize> = (0..3 * MAX_TEXTS).collect();
        for number in &all {
            cache.keep(&number.to_string(), page(1), start);
            assert!(cache.known(&number.to_string()).is_some(), "{number} is the newest");
        }
        assert_eq!(known(&all), MAX_TEXTS);
        cache.keep("large", page(MAX_BYTES / 2), start);
        assert!(cache.known("large").is_some() && known(&all) <= MAX_TEXTS / 2);
        cache.keep("too large", page(MAX_BYTES + 1), start);
        assert!(cache.known("too large").is_none());
    }

    #[test]
    fn text_that_is_asked_for_stays() {
        let (cache, start) = (Cache::new(FRESH), Instant::now());
        cache.keep("index", page(1), start);
        for number in 0..3 * MAX_TEXTS {
            assert!(cache.known("index").is_some(), "{number}");
            cache.keep(&number.to_string(), page(1), start);
        }
    }
}
