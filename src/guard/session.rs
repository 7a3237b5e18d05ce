//! Whose call it is, as the server itself knows it: what a client says of itself proves nothing.

use super::shown::hex;

/// The caller's session. An approval is found again by it, or by the random that was handed out with the question.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Session {
    /// A process that serves one caller, with a random of its own: stdio, and the command line.
    Process(String),
    /// A session of MCP over HTTP (up to 2025-11-25), with a random that the server made for it.
    Mcp(String),
    /// A request that stands alone (MCP 2026-07-28 over HTTP): only what it gives back tells whose it is.
    Stateless,
}

impl Session {
    /// A session of this process.
    #[must_use]
    pub fn of_process() -> Self {
        Self::Process(random_id())
    }

    /// A session of MCP over HTTP.
    #[must_use]
    pub fn of_mcp() -> Self {
        Self::Mcp(random_id())
    }

    /// What tells it from others, where something does.
    #[must_use]
    pub fn id(&self) -> Option<&str> {
        match self {
            Self::Process(id) | Self::Mcp(id) => Some(id),
            Self::Stateless => None,
        }
    }
}

/// 128 random bits, in hexadecimal digits.
pub(super) fn random_id() -> String {
    let random: [u8; 16] = rand::random();
    hex(&random)
}
