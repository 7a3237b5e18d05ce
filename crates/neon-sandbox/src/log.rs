//! The requests that the API received, for tests and for people.

use std::collections::{BTreeMap, VecDeque};

use http::{HeaderMap, header::AUTHORIZATION};
use serde::Serialize;
use serde_json::Value;

use super::clock::Timestamp;

/// Requests that are kept; older ones are forgotten.
const CAP: usize = 10_000;

/// The longest body that is kept, in bytes; of longer ones only the length is.
const MAX_BODY: usize = 256 * 1024;

/// A request that the API received.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct LoggedRequest {
    /// Counts up from 1.
    pub(crate) number: u64,
    pub(crate) at: Timestamp,
    pub(crate) method: String,
    /// Below `/api/v2`, as it was sent.
    pub(crate) path: String,
    pub(crate) query: Option<String>,
    pub(crate) request_id: String,
    /// Neon's operationId, when the sandbox serves the route.
    pub(crate) operation: Option<&'static str>,
    pub(crate) headers: BTreeMap<String, String>,
    /// JSON where it is JSON, else a text; null when there is none.
    pub(crate) body: Value,
    /// The status that was answered; null while it isn't, or when the connection was reset.
    pub(crate) status: Option<u16>,
}

/// The requests that the API received.
#[derive(Debug, Default)]
pub(crate) struct RequestLog {
    entries: VecDeque<LoggedRequest>,
    last_number: u64,
}

impl RequestLog {
    /// Notes a request and returns its number.
    pub(crate) fn record(&mut self, mut entry: LoggedRequest) -> u64 {
        self.last_number += 1;
        entry.number = self.last_number;
        if self.entries.len() >= CAP {
            self.entries.pop_front();
        }
        self.entries.push_back(entry);
        self.last_number
    }

    /// Notes what a request was answered.
    pub(crate) fn answered(&mut self, number: u64, status: u16) {
        if let Some(entry) = self.entries.iter_mut().rev().find(|entry| entry.number == number) {
            entry.status = Some(status);
        }
    }

    pub(crate) fn entries(&self) -> impl Iterator<Item = &LoggedRequest> {
        self.entries.iter()
    }

    pub(crate) fn clear(&mut self) {
        self.entries.clear();
    }
}

/// The headers as text, without the one that carries the key.
pub(crate) fn headers_without_key(headers: &HeaderMap) -> BTreeMap<String, String> {
    headers
        .iter()
        .filter(|(name, _)| *name != AUTHORIZATION)
        .map(|(name, value)| (name.to_string(), String::from_utf8_lossy(value.as_bytes()).into_owned()))
        .collect()
}

/// A body as it is shown.
pub(crate) fn shown_body(body: &[u8]) -> Value {
    if body.is_empty() {
        return Value::Null;
    }
    if body.len() > MAX_BODY {
        return Value::String(format!("({} bytes)", body.len()));
    }
    serde_json::from_slice(body).unwrap_or_else(|_| Value::String(String::from_utf8_lossy(body).into_owned()))
}
