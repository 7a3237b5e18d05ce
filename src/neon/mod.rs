//! The shared client of Neon's API: credentials, limits, retries, errors, pages and operations. It knows HTTP and nothing of MCP.
//!
//! Two ways lead out: [`Client::read`] for what is proven to be a GET, and [`Client::send`] for what the guard has let
//! through.

pub mod base;
pub mod client;
mod config;
mod context;
pub mod credential;
pub mod error;
mod error_body;
mod exchange;
mod form;
pub mod identity;
pub mod ids;
pub mod limits;
pub mod operations;
pub mod pages;
mod poll;
mod report;
pub mod request;
pub mod retry;
pub mod segment;
pub mod sql;

pub use crate::text;

pub use base::{ApiBase, DEFAULT_BASE, InvalidBase};
pub use client::{Answer, Client};
pub use config::ClientConfig;
pub use context::Context;
pub use credential::{Credential, InvalidCredential};
pub use error::{Changed, Error, ErrorKind};
pub use form::{Content, FilePart};
pub use identity::{KeyKind, key_kind};
pub use ids::{BranchId, EndpointId, ID_PATTERN, InvalidId, OperationId, OrganizationId, ProjectId, SnapshotId};
pub use limits::{Lane, LimitSettings, Rate, RateLimits};
pub use operations::{Ending, OperationState, OperationStatus, Outcome};
pub use pages::{CursorPlace, PageLimit, Paging};
pub use poll::PollPolicy;
pub use request::{Method, Read, Request, RequestError};
pub use retry::RetryPolicy;
pub use segment::{PathSegment, SegmentError};
