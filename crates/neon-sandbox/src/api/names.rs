//! Names of roles and databases: what Postgres and Neon take.

use crate::error::ApiError;

/// The longest name that Postgres keeps, in bytes.
const LONGEST: usize = 63;

/// Role names that belong to the system.
const RESERVED_ROLES: [&str; 5] = ["neon_superuser", "cloud_admin", "zenith_admin", "public", "none"];

/// Database names that belong to the system.
const RESERVED_DATABASES: [&str; 3] = ["postgres", "template0", "template1"];

/// Refuses a name that a role cannot have.
pub(crate) fn check_role(name: &str) -> Result<(), ApiError> {
    check("role", name)?;
    if name.starts_with("pg_") || RESERVED_ROLES.contains(&name) {
        return Err(ApiError::refused(format!("the role name {name:?} is reserved")));
    }
    Ok(())
}

/// Refuses a name that a database cannot have.
pub(crate) fn check_database(name: &str) -> Result<(), ApiError> {
    check("database", name)?;
    if RESERVED_DATABASES.contains(&name) {
        return Err(ApiError::refused(format!("the database name {name:?} is reserved")));
    }
    Ok(())
}

fn check(what: &str, name: &str) -> Result<(), ApiError> {
    if !(1..=LONGEST).contains(&name.len()) {
        return Err(ApiError::bad_request(format!("a {what} name has 1 to {LONGEST} bytes")));
    }
    if name.chars().any(char::is_control) {
        return Err(ApiError::bad_request(format!(
            "a {what} name has no control characters"
        )));
    }
    Ok(())
}
