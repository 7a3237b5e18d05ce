//! The shared client of Neon's API: credentials, limits, retries, errors, pages and operations. It knows HTTP and nothing of MCP.
//!
//! Two ways lead out: [`Client::read`] for what is proven to be a GET, and [`Client::send`] for what the guard has let
//! through.
//!
//! ```
//! use neon_mcp::base_url::BaseUrl;
//! use neon_mcp::neon::{BranchId, Client, ClientConfig, Credential};
//!
//! let base = BaseUrl::parse("https://console.neon.tech/api/v2")?;
//! // Nothing is sent by making a client.
//! let client = Client::new(ClientConfig::new(base, Credential::new("a-key".to_owned())?));
//! assert!(!format!("{client:?}").contains("a-key"));
//! // An id is one segment of a path, or none.
//! assert!(BranchId::parse("br-main-1234").is_ok());
//! assert!(BranchId::parse("br-main/../other").is_err());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod attempt;
pub mod base;
pub mod client;
mod config;
mod context;
pub mod credential;
mod credential_source;
pub mod error;
mod error_body;
mod error_mapping;
mod form;
pub mod identity;
pub mod ids;
pub mod limits;
pub mod operations;
pub mod pages;
pub mod path_segment;
mod poll;
pub mod request;
pub mod retry;
pub mod sql;
pub mod views;

pub use crate::text;

pub use base::{DEFAULT_BASE, api_base};
pub use client::{Answer, Client};
pub use config::ClientConfig;
pub use context::Context;
pub use credential::{Credential, InvalidCredential};
pub use credential_source::{Bearer, CredentialSource, NoCredential};
pub use error::{Changed, Error, ErrorKind};
pub use form::{Content, FilePart};
pub use identity::{AccountInfo, KeyKind, Person, account, is_api_key, key_kind};
pub(crate) use ids::is_id;
pub use ids::{AnyId, BranchId, EndpointId, ID_PATTERN, InvalidId, OperationId, OrganizationId, ProjectId, SnapshotId};
pub use limits::{BudgetAway, FairQueue, LimitSettings, Rate, RateLimits, SharedBudget, SharedTurn};
pub use operations::{Ending, OperationState, OperationStatus, Outcome};
pub use pages::{CursorPlace, PageLimit, Paging};
pub use path_segment::{PathSegment, SegmentError};
pub use poll::PollPolicy;
pub use request::{Method, Read, Request, RequestError};
pub use retry::RetryPolicy;
pub use views::OddAnswer;
