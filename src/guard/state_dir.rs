//! Where this program keeps what must outlive it.

use std::ffi::OsString;
use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};

use super::files::{FileError, close_directory, lock, make_directory, open_private};
use super::session::{Session, random_id};

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

/// The session of the calls that a user makes by hand: a random in the directory of the approvals, which only its owner can
/// read. Made when first asked for.
///
/// # Errors
/// When the file can't be used.
pub fn kept_session(directory: &Path) -> Result<Session, FileError> {
    make_directory(directory)?;
    close_directory(directory)?;
    let _held = lock(&directory.join("lock"))?;
    let path = directory.join("cli-session");
    let mut file = open_private(&path)?;
    let mut kept = String::new();
    (&mut file)
        .take(64)
        .read_to_string(&mut kept)
        .map_err(FileError::io("read", &path))?;
    let kept = kept.trim();
    if kept.len() == 32 && kept.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Ok(Session::Process(kept.to_owned()));
    }
    let id = random_id();
    file.set_len(0)
        .and_then(|()| file.write_all(id.as_bytes()))
        .map_err(FileError::io("write", &path))?;
    Ok(Session::Process(id))
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    #[test]
    fn the_session_of_calls_by_hand_is_kept_for_its_owner_alone() {
        use std::os::unix::fs::PermissionsExt as _;
        let home = tempfile::tempdir().unwrap();
        let state = home.path().join("state");
        let first = kept_session(&state).unwrap();
        assert_eq!(first.id().unwrap().len(), 32);
        assert_eq!(kept_session(&state).unwrap(), first);
        let file = state.join("cli-session");
        assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, 0o600);
        for left in ["", "x", "not hexadecimal digits, though 32", "\u{0}"] {
            std::fs::write(&file, left).unwrap();
            let anew = kept_session(&state).unwrap();
            assert!(anew != first && anew.id().unwrap().len() == 32, "{left}");
            assert_eq!(kept_session(&state).unwrap(), anew);
        }
    }

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
