//! Bodies within bounds: how much of them, and of what is made of them, is held at once, in all and of one caller. Whoever only sends them must not fill the memory.

use std::sync::Arc;

use axum::body::{Body, Bytes, HttpBody as _};
use http_body_util::BodyExt as _;

use super::taken::{Share, Taken};

/// How much one caller's requests may hold at once, in bytes: 8 MiB, or as much as the largest body where that is more.
const OF_ONE: usize = 8 * 1024 * 1024;

/// How many times as much those of all callers may.
const ALL: usize = 8;

/// What a caller may hold though all that there is is held, in bytes: 64 KiB, which most messages are far below.
const ASIDE: usize = 64 * 1024;

/// Why a body isn't read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unread {
    /// It is larger than any may be.
    TooLarge,
    /// There is no room for it now.
    NoRoom,
    /// The client broke off, or its framing is broken.
    Broken,
}

/// The bodies that are being read, or stood for by a message that isn't answered yet.
#[derive(Debug)]
pub(super) struct Bodies {
    /// The largest body, in bytes.
    largest: usize,
    of_one: usize,
    now: Arc<Taken<Arc<str>>>,
}

/// Room for a body, as long as this is there.
#[derive(Debug)]
pub(super) struct Room {
    bodies: Arc<Bodies>,
    share: Share<Arc<str>>,
}

impl Bodies {
    pub(super) fn new(largest: usize) -> Arc<Self> {
        Arc::new(Self {
            largest,
            of_one: OF_ONE.max(largest),
            now: Taken::nothing(),
        })
    }

    /// Reads a body. Room is made for what has come of it, not for what is announced: whoever sends nothing holds nothing.
    ///
    /// # Errors
    /// When it isn't read whole.
    pub(super) async fn read(self: &Arc<Self>, caller: &Arc<str>, mut body: Body) -> Result<(Bytes, Room), Unread> {
        let announced = usize::try_from(body.size_hint().lower()).unwrap_or(usize::MAX);
        if announced > self.largest {
            return Err(Unread::TooLarge);
        }
        let mut room = Room {
            bodies: self.clone(),
            share: self.now.take(caller.clone(), 0, |_| Ok(()))?,
        };
        let mut read = Vec::new();
        while let Some(frame) = body.frame().await {
            let Ok(piece) = frame.map_err(|_| Unread::Broken)?.into_data() else {
                continue;
            };
            if read.len() + piece.len() > self.largest {
                return Err(Unread::TooLarge);
            }
            room.grow(piece.len())?;
            read.extend_from_slice(&piece);
        }
        Ok((read.into(), room))
    }
}

impl Room {
    /// Makes room for more. What a small message needs there is always: others may not take it.
    pub(super) fn grow(&mut self, bytes: usize) -> Result<(), Unread> {
        let (most, most_of_one) = (self.bodies.of_one.saturating_mul(ALL), self.bodies.of_one);
        self.share.grow(bytes, |with| {
            let is_full = with.all > most && with.of_one > ASIDE;
            match with.of_one > most_of_one || is_full {
                true => Err(Unread::NoRoom),
                false => Ok(()),
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use futures::{StreamExt as _, stream};

    use super::*;

    const MIB: usize = 1024 * 1024;

    fn caller(number: usize) -> Arc<str> {
        number.to_string().into()
    }

    #[tokio::test]
    async fn one_caller_holds_its_share_and_all_hold_no_more_than_there_is() {
        let bodies = Bodies::new(MIB);
        let large = || Body::from(vec![0; MIB]);
        let mut held = Vec::new();
        for number in 0..8 {
            for _ in 0..8 {
                held.push(bodies.read(&caller(number), large()).await.unwrap());
            }
            assert_eq!(bodies.read(&caller(number), large()).await.unwrap_err(), Unread::NoRoom);
        }
        assert_eq!(bodies.read(&caller(8), large()).await.unwrap_err(), Unread::NoRoom);
        // What is small is read all the same, of whoever holds nothing.
        assert_eq!(bodies.read(&caller(8), Body::from("{}")).await.unwrap().0, "{}");
        drop(held);
        assert!(bodies.read(&caller(8), large()).await.is_ok());
        assert!(bodies.now.is_nothing());
    }

    #[tokio::test]
    async fn body_that_is_announced_holds_nothing_before_it_comes() {
        let bodies = Bodies::new(MIB);
        let pending = || Body::from_stream(stream::pending::<Result<Vec<u8>, Infallible>>());
        let whose = caller(0);
        let waiting: Vec<_> = (0..100).map(|_| Box::pin(bodies.read(&whose, pending()))).collect();
        let mut all = futures::future::join_all(waiting);
        assert!(futures::poll!(&mut all).is_pending());
        assert!(bodies.read(&whose, Body::from(vec![0; MIB])).await.is_ok());
    }

    #[tokio::test]
    async fn body_over_the_bound_is_not_read() {
        let bodies = Bodies::new(10);
        assert_eq!(
            bodies.read(&caller(0), Body::from("12345678901")).await.unwrap_err(),
            Unread::TooLarge
        );
        let pieces = || stream::iter(["12345", "67890", "1"]).map(Ok::<_, Infallible>);
        let unsaid = Body::from_stream(pieces());
        assert_eq!(bodies.read(&caller(0), unsaid).await.unwrap_err(), Unread::TooLarge);
        assert_eq!(
            bodies.read(&caller(0), Body::from("1234567890")).await.unwrap().0,
            "1234567890"
        );
    }
}
