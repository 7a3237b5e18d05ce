//! Bodies within bounds: how much of them is read at once, in all and of one caller. Whoever only sends them must not fill the memory.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use axum::body::HttpBody;

/// How much one caller's requests may hold at once, in bytes: 8 MiB, or as much as the largest body where that is more.
const OF_ONE: usize = 8 * 1024 * 1024;

/// How many times as much those of all callers may.
const ALL: usize = 8;

/// The bodies that are being read, or stood for by a message that isn't answered yet.
#[derive(Debug)]
pub(super) struct Bodies {
    /// The largest body, in bytes.
    largest: usize,
    of_one: usize,
    now: Mutex<Now>,
}

#[derive(Debug, Default)]
struct Now {
    all: usize,
    by_caller: HashMap<Arc<str>, usize>,
}

/// Room for a body, as long as this is there.
#[derive(Debug)]
pub(super) struct Room {
    bodies: Arc<Bodies>,
    caller: Arc<str>,
    bytes: usize,
}

impl Bodies {
    pub(super) fn new(largest: usize) -> Arc<Self> {
        Arc::new(Self {
            largest,
            of_one: OF_ONE.max(largest),
            now: Mutex::default(),
        })
    }

    /// Makes room for a body: for as much as it says that it has, else for the largest. Nothing where there is none now.
    pub(super) fn room(self: &Arc<Self>, caller: &Arc<str>, body: &impl HttpBody) -> Option<Room> {
        let says = body.size_hint().exact().and_then(|bytes| usize::try_from(bytes).ok());
        let bytes = says.unwrap_or(self.largest).min(self.largest);
        let mut now = self.now.lock().unwrap_or_else(PoisonError::into_inner);
        let of_one = now.by_caller.get(caller).copied().unwrap_or_default();
        if of_one + bytes > self.of_one || now.all + bytes > self.of_one.saturating_mul(ALL) {
            return None;
        }
        now.all += bytes;
        now.by_caller.insert(caller.clone(), of_one + bytes);
        Some(Room {
            bodies: self.clone(),
            caller: caller.clone(),
            bytes,
        })
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        let mut now = self.bodies.now.lock().unwrap_or_else(PoisonError::into_inner);
        now.all = now.all.saturating_sub(self.bytes);
        let Some(of_one) = now.by_caller.get_mut(&self.caller) else {
            return;
        };
        *of_one = of_one.saturating_sub(self.bytes);
        if *of_one == 0 {
            now.by_caller.remove(&self.caller);
        }
    }
}

#[cfg(test)]
mod tests {
    use axum::body::Body;
    use futures::stream;

    use super::*;

    const MIB: usize = 1024 * 1024;

    #[test]
    fn one_caller_holds_its_share_and_all_hold_no_more_than_there_is() {
        let bodies = Bodies::new(MIB);
        let caller = |number: usize| -> Arc<str> { number.to_string().into() };
        let large = Body::from(vec![0; MIB]);
        let mut held: Vec<Room> = (0..8).map(|_| bodies.room(&caller(0), &large).unwrap()).collect();
        assert!(bodies.room(&caller(0), &large).is_none());
        // It says nothing of its size, so it may be as large.
        let unsaid = Body::from_stream(stream::empty::<Result<Vec<u8>, std::io::Error>>());
        assert!(bodies.room(&caller(0), &unsaid).is_none());
        assert!(bodies.room(&caller(0), &Body::empty()).is_some());
        for number in 1..8 {
            held.extend((0..8).map(|_| bodies.room(&caller(number), &large).unwrap()));
        }
        assert!(bodies.room(&caller(8), &large).is_none());
        drop(held);
        assert!(bodies.room(&caller(8), &large).is_some());
        assert!(bodies.now.lock().unwrap().by_caller.is_empty());
    }

    #[test]
    fn body_as_large_as_any_may_be_is_read() {
        let bodies = Bodies::new(64 * MIB);
        let unsaid = Body::from_stream(stream::empty::<Result<Vec<u8>, std::io::Error>>());
        assert!(bodies.room(&"a".into(), &unsaid).is_some());
    }
}
