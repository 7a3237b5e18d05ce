//! The user that servers run as: PostgreSQL refuses root.

use std::fs;

use crate::{LocalPostgresError, plain};

/// Who may run it when we are root, in order of preference: PostgreSQL refuses root.
const USERS: [&str; 2] = ["postgres", "nobody"];

/// A user of the operating system.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Owner {
    /// Its number.
    pub uid: u32,
    /// The number of its group.
    pub gid: u32,
}

/// Whom PostgreSQL runs as: ourselves, or another user when we are root.
pub(crate) fn owner() -> Result<Option<(Owner, String)>, LocalPostgresError> {
    #[cfg(unix)]
    {
        if !rustix::process::geteuid().is_root() {
            return Ok(None);
        }
        let passwd = fs::read_to_string("/etc/passwd").unwrap_or_default();
        USERS
            .iter()
            .find_map(|user| Some((user_in(&passwd, user)?, (*user).to_owned())))
            .map(Some)
            .ok_or_else(|| {
                LocalPostgresError::new(
                    "PostgreSQL doesn't run as root, and there is no user postgres to run it as (useradd postgres)",
                )
            })
    }
    #[cfg(not(unix))]
    Err(LocalPostgresError::new("the sandbox runs PostgreSQL on Unix only"))
}

/// The name of whom we run as.
pub(crate) fn our_name() -> Option<String> {
    let output = plain("id").arg("-un").output().ok()?;
    let name = String::from_utf8(output.stdout).ok()?;
    let name = name.trim();
    (!name.is_empty()).then(|| name.to_owned())
}

fn user_in(passwd: &str, name: &str) -> Option<Owner> {
    passwd.lines().find_map(|line| {
        let mut fields = line.split(':');
        if fields.next() != Some(name) {
            return None;
        }
        let uid = fields.nth(1)?.parse().ok()?;
        let gid = fields.next()?.parse().ok()?;
        Some(Owner { uid, gid })
    })
}
