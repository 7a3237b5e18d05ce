//! A branch as bounds look at it.

use serde_json::Value;

use crate::engine::error::Failure;
use crate::engine::snapshot::{flags, string};
use crate::guard::{BranchSeen, Policy};

/// What the bounds are by.
pub(in crate::engine) fn seen(policy: &Policy, branch: &Value) -> Result<BranchSeen, Failure> {
    let name = string(branch, "/name")?;
    let (default, protected) = flags(branch);
    Ok(BranchSeen {
        id: string(branch, "/id")?,
        protected: protected || policy.protects(&name),
        default,
        name,
    })
}
