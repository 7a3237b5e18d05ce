//! Calls that wait for a human's approval outside the MCP client: in a terminal, or on the approval page.
//!
//! The server puts a call down, a human decides it, the server takes the decision once. What they share is a directory
//! that only its owner can read, so that they may be different processes. A decision alone allows nothing: what was put
//! down carries the server's seal, which says for what it counts ([`crate::guard::ApprovalFlow`]).

mod people;
mod store;
mod types;

pub(super) use people::SignedInBefore;
pub use store::Approvals;
pub(super) use store::{FromPage, Proof};
pub(in crate::guard) use types::MAX_CALLER;
pub use types::{
    Approval, ApprovalsError, DecideError, DecidedBy, Decider, Decision, MAX_OF_GROUP, MAX_OF_ONE, MAX_WAITING,
    NewApproval, PersonDigest, Standing, State, TypedName,
};
