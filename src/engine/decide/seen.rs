//! A branch as bounds look at it.

use crate::engine::error::Failure;
use crate::engine::snapshot::unread;
use crate::guard::{BranchSeen, Policy};
use crate::neon::views::Branch;

/// What the bounds are by.
pub(in crate::engine) fn seen(policy: &Policy, branch: Branch<'_>) -> Result<BranchSeen, Failure> {
    let name = branch.name().map_err(unread)?.to_owned();
    Ok(BranchSeen {
        id: branch.id().map_err(unread)?.to_string(),
        protected: branch.is_protected() || policy.protects(&name),
        default: branch.is_default(),
        name,
    })
}
