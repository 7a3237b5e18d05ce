//! What holds for a project whether it is made or changed.

use crate::error::ApiError;

/// What Neon says to a personal key that lists or makes projects without saying whose: such a key reaches several organizations.
pub(crate) const ORG_ID_REQUIRED: &str =
    "org_id is required with a personal API key; GET /users/me/organizations lists yours";

/// Refuses a history window that doesn't exist, or that the plan hasn't.
pub(crate) fn check_retention(seconds: i64, most: i64) -> Result<(), ApiError> {
    if !(0..=2_592_000).contains(&seconds) {
        return Err(ApiError::bad_request(
            "history_retention_seconds must lie between 0 and 2592000",
        ));
    }
    if seconds > most {
        return Err(ApiError::refused(format!(
            "the plan keeps at most {most} seconds of history"
        )));
    }
    Ok(())
}
