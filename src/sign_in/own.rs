//! Where our own logins lie: a file for each profile, for its user alone.

use std::ffi::OsString;
use std::fmt;
use std::path::{Path, PathBuf};

use super::file::{Owner, Place};

/// The longest name of a profile.
const MAX_NAME: usize = 64;

/// The name of a profile: which of several accounts. The neon command line's profiles have the same names.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ProfileName(String);

/// A name that no profile has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "is no name of a profile: write letters, digits, dots, dashes and underscores, 64 at most, the first a letter or digit"
)]
pub struct InvalidProfile;

impl ProfileName {
    /// The profile that is meant where none is named, here and with the neon command line.
    pub const DEFAULT: &'static str = "DEFAULT";

    /// Reads a name. It is a part of a file's name.
    ///
    /// # Errors
    /// When it has other characters than those, or more than 64.
    pub fn parse(text: &str) -> Result<Self, InvalidProfile> {
        let mut bytes = text.bytes();
        let first = bytes.next().ok_or(InvalidProfile)?;
        let may = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
        if first.is_ascii_alphanumeric() && bytes.all(may) && text.len() <= MAX_NAME {
            Ok(Self(text.to_owned()))
        } else {
            Err(InvalidProfile)
        }
    }

    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether it is the one that needn't be named.
    #[must_use]
    pub fn is_default(&self) -> bool {
        self.0 == Self::DEFAULT
    }
}

impl Default for ProfileName {
    fn default() -> Self {
        Self(Self::DEFAULT.to_owned())
    }
}

impl fmt::Display for ProfileName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// The folder of our logins: `$XDG_CONFIG_HOME/neon-mcp/logins`, else `~/.config/neon-mcp/logins`; on Windows
/// `%APPDATA%\neon-mcp\logins`. It doesn't follow the state directory, which a server may have of its own: a person signs in once.
pub(super) fn folder(variable: impl Fn(&str) -> Option<OsString>) -> Option<PathBuf> {
    let absolute = |name: &str| variable(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let base = if cfg!(windows) {
        absolute("APPDATA")?
    } else {
        absolute("XDG_CONFIG_HOME").or_else(|| Some(absolute("HOME")?.join(".config")))?
    };
    Some(base.join("neon-mcp").join("logins"))
}

/// Where the login of a profile lies.
pub(super) fn place(folder: &Path, profile: &ProfileName) -> Place {
    Place {
        path: folder.join(format!("{profile}.json")),
        lock: folder.join(format!("{profile}.lock")),
        owner: Owner::Us,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn name_of_a_profile_is_one_part_of_a_path() {
        for right in ["a", "DEFAULT", "work.2", "9_x-y", &"a".repeat(64)] {
            assert!(ProfileName::parse(right).is_ok(), "{right}");
        }
        for wrong in ["", ".a", "-a", "a/b", "a\\b", "a b", "ä", "a\0", "..", &"a".repeat(65)] {
            assert!(ProfileName::parse(wrong).is_err(), "{wrong}");
        }
    }
}
