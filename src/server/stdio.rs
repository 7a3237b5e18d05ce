//! Serving one client over standard input and output.

use rmcp::ServiceExt as _;
use rmcp::transport::io::stdio_pipes;
use tokio_util::sync::CancellationToken;

use super::handler::NeonServer;

/// Why serving ended badly.
#[derive(Debug, thiserror::Error)]
pub enum StdioError {
    /// The first message wasn't one of MCP's.
    #[error("the client didn't speak MCP: {0}")]
    Handshake(String),
    /// The serving task ended in a panic or was aborted.
    #[error("serving ended unexpectedly: {0}")]
    Ended(#[from] tokio::task::JoinError),
}

/// Serves until the client closes its end, or `stop` is cancelled.
///
/// # Errors
/// When the client's first message isn't MCP's. A client that leaves before it says anything is no error.
pub async fn serve(server: NeonServer, stop: CancellationToken) -> Result<(), StdioError> {
    let serving = server.serve_with_ct(stdio_pipes(), stop);
    let running = match serving.await {
        Ok(running) => running,
        Err(
            rmcp::service::ServerInitializeError::ConnectionClosed(_) | rmcp::service::ServerInitializeError::Cancelled,
        ) => {
            return Ok(());
        }
        Err(error) => return Err(StdioError::Handshake(error.to_string())),
    };
    running.waiting().await?;
    Ok(())
}
