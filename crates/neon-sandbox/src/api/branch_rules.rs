//! What holds for a branch whether it is made or changed.

use std::collections::BTreeMap;

use chrono::TimeDelta;

use crate::{
    call::parse_moment,
    clock::Timestamp,
    error::ApiError,
    state::{branch::Expiry, change::Change},
};

/// The longest time that a branch can be set to expire in.
const MAX_TTL_DAYS: i64 = 30;

/// Labels that a branch can have.
const MAX_ANNOTATIONS: usize = 50;

/// Labels within their number.
pub(crate) fn check_annotation(value: BTreeMap<String, String>) -> Result<BTreeMap<String, String>, ApiError> {
    if value.len() > MAX_ANNOTATIONS {
        return Err(ApiError::bad_request(format!(
            "a branch has at most {MAX_ANNOTATIONS} annotations"
        )));
    }
    Ok(value)
}

/// When a branch is to expire: in the future, and not too far ahead.
pub(crate) fn read_expiry(text: &str, now: Timestamp) -> Result<Expiry, ApiError> {
    let at = parse_moment("expires_at", text)?;
    if at <= now {
        return Err(ApiError::bad_request("expires_at must lie in the future"));
    }
    if at > now + TimeDelta::days(MAX_TTL_DAYS) {
        return Err(ApiError::bad_request(format!(
            "expires_at must lie within {MAX_TTL_DAYS} days"
        )));
    }
    Ok(Expiry::new(now, at))
}

/// Refuses another protected branch where the plan has no room for one.
pub(crate) fn check_protection(change: &Change<'_>) -> Result<(), ApiError> {
    let limit = change.limits.protected_branches;
    if limit == 0 {
        return Err(ApiError::refused("protected branches need a paid plan"));
    }
    let protected = change.project.live_branches().filter(|branch| branch.protected).count();
    if protected >= limit {
        return Err(ApiError::limit(
            "BRANCHES_PROTECTED_LIMIT_EXCEEDED",
            format!("the plan allows {limit} protected branches in a project"),
        ));
    }
    Ok(())
}
