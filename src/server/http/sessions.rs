//! Sessions within bounds: how many there are, in all and of one caller, how long an unused one lasts, and what it costs meanwhile.
//!
//! A session of rmcp's costs some 80 kB (its channels take 32 messages each, whatever they are told), and whoever reaches the port can
//! open one with a single request. So only some that are idle are kept awake. Of the others what the client said of itself is kept, and
//! its next request wakes the session: the server shakes hands with itself again in the client's place, which notices nothing.
//!
//! rmcp can wake sessions, too, from a store that it is given, but a request that comes at the wrong moment finds a session that is
//! neither in the store nor awake, and one that breaks off meanwhile leaves it half awake. Here a task of its own wakes a session, and
//! whatever comes meanwhile waits for its end.

mod table;

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, OnceLock, PoisonError, Weak};
use std::task::{Context, Poll};
use std::time::Duration;

use futures::Stream;
use rmcp::model::{
    ClientJsonRpcMessage, ClientNotification, ClientRequest, InitializeRequest, InitializedNotification,
    NumberOrString, ServerJsonRpcMessage,
};
use rmcp::service::serve_server_with_ct;
use rmcp::transport::TransportAdapterIdentity;
use rmcp::transport::streamable_http_server::session::local::{LocalSessionManager, LocalSessionManagerError};
use rmcp::transport::streamable_http_server::session::{RestoreOutcome, ServerSseMessage, SessionId, SessionManager};
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;

pub(super) use table::Owner;
use table::{Bounds, Table, Waking, Whether};

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
    /// What was made for the session that it opens.
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
        made: Mutex::default(),
        holds: Mutex::default(),
    });
    let answer = ASKED.scope(asked.clone(), answering).await;
    (answer, asked.lack.get().copied())
}

/// Notes the server for the session that the request opens.
pub(super) fn opened(server: &NeonServer) {
    let made = (server.session().clone(), server.running_calls().clone());
    let _ = ASKED.try_with(|asked| *lock(&asked.made) = Some(made));
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Notes which session the request lacks that is being answered.
fn lacking(lack: Lack) {
    let _ = ASKED.try_with(|asked| asked.lack.set(lack));
}

/// Notes that the session ended after it was looked for.
fn lost(error: LocalSessionManagerError) -> LocalSessionManagerError {
    use rmcp::transport::streamable_http_server::session::local::SessionError as Ended;
    let is_over = match &error {
        LocalSessionManagerError::SessionNotFound(_) => true,
        LocalSessionManagerError::SessionError(why) => {
            matches!(why, Ended::ChannelClosed(_) | Ended::SessionServiceTerminated)
        }
        _ => false,
    };
    if is_over {
        lacking(Lack::Unknown);
    }
    error
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
    /// A session that slept didn't begin again.
    #[error("the session didn't wake")]
    NotWoken,
    /// What rmcp says.
    #[error(transparent)]
    Local(#[from] LocalSessionManagerError),
}

/// Makes the server of a session.
type MakeServer = Box<dyn Fn() -> NeonServer + Send + Sync>;

/// rmcp's sessions, within bounds.
pub(super) struct BoundedSessions {
    /// Itself, for the tasks that wake sessions.
    this: Weak<Self>,
    local: LocalSessionManager,
    known: Arc<Mutex<Table>>,
    idle: Duration,
    server: MakeServer,
    /// Ends all sessions.
    end: CancellationToken,
}

impl BoundedSessions {
    pub(super) fn new(limits: &HttpLimits, server: MakeServer, end: CancellationToken) -> Arc<Self> {
        let mut local = LocalSessionManager::default();
        // rmcp ends a session that only listens, too. What is idle is for this table to say.
        local.session_config.keep_alive = None;
        let idle = limits.session_idle;
        let sessions = Arc::new_cyclic(|this| Self {
            this: this.clone(),
            local,
            known: Arc::new(Mutex::new(Table::new(Bounds {
                all: limits.sessions,
                of_one: limits.sessions_of_one,
                awake: limits.sessions_awake,
            }))),
            idle,
            server,
            end,
        });
        let open = Arc::downgrade(&sessions.known);
        let count = move || open.upgrade().map_or(0, |open| lock(&open).len() as u64);
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

    /// Wakes a session that sleeps. Whoever breaks off doesn't end that: others may wait for it.
    fn wake(&self, id: &SessionId, waking: Waking) {
        let Some(sessions) = self.this.upgrade() else { return };
        let (id, end) = (id.clone(), self.end.clone());
        tokio::spawn(async move {
            let waking = waking;
            match end.run_until_cancelled(sessions.begin_again(&id, &waking)).await {
                Some(Ok(())) if lock(&sessions.known).woke(&id) => {}
                Some(Ok(())) => {
                    tracing::debug!("a session was ended while it woke");
                    let _ = sessions.local.close_session(&id).await;
                }
                failed => {
                    tracing::warn!("a session that slept is over, since it can't be woken: {failed:?}");
                    lock(&sessions.known).remove(&id);
                    let _ = sessions.local.close_session(&id).await;
                }
            }
            // Those that wait look again.
            drop(waking);
            sessions.rest().await;
        });
    }

    /// Opens a session at rmcp once more, with what its client said when it opened it.
    async fn begin_again(&self, id: &SessionId, waking: &Waking) -> Result<(), SessionError> {
        let server = (self.server)().in_session(waking.session.clone());
        lock(&self.known).begins(id, waking.session.clone(), server.running_calls().clone());
        let RestoreOutcome::Restored(transport) = self.local.restore_session(id.clone()).await? else {
            return Err(SessionError::NotWoken);
        };
        let (ready, is_ready) = oneshot::channel();
        let (sessions, ended, end) = (self.this.clone(), id.clone(), self.end.child_token());
        tokio::spawn(async move {
            match serve_server_with_ct::<_, _, _, TransportAdapterIdentity>(server, transport, end).await {
                Ok(running) => {
                    let _ = ready.send(());
                    let _ = running.waiting().await;
                }
                // Told by `ready`, which is dropped.
                Err(error) => tracing::debug!("a session doesn't wake: {error}"),
            }
            if let Some(sessions) = sessions.upgrade() {
                let _ = sessions.close_session(&ended).await;
            }
        });
        let hello = ClientRequest::InitializeRequest(InitializeRequest::new(waking.hello.clone()));
        let hello = ClientJsonRpcMessage::request(hello, NumberOrString::Number(0));
        self.local.initialize_session(id, hello).await?;
        let shaken = ClientNotification::InitializedNotification(InitializedNotification::default());
        let shaken = ClientJsonRpcMessage::notification(shaken);
        self.local.accept_message(id, shaken).await?;
        is_ready.await.map_err(|_| SessionError::NotWoken)
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

impl std::fmt::Debug for BoundedSessions {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("BoundedSessions")
            .field("known", &self.known)
            .field("idle", &self.idle)
            .finish_non_exhaustive()
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
        let hello = match &message {
            ClientJsonRpcMessage::Request(asked) => match &asked.request {
                ClientRequest::InitializeRequest(hello) => Some(hello.params.clone()),
                _ => None,
            },
            _ => None,
        };
        if let Ok(Some((session, calls))) = ASKED.try_with(|asked| lock(&asked.made).clone()) {
            lock(&self.known).begins(id, session, calls);
        }
        let answer = self.local.initialize_session(id, message).await?;
        if let Some(hello) = hello {
            lock(&self.known).note(id, &hello);
        }
        Ok(answer)
    }

    async fn has_session(&self, id: &SessionId) -> Result<bool, Self::Error> {
        if !self.takes(id) {
            lacking(Lack::Unknown);
            return Ok(false);
        }
        loop {
            let whether = lock(&self.known).whether(id);
            match whether {
                Whether::Awake => return Ok(self.local.has_session(id).await?),
                Whether::Asleep(waking) => self.wake(id, *waking),
                // An error says that the other end is gone, which is how it ends.
                Whether::Waking(mut others) => _ = others.changed().await,
                Whether::Gone => {
                    lacking(Lack::Unknown);
                    return Ok(false);
                }
            }
        }
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
        let stream = self.local.create_stream(id, message).await.map_err(lost)?;
        Ok(Counted {
            stream: Box::pin(stream),
            _open: open,
        })
    }

    async fn accept_message(&self, id: &SessionId, message: ClientJsonRpcMessage) -> Result<(), Self::Error> {
        Ok(self.local.accept_message(id, message).await.map_err(lost)?)
    }

    async fn create_standalone_stream(
        &self,
        id: &SessionId,
    ) -> Result<impl Stream<Item = ServerSseMessage> + Send + Sync + 'static, Self::Error> {
        let open = self.open(id);
        let stream = self.local.create_standalone_stream(id).await.map_err(lost)?;
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
        let stream = self.local.resume(id, last_event_id).await.map_err(lost)?;
        Ok(Counted {
            stream: Box::pin(stream),
            _open: open,
        })
    }
}
