//! A statement as it is sent, and where it goes.

use std::fmt;
use std::time::Duration;

use secrecy::SecretString;
use serde_json::{Map, Value};

use super::address::SqlAddress;
use crate::neon::ids::{BranchId, EndpointId, ProjectId};

/// The largest answer that is read, in bytes. Neon's proxy itself refuses larger ones than 10 MiB.
pub const MAX_ANSWER: usize = 11 * 1024 * 1024;

/// The largest request that is sent, in bytes: Neon's proxy refuses larger ones.
pub const MAX_REQUEST: usize = 10 * 1024 * 1024;

/// One statement and its parameters.
#[derive(Clone, Debug, PartialEq)]
pub struct Query {
    /// The statement, without parameters in it.
    pub sql: String,
    /// What `$1`, `$2`, … stand for.
    pub parameters: Vec<Value>,
}

impl Query {
    /// A statement without parameters.
    pub fn plain(sql: impl Into<String>) -> Self {
        Self {
            sql: sql.into(),
            parameters: Vec::new(),
        }
    }

    /// A statement with parameters.
    pub fn new(sql: impl Into<String>, parameters: Vec<Value>) -> Self {
        Self {
            sql: sql.into(),
            parameters,
        }
    }
}

/// How the statements of a batch see others' changes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Isolation {
    /// Each statement sees what was committed before it.
    #[default]
    ReadCommitted,
    /// All see the same.
    RepeatableRead,
    /// As if no other transaction ran beside it.
    Serializable,
}

impl Isolation {
    pub(in crate::neon::sql) fn name(self) -> &'static str {
        match self {
            Self::ReadCommitted => "ReadCommitted",
            Self::RepeatableRead => "RepeatableRead",
            Self::Serializable => "Serializable",
        }
    }
}

/// The branch that statements are meant for: the database says whether it is that one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// The project's id.
    pub project: ProjectId,
    /// The branch's id.
    pub branch: BranchId,
    /// The compute's id, where the host names one.
    pub endpoint: Option<EndpointId>,
}

/// Who connects to which database where. `Debug` shows no password.
#[derive(Clone)]
pub struct Connection {
    /// Where the statements go.
    pub address: SqlAddress,
    /// The connection string, which holds the role's password.
    pub string: SecretString,
    /// The database.
    pub database: String,
    /// The role.
    pub role: String,
    /// The branch that is meant.
    pub identity: Identity,
    /// The operator bounds roles: nothing may act for another one than this.
    pub holds_role: bool,
    /// Neon said so just now: what was kept for a while may lead elsewhere meanwhile.
    pub fresh: bool,
}

impl fmt::Debug for Connection {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Connection")
            .field("address", &self.address)
            .field("database", &self.database)
            .field("role", &self.role)
            .field("identity", &self.identity)
            .finish_non_exhaustive()
    }
}

/// A time as Postgres' settings take it; at least a millisecond, since 0 means without end.
pub(super) fn milliseconds(time: Duration) -> String {
    time.as_millis().max(1).to_string()
}

/// A time that may be none: 0.
pub(super) fn milliseconds_or_none(time: Duration) -> String {
    time.as_millis().to_string()
}

pub(super) fn query_body(query: &Query) -> Value {
    let mut body = Map::new();
    body.insert("query".into(), query.sql.as_str().into());
    body.insert("params".into(), query.parameters.clone().into());
    Value::Object(body)
}
