//! Who may open the socket of a server in the file system.

use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Who may open the socket: whoever may write it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
pub enum SocketMode {
    /// The user that the server runs as.
    #[default]
    #[serde(rename = "0600")]
    Owner,
    /// Its group too: that of the directory where that hands its own on (`chmod g+s`), else that of the process.
    #[serde(rename = "0660")]
    Group,
    /// Every user of the machine.
    #[serde(rename = "0666")]
    Everybody,
}

impl SocketMode {
    /// Whether the server's own user alone may open it.
    #[must_use]
    pub fn is_owners(self) -> bool {
        self == Self::Owner
    }

    /// Who may open it, for people.
    #[must_use]
    pub fn who(self) -> &'static str {
        match self {
            Self::Owner => "this user alone can open it",
            Self::Group => "this user and the socket's group can open it",
            Self::Everybody => "every user of this machine can open it",
        }
    }

    /// The mode of the socket.
    #[cfg(unix)]
    pub(super) fn of_socket(self) -> u32 {
        match self {
            Self::Owner => 0o600,
            Self::Group => 0o660,
            Self::Everybody => 0o666,
        }
    }

    /// The mode of a directory that is made for it: whoever may open the socket must get there.
    #[cfg(unix)]
    pub(super) fn of_directory(self) -> u32 {
        match self {
            Self::Owner => 0o700,
            Self::Group => 0o750,
            Self::Everybody => 0o755,
        }
    }
}

impl FromStr for SocketMode {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "0600" | "600" => Ok(Self::Owner),
            "0660" | "660" => Ok(Self::Group),
            "0666" | "666" => Ok(Self::Everybody),
            _ => Err("write 0600 (this user), 0660 (its group too) or 0666 (every user of this machine)"),
        }
    }
}
