//! Placeholder until the store lands.
use std::path::PathBuf;
use chrono::{DateTime, Utc};
use thiserror::Error;
/// x
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TypedName { /// x
 pub what: String, /// x
 pub name: String }
impl TypedName { /// x
 #[must_use] pub fn matches(&self, typed: &str) -> bool { typed.trim() == self.name.trim() } }
/// x
#[derive(Debug, Clone)] #[allow(missing_docs)]
pub struct NewApproval { pub token: String, pub call: String, pub tool: String, pub effect: String, pub severe: bool, pub plan: serde_json::Value, pub text: String, pub type_name: Option<TypedName>, pub caller: String, pub client: Option<String>, pub asked_at: DateTime<Utc>, pub expires_at: DateTime<Utc>, pub approval_seconds: u64, pub page_secret: Option<String> }
/// x
#[derive(Debug, Clone)] #[allow(missing_docs)]
pub struct Approval { pub code: String, pub token: String, pub asked_at: DateTime<Utc>, pub expires_at: DateTime<Utc>, pub state: State }
/// x
#[derive(Debug, Clone)] #[allow(missing_docs)]
pub enum State { Waiting, Approved { at: DateTime<Utc>, by: String, until: DateTime<Utc> }, Refused { at: DateTime<Utc>, by: String } }
/// x
#[derive(Debug, Clone)] #[allow(missing_docs)]
pub enum Decision { Refuse }
/// x
#[derive(Debug, Error)] #[error("x")]
pub struct DecideError;
/// x
#[derive(Debug, Error)] #[error("x")]
pub struct ApprovalsError;
/// x
#[derive(Debug)]
pub struct Approvals {}
#[allow(missing_docs, clippy::missing_errors_doc)]
impl Approvals {
 pub fn new(_d: PathBuf) -> Self { Self {} }
 pub fn add(&self, _n: NewApproval) -> Result<Approval, ApprovalsError> { Err(ApprovalsError) }
 pub fn find(&self, _c: &str) -> Result<Vec<Approval>, ApprovalsError> { Ok(vec![]) }
 pub fn take(&self, _c: &str) -> Result<Option<Approval>, ApprovalsError> { Ok(None) }
 pub fn redeem(&self, _n: &str, _u: DateTime<Utc>) -> Result<bool, ApprovalsError> { Ok(true) }
}
