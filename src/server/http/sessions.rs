//! Sessions within bounds: how many there are, in all and from one peer, and how long an unused one lasts.
//!
//! A session costs some 90 KB, and whoever reaches the port can open one with a single request.

use std::cmp::Reverse;
use std::collections::HashMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak};
use std::task::{Context, Poll};
use std::time::Duration;

use futures::Stream;
use rmcp::model::{ClientJsonRpcMessage, ServerJsonRpcMessage};
use rmcp::transport::streamable_http_server::session::local::{LocalSessionManager, LocalSessionManagerError};
use rmcp::transport::streamable_http_server::session::{ServerSseMessage, SessionId, SessionManager};
use tokio::time::Instant;

use crate::telemetry::{self, Metric};

tokio::task_local! {
    /// Who makes the request that is being answered, and which session it lacked.
    static ASKED: (Owner, Arc<OnceLock<Lack>>);
}

/// Whose sessions are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Owner {
    /// The id of the principal: to every other, they are unknown.
    pub(super) principal: Arc<str>,
    /// Which sessions are counted together: those of the principal, or of an address.
    pub(super) share: Arc<str>,
}

/// Why a request has no session that wanted one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Lack {
    /// None was left.
    Full,
    /// The one that it named isn't there.
    Unknown,
}

/// Answers a request of that owner, and says which session it lacked, if any.
pub(super) async fn counted<T>(owner: Owner, answering: impl Future<Output = T>) -> (T, Option<Lack>) {
    let lack = Arc::new(OnceLock::new());
    let answer = ASKED.scope((owner, lack.clone()), answering).await;
    (answer, lack.get().copied())
}

/// Notes which session the request lacks that is being answered.
fn lacking(lack: Lack) {
    let _ = ASKED.try_with(|(_, noted)| noted.set(lack));
}

/// Why there is no session.
#[derive(Debug, thiserror::Error)]
pub(super) enum SessionError {
    /// As many as there may be are all in use.
    #[error("{0} sessions are in use, and no more are opened")]
    Full(usize),
    /// The request came by no way that says whose it is.
    #[error("a session wants an owner")]
    Nobodys,
    /// What rmcp says.
    #[error(transparent)]
    Local(#[from] LocalSessionManagerError),
}

/// What is known of a session.
#[derive(Debug)]
struct Known {
    owner: Owner,
    /// How many streams of it are open: running calls, and what only listens.
    open: usize,
    /// Whether anything came after its first request.
    used: bool,
    last: Instant,
}

type Table = Arc<Mutex<HashMap<SessionId, Known>>>;

/// rmcp's sessions, within bounds.
#[derive(Debug)]
pub(super) struct BoundedSessions {
    local: LocalSessionManager,
    known: Table,
    most: usize,
    most_of_one: usize,
    idle: Duration,
}

impl BoundedSessions {
    pub(super) fn new(most: usize, most_of_one: usize, idle: Duration) -> Arc<Self> {
        let mut local = LocalSessionManager::default();
        // rmcp ends a session that only listens, too. What is idle is for this table to say.
        local.session_config.keep_alive = None;
        let sessions = Arc::new(Self {
            local,
            known: Table::default(),
            most,
            most_of_one,
            idle,
        });
        let open = Arc::downgrade(&sessions.known);
        let count = move || {
            open.upgrade().map_or(0, |open| {
                open.lock().unwrap_or_else(PoisonError::into_inner).len() as u64
            })
        };
        telemetry::watch(Metric::Sessions, count);
        tokio::spawn(sweeping(Arc::downgrade(&sessions), idle));
        sessions
    }

    fn table(&self) -> MutexGuard<'_, HashMap<SessionId, Known>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether a session is of whoever makes the request that is being answered. Another's is as unknown as one that never was.
    fn is_own(&self, id: &SessionId) -> bool {
        let owner = ASKED.try_with(|(owner, _)| owner.principal.clone());
        let table = self.table();
        let known = table.get(id);
        known.is_some_and(|known| owner.is_ok_and(|owner| owner == known.owner.principal))
    }

    /// Notes that a session is used now.
    fn touch(&self, id: &SessionId) {
        if let Some(known) = self.table().get_mut(id) {
            known.last = Instant::now();
            known.used = true;
        }
    }

    /// Counts a stream as open from now on.
    fn open(&self, id: &SessionId) -> Open {
        if let Some(known) = self.table().get_mut(id) {
            known.open += 1;
            known.last = Instant::now();
        }
        Open {
            id: id.clone(),
            known: self.known.clone(),
        }
    }

    /// Takes a place for a new session. Where none is left, one that is idle goes: one that was opened and never used before
    /// others, and the one that was used longest ago.
    fn place(&self, id: &SessionId, owner: Owner) -> Result<Option<SessionId>, SessionError> {
        let mut table = self.table();
        let is_own = |known: &Known| known.owner.share == owner.share;
        let of_one = table.values().filter(|known| is_own(known)).count();
        let full = if of_one >= self.most_of_one {
            Some(of_one)
        } else {
            (table.len() >= self.most).then_some(table.len())
        };
        let mut goes = None;
        if let Some(full) = full {
            // Whoever is over its share makes room of its own.
            let own = of_one >= self.most_of_one;
            let idle = table
                .iter()
                .filter(|(_, known)| known.open == 0 && (!own || is_own(known)));
            let oldest = idle.min_by_key(|(_, known)| (known.used, Reverse(known.last.elapsed())));
            let oldest = oldest.map(|(id, _)| id.clone()).ok_or(SessionError::Full(full))?;
            table.remove(&oldest);
            goes = Some(oldest);
        }
        let known = Known {
            owner,
            open: 0,
            used: false,
            last: Instant::now(),
        };
        table.insert(id.clone(), known);
        Ok(goes)
    }

    /// Ends what was idle for too long.
    async fn sweep(&self) {
        let over: Vec<SessionId> = {
            let mut table = self.table();
            let over = |known: &Known| known.open == 0 && known.last.elapsed() >= self.idle;
            let ids = table.iter().filter(|(_, known)| over(known)).map(|(id, _)| id.clone());
            let ids: Vec<SessionId> = ids.collect();
            table.retain(|_, known| !over(known));
            ids
        };
        for id in over {
            let _ = self.local.close_session(&id).await;
        }
    }
}

/// Ends idle sessions as long as there is a server.
async fn sweeping(sessions: Weak<BoundedSessions>, idle: Duration) {
    let pause = (idle / 4).clamp(Duration::from_millis(50), Duration::from_secs(60));
    loop {
        tokio::time::sleep(pause).await;
        let Some(sessions) = sessions.upgrade() else { return };
        sessions.sweep().await;
    }
}

/// A stream that is open.
struct Open {
    id: SessionId,
    known: Table,
}

impl Drop for Open {
    fn drop(&mut self) {
        let mut table = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = table.get_mut(&self.id) {
            known.open = known.open.saturating_sub(1);
            known.last = Instant::now();
        }
    }
}

/// A stream of a session, which is in use as long as it is there.
struct Counted<S> {
    stream: Pin<Box<S>>,
    _open: Open,
}

impl<S: Stream> Stream for Counted<S> {
    type Item = S::Item;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.stream.as_mut().poll_next(context)
    }
}

impl SessionManager for BoundedSessions {
    type Error = SessionError;
    type Transport = <LocalSessionManager as SessionManager>::Transport;

    async fn create_session(&self) -> Result<(SessionId, Self::Transport), Self::Error> {
        let Ok(owner) = ASKED.try_with(|(owner, _)| owner.clone()) else {
            return Err(SessionError::Nobodys);
        };
        let (id, transport) = self.local.create_session().await?;
        match self.place(&id, owner) {
            Ok(goes) => {
                if let Some(goes) = goes {
                    tracing::debug!("an idle session makes room for another");
                    let _ = self.local.close_session(&goes).await;
                }
                Ok((id, transport))
            }
            Err(full) => {
                drop(transport);
                let _ = self.local.close_session(&id).await;
                lacking(Lack::Full);
                Err(full)
            }
        }
    }

    async fn initialize_session(
        &self,
        id: &SessionId,
        message: ClientJsonRpcMessage,
    ) -> Result<ServerJsonRpcMessage, Self::Error> {
        let _open = self.open(id);
        Ok(self.local.initialize_session(id, message).await?)
    }

    async fn has_session(&self, id: &SessionId) -> Result<bool, Self::Error> {
        if !self.is_own(id) {
            return Ok(false);
        }
        self.touch(id);
        Ok(self.local.has_session(id).await?)
    }

    async fn close_session(&self, id: &SessionId) -> Result<(), Self::Error> {
        // The server ends sessions, too, by itself.
        let is_asked = ASKED.try_with(|_| ()).is_ok();
        if is_asked && !self.is_own(id) {
            lacking(Lack::Unknown);
            return Ok(());
        }
        self.table().remove(id);
        Ok(self.local.close_session(id).await?)
    }

    async fn create_stream(
        &self,
        id: &SessionId,
        message: ClientJsonRpcMessage,
    ) -> Result<impl Stream<Item = ServerSseMessage> + Send + Sync + 'static, Self::Error> {
        let open = self.open(id);
        let stream = self.local.create_stream(id, message).await?;
        Ok(Counted {
            stream: Box::pin(stream),
            _open: open,
        })
    }

    async fn accept_message(&self, id: &SessionId, message: ClientJsonRpcMessage) -> Result<(), Self::Error> {
        Ok(self.local.accept_message(id, message).await?)
    }

    async fn create_standalone_stream(
        &self,
        id: &SessionId,
    ) -> Result<impl Stream<Item = ServerSseMessage> + Send + Sync + 'static, Self::Error> {
        let open = self.open(id);
        let stream = self.local.create_standalone_stream(id).await?;
        Ok(Counted {
            stream: Box::pin(stream),
            _open: open,
        })
    }

    async fn resume(
        &self,
        id: &SessionId,
        last_event_id: String,
    ) -> Result<impl Stream<Item = ServerSseMessage> + Send + Sync + 'static, Self::Error> {
        let open = self.open(id);
        let stream = self.local.resume(id, last_event_id).await?;
        Ok(Counted {
            stream: Box::pin(stream),
            _open: open,
        })
    }
}
