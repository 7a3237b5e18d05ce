//! Sessions within bounds: how many there are, in all and of one caller, how long an unused one lasts, and what it costs meanwhile.
//!
//! A session of rmcp's costs some 80 kB (its channels take 32 messages each, whatever they are told), and whoever reaches the port can
//! open one with a single request. So only some that are idle are kept awake. Of the others what the client said of itself is kept, and
//! its next request wakes the session: rmcp shakes hands again in the client's place, which notices nothing.

mod table;

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, OnceLock, PoisonError, Weak};
use std::task::{Context, Poll};
use std::time::Duration;

use futures::Stream;
use rmcp::model::{ClientJsonRpcMessage, ServerJsonRpcMessage};
use rmcp::transport::streamable_http_server::session::local::{LocalSessionManager, LocalSessionManagerError};
use rmcp::transport::streamable_http_server::session::store::{SessionState, SessionStore, SessionStoreError};
use rmcp::transport::streamable_http_server::session::{RestoreOutcome, ServerSseMessage, SessionId, SessionManager};

pub(super) use table::Owner;
use table::{Bounds, Table};

use super::limits::HttpLimits;
use crate::guard::Session;
use crate::server::handler::{NeonServer, RunningCalls};

use crate::telemetry::{self, Metric};

tokio::task_local! {
    /// The request that is being answered.
    static ASKED: Arc<Asked>;
}

/// A request that is being answered.
#[derive(Debug)]
struct Asked {
    /// Who makes it.
    owner: Owner,
    /// Which session it lacked, if any.
    lack: OnceLock<Lack>,
    /// What tells the session apart that it wakes.
    woken: Mutex<Option<Session>>,
    /// What was made for the session that it opens or wakes.
    made: Mutex<Option<(Session, RunningCalls)>>,
    /// The sessions that it uses: they are in use for as long as it is answered.
    holds: Mutex<Vec<Open>>,
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
    let asked = Arc::new(Asked {
        owner,
        lack: OnceLock::new(),
        woken: Mutex::default(),
        made: Mutex::default(),
        holds: Mutex::default(),
    });
    let answer = ASKED.scope(asked.clone(), answering).await;
    (answer, asked.lack.get().copied())
}

/// The server for the session that the request opens or wakes: a woken one is who it was before.
pub(super) fn server(new: NeonServer) -> NeonServer {
    let woken = ASKED.try_with(|asked| lock(&asked.woken).clone()).ok().flatten();
    let server = match woken {
        Some(session) => new.in_session(session),
        None => new,
    };
    let made = (server.session().clone(), server.running_calls().clone());
    let _ = ASKED.try_with(|asked| *lock(&asked.made) = Some(made));
    server
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Notes which session the request lacks that is being answered.
fn lacking(lack: Lack) {
    let _ = ASKED.try_with(|asked| asked.lack.set(lack));
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

/// rmcp's sessions, within bounds.
#[derive(Debug)]
pub(super) struct BoundedSessions {
    local: LocalSessionManager,
    known: Arc<Mutex<Table>>,
    idle: Duration,
}

impl BoundedSessions {
    pub(super) fn new(limits: &HttpLimits) -> Arc<Self> {
        let mut local = LocalSessionManager::default();
        // rmcp ends a session that only listens, too. What is idle is for this table to say.
        local.session_config.keep_alive = None;
        let idle = limits.session_idle;
        let sessions = Arc::new(Self {
            local,
            known: Arc::new(Mutex::new(Table::new(Bounds {
                all: limits.sessions,
                of_one: limits.sessions_of_one,
                awake: limits.sessions_awake,
            }))),
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

    /// Whether a session is of whoever makes the request that is being answered: then it is in use until that is answered. Another's
    /// is as unknown as one that never was.
    fn takes(&self, id: &SessionId) -> bool {
        let taken = ASKED.try_with(|asked| {
            let is_own = lock(&self.known).takes(id, &asked.owner);
            if is_own {
                lock(&asked.holds).push(self.open(id));
            }
            is_own
        });
        taken.unwrap_or(false)
    }

    /// Counts a stream, or a request, as open from now on.
    fn open(&self, id: &SessionId) -> Open {
        lock(&self.known).open(id);
        Open {
            id: id.clone(),
            known: self.known.clone(),
        }
    }

    /// Puts to sleep what is awake beyond the bound.
    async fn rest(&self) {
        let tired: Vec<_> = {
            // Held meanwhile: a request either has its session in use by then, or finds that it sleeps.
            let mut local = self.local.sessions.write().await;
            let tired = lock(&self.known).put_to_sleep();
            tired.iter().filter_map(|id| local.remove(id)).collect()
        };
        for session in tired {
            // Its end is told later, and passed over then.
            let _ = session.close().await;
        }
    }

    /// Ends what was idle for too long.
    async fn sweep(&self) {
        let over = lock(&self.known).over(self.idle);
        for id in over {
            let _ = self.local.close_session(&id).await;
        }
        self.rest().await;
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

/// A stream or a request that is open.
#[derive(Debug)]
struct Open {
    id: SessionId,
    known: Arc<Mutex<Table>>,
}

impl Drop for Open {
    fn drop(&mut self) {
        lock(&self.known).closed(&self.id);
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
        let Ok(owner) = ASKED.try_with(|asked| asked.owner.clone()) else {
            return Err(SessionError::Nobodys);
        };
        let (id, transport) = self.local.create_session().await?;
        let placed = lock(&self.known).place(&id, owner);
        match placed {
            Ok(goes) => {
                let _ = ASKED.try_with(|asked| lock(&asked.holds).push(self.open(&id)));
                if let Some(goes) = goes {
                    tracing::debug!("an idle session makes room for another");
                    let _ = self.local.close_session(&goes).await;
                }
                self.rest().await;
                Ok((id, transport))
            }
            Err(full) => {
                drop(transport);
                let _ = self.local.close_session(&id).await;
                lacking(Lack::Full);
                Err(SessionError::Full(full))
            }
        }
    }

    async fn initialize_session(
        &self,
        id: &SessionId,
        message: ClientJsonRpcMessage,
    ) -> Result<ServerJsonRpcMessage, Self::Error> {
        let _open = self.open(id);
        if let Ok(Some((session, calls))) = ASKED.try_with(|asked| lock(&asked.made).clone()) {
            lock(&self.known).begins(id, session, calls);
        }
        Ok(self.local.initialize_session(id, message).await?)
    }

    async fn has_session(&self, id: &SessionId) -> Result<bool, Self::Error> {
        if !self.takes(id) {
            lacking(Lack::Unknown);
            return Ok(false);
        }
        // One that sleeps isn't there, and is asked for at the store below; one that wakes is waited for there.
        let is_awake = lock(&self.known).is_awake(id);
        Ok(is_awake && self.local.has_session(id).await?)
    }

    async fn close_session(&self, id: &SessionId) -> Result<(), Self::Error> {
        // The server ends sessions, too, by itself.
        match ASKED.try_with(|asked| asked.owner.clone()) {
            Ok(owner) => {
                if !lock(&self.known).takes(id, &owner) {
                    lacking(Lack::Unknown);
                    return Ok(());
                }
                lock(&self.known).remove(id);
            }
            Err(_) if lock(&self.known).ended(id) => {}
            // It only went to sleep, or was removed before.
            Err(_) => return Ok(()),
        }
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
        self.local.accept_message(id, message).await?;
        lock(&self.known).accepted(id);
        Ok(())
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

    async fn restore_session(&self, id: SessionId) -> Result<RestoreOutcome<Self::Transport>, Self::Error> {
        lock(&self.known).wakes(&id);
        let restored = self.local.restore_session(id).await?;
        self.rest().await;
        Ok(restored)
    }
}

/// What a request waits for here.
type Waited<'a, T> = Pin<Box<dyn Future<Output = Result<T, SessionStoreError>> + Send + 'a>>;

/// Where rmcp looks for a session that isn't awake.
impl SessionStore for BoundedSessions {
    fn load<'life0, 'life1, 'async_trait>(&'life0 self, id: &'life1 str) -> Waited<'async_trait, Option<SessionState>>
    where
        'life0: 'async_trait,
        'life1: 'async_trait,
        Self: 'async_trait,
    {
        let id: SessionId = id.to_owned().into();
        // Whose it is was looked at before, in `has_session`.
        let found = ASKED.try_with(|asked| {
            let (hello, session) = lock(&self.known).asleep(&id, &asked.owner)?;
            *lock(&asked.woken) = Some(session);
            Some(SessionState::new(hello))
        });
        Box::pin(std::future::ready(Ok(found.ok().flatten())))
    }

    fn store<'life0, 'life1, 'life2, 'async_trait>(
        &'life0 self,
        id: &'life1 str,
        state: &'life2 SessionState,
    ) -> Waited<'async_trait, ()>
    where
        'life0: 'async_trait,
        'life1: 'async_trait,
        'life2: 'async_trait,
        Self: 'async_trait,
    {
        lock(&self.known).note(&id.to_owned().into(), &state.initialize_params);
        Box::pin(std::future::ready(Ok(())))
    }

    fn delete<'life0, 'life1, 'async_trait>(&'life0 self, _: &'life1 str) -> Waited<'async_trait, ()>
    where
        'life0: 'async_trait,
        'life1: 'async_trait,
        Self: 'async_trait,
    {
        // It was removed when the session was closed.
        Box::pin(std::future::ready(Ok(())))
    }
}
