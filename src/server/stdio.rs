//! Serving one client over standard input and output.
//!
//! ```no_run
//! use neon_mcp::engine::Engine;
//! use neon_mcp::server::{NeonServer, stdio};
//! use tokio_util::sync::CancellationToken;
//!
//! /// Serves the one client that started this process.
//! async fn serve(engine: Engine) -> Result<(), stdio::StdioError> {
//!     stdio::serve(NeonServer::new(engine), CancellationToken::new()).await
//! }
//! ```

mod lines;

use std::sync::Arc;
use std::time::{Duration, Instant};

use rmcp::model::{ClientRequest, GetMeta as _, JsonRpcMessage};
use rmcp::service::{RxJsonRpcMessage, TxJsonRpcMessage};
use rmcp::transport::Transport;
use rmcp::transport::async_rw::AsyncRwTransport;
use rmcp::transport::io::{StdioReader, StdioWriter, stdio_pipes};
use rmcp::{RoleServer, ServiceExt as _};
use tokio::io::{AsyncWriteExt as _, Sink, sink};
use tokio::sync::Mutex;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio_util::sync::CancellationToken;

use self::lines::{Lines, MAX_LINE_BYTES};

use super::handler::NeonServer;
use super::messages::{self, Refused};

/// Why serving ended badly.
#[derive(Debug, thiserror::Error)]
pub enum StdioError {
    /// The first message wasn't one of MCP's.
    #[error("the client didn't speak MCP: {0}")]
    Handshake(String),
    /// The serving task ended in a panic or was aborted.
    #[error("serving ended unexpectedly: {0}")]
    WorkflowOutput(#[from] tokio::task::JoinError),
}

/// How long running calls have to end after the client closed its end: those of a client that has sent all that it wants to know,
/// and only reads on, but no longer than a client waits for the end of a server that it has done with.
const LAST_ANSWERS: Duration = Duration::from_millis(600);

/// How long they have where they get on: that time begins anew with each answer that they get. The official SDKs wait for two
/// seconds for a server's end before they send a signal.
const MAX_LAST_ANSWERS: Duration = Duration::from_millis(1_700);

/// How often it is looked at whether they get on.
const LOOK: Duration = Duration::from_millis(20);

/// Serves until the client closes its end, or `stop` is cancelled.
///
/// # Errors
/// When the client's first message isn't MCP's. A client that leaves before it says anything is no error.
pub async fn serve(server: NeonServer, stop: CancellationToken) -> Result<(), StdioError> {
    let left = CancellationToken::new();
    let engine = server.engine().clone();
    let serving = server.serve_with_ct(Answering::new(stdio_pipes(), left.clone()), stop.clone());
    let running = match serving.await {
        Ok(running) => running,
        Err(
            rmcp::service::ServerInitializeError::ConnectionClosed(_) | rmcp::service::ServerInitializeError::Cancelled,
        ) => {
            return Ok(());
        }
        Err(error) => return Err(StdioError::Handshake(error.to_string())),
    };
    // rmcp waits for running calls for five seconds: too long for whoever waits for our end.
    let late = tokio::spawn(async move {
        left.cancelled().await;
        let end = Instant::now() + MAX_LAST_ANSWERS;
        let (mut heard, mut since) = (engine.heard(), Instant::now());
        while since.elapsed() < LAST_ANSWERS && Instant::now() < end {
            tokio::time::sleep(LOOK).await;
            if engine.heard() != heard {
                (heard, since) = (engine.heard(), Instant::now());
            }
        }
        stop.cancel();
    });
    let ended = running.waiting().await;
    late.abort();
    ended?;
    Ok(())
}

/// rmcp's transport over lines, which answers those that are left out.
struct Answering {
    /// Only read from: what rmcp would write by itself is a complaint about an answer or a notification, neither of which is ever
    /// answered (JSON-RPC 2.0, section 4.1).
    lines: AsyncRwTransport<RoleServer, Lines<StdioReader>, Sink>,
    /// Nothing once it is closed.
    output: Arc<Mutex<Option<StdioWriter>>>,
    left_out: UnboundedReceiver<Refused>,
    /// Whether the client has asked for anything that opens a session.
    begun: bool,
    /// Cancelled when the client has closed its end.
    left: CancellationToken,
}

impl Answering {
    fn new((reader, writer): (StdioReader, StdioWriter), left: CancellationToken) -> Self {
        let (send, left_out) = unbounded_channel();
        let lines = Lines::new(reader, MAX_LINE_BYTES, send);
        Self {
            // The lines are bounded already.
            lines: AsyncRwTransport::new_server(lines, sink()).with_max_line_length(usize::MAX),
            output: Arc::new(Mutex::new(Some(writer))),
            left_out,
            begun: false,
            left,
        }
    }
}

impl Transport<RoleServer> for Answering {
    type Error = std::io::Error;

    fn send(
        &mut self,
        item: TxJsonRpcMessage<RoleServer>,
    ) -> impl Future<Output = Result<(), Self::Error>> + Send + 'static {
        let output = self.output.clone();
        async move {
            let mut line = messages::written(&item)?;
            line.push(b'\n');
            let mut output = output.lock().await;
            let output = output.as_mut().ok_or(std::io::ErrorKind::NotConnected)?;
            output.write_all(&line).await?;
            output.flush().await
        }
    }

    async fn receive(&mut self) -> Option<RxJsonRpcMessage<RoleServer>> {
        loop {
            let left_out = tokio::select! {
                biased;
                Some(left_out) = self.left_out.recv() => left_out,
                message = self.lines.receive() => match message {
                    // rmcp ends where anything else than a request comes first. It is nobody's: nothing was asked for yet.
                    Some(message) if !self.begun && !matches!(message, JsonRpcMessage::Request(_)) => {
                        tracing::debug!("a notification or an answer before the first request is left out");
                        continue;
                    }
                    Some(JsonRpcMessage::Request(request)) => {
                        self.begun |= opens(&request.request);
                        return Some(JsonRpcMessage::Request(request));
                    }
                    message => {
                        if message.is_none() {
                            self.left.cancel();
                        }
                        return message;
                    }
                },
            };
            let answer = JsonRpcMessage::error(left_out.error, left_out.id);
            // By itself: whoever stops waiting for the next message must not cut an answer in two.
            tokio::spawn(self.send(answer));
        }
    }

    async fn close(&mut self) -> Result<(), Self::Error> {
        self.output.lock().await.take();
        Ok(())
    }
}

/// Whether a request opens a session: the handshake, or one that says by itself which protocol it speaks.
fn opens(request: &ClientRequest) -> bool {
    const VERSION: &str = "io.modelcontextprotocol/protocolVersion";
    matches!(request, ClientRequest::InitializeRequest(_)) || request.get_meta().contains_key(VERSION)
}
