//! Bounds on what clients may hold of the server.

use std::time::Duration;

/// Bounds on what clients may hold of the server, each of which costs it memory.
#[derive(Debug, Clone)]
pub struct HttpLimits {
    /// Sessions in all. Default 1,000: some 90 MB.
    pub sessions: usize,
    /// Sessions that were opened from one address. Default 1,000: on loopback, all come from one as a rule.
    pub sessions_of_one: usize,
    /// How long a session lasts that has no open stream and gets no request. Default 12 hours: a client may be left alone over a
    /// long lunch, and how many there may be is bounded by itself.
    pub session_idle: Duration,
    /// Connections in all. Default 1,500.
    pub connections: usize,
    /// Connections from one address. Default 1,200.
    pub connections_of_one: usize,
    /// How long a connection has for the head of a request, counted from its start or from the last answer. Default 30 seconds.
    pub head: Duration,
    /// How long a request has for its body after that. Default 30 seconds.
    pub body: Duration,
}

impl Default for HttpLimits {
    fn default() -> Self {
        Self {
            sessions: 1_000,
            sessions_of_one: 1_000,
            session_idle: Duration::from_secs(12 * 3_600),
            connections: 1_500,
            connections_of_one: 1_200,
            head: Duration::from_secs(30),
            body: Duration::from_secs(30),
        }
    }
}
