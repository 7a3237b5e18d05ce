//! Where this program keeps what must outlive it.

use std::ffi::OsString;
use std::path::PathBuf;

/// The name of our directory among those of other programs.
const NAME: &str = "neon-mcp";

/// The directory for state: `$XDG_STATE_HOME/neon-mcp`, else `$HOME/.local/state/neon-mcp` (the XDG base directory
/// specification, which has relative paths ignored); on Windows `%LOCALAPPDATA%\neon-mcp`. `NEON_MCP_STATE_DIR` beats them all.
///
/// `variable` looks up the environment. Nothing is created, and there is none where the variables are missing.
#[must_use]
pub fn state_dir(variable: impl Fn(&str) -> Option<OsString>) -> Option<PathBuf> {
    if let Some(own) = variable("NEON_MCP_STATE_DIR").filter(|path| !path.is_empty()) {
        return Some(own.into());
    }
    let absolute = |name: &str| variable(name).map(PathBuf::from).filter(|path| path.is_absolute());
    if cfg!(windows) {
        return Some(absolute("LOCALAPPDATA")?.join(NAME));
    }
    let base = absolute("XDG_STATE_HOME").or_else(|| Some(absolute("HOME")?.join(".local/state")))?;
    Some(base.join(NAME))
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    fn with(variables: &[(&str, &str)]) -> Option<PathBuf> {
        state_dir(|name| {
            let found = variables.iter().find(|(known, _)| *known == name)?;
            Some(OsString::from(found.1))
        })
    }

    #[test]
    fn the_state_directory_is_the_one_of_the_xdg_specification() {
        let home = ("HOME", "/home/me");
        let own = Some(PathBuf::from("/home/me/.local/state/neon-mcp"));
        assert_eq!(
            with(&[home, ("XDG_STATE_HOME", "/s")]),
            Some(PathBuf::from("/s/neon-mcp"))
        );
        assert_eq!(with(&[home]), own);
        assert_eq!(with(&[home, ("XDG_STATE_HOME", "")]), own);
        assert_eq!(with(&[home, ("XDG_STATE_HOME", "relative")]), own);
        assert_eq!(
            with(&[("NEON_MCP_STATE_DIR", "/own"), home]),
            Some(PathBuf::from("/own"))
        );
        assert_eq!(with(&[("HOME", "relative")]), None);
        assert_eq!(with(&[]), None);
    }
}
