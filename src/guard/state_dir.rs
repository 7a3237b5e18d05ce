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
    kept_random(directory, "cli-session", 1).map(Session::Process)
}

/// The key that seals the approvals of calls that a user makes by hand: 256 random bits in the directory of the approvals, which
/// only its owner can read. Made when first asked for. With it, the process that repeats a call takes the approval that another
/// one asked for.
///
/// # Errors
/// When the file can't be used: it is somebody else's, or no regular file.
pub fn kept_seal_key(directory: &Path) -> Result<Vec<u8>, FileError> {
    kept_random(directory, "cli-seal-key", 2).map(String::into_bytes)
}

/// Randoms in hexadecimal digits, 128 bits each, kept in a file of the directory. What else stands in the file is replaced.
fn kept_random(directory: &Path, name: &str, randoms: usize) -> Result<String, FileError> {
    make_directory(directory)?;
    close_directory(directory)?;
    let _held = lock(&directory.join("lock"))?;
    let path = directory.join(name);
    let mut file = open_private(&path)?;
    let mut kept = Vec::new();
    (&mut file)
        .take(128)
        .read_to_end(&mut kept)
        .map_err(FileError::io("read", &path))?;
    let kept = kept.trim_ascii();
    if kept.len() == 32 * randoms && kept.iter().all(u8::is_ascii_hexdigit) {
        return Ok(String::from_utf8_lossy(kept).into_owned());
    }
    let made: String = (0..randoms).map(|_| random_id()).collect();
    file.set_len(0)
        .and_then(|()| file.write_all(made.as_bytes()))
        .and_then(|()| file.sync_all())
        .map_err(FileError::io("write", &path))?;
    Ok(made)
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

    #[test]
    fn seal_key_of_calls_by_hand_is_kept_for_its_owner_and_followed_through_no_link() {
        use std::os::unix::fs::PermissionsExt as _;
        let home = tempfile::tempdir().unwrap();
        let state = home.path().join("state");
        let first = kept_seal_key(&state).unwrap();
        assert_eq!(first.len(), 64);
        assert_eq!(kept_seal_key(&state).unwrap(), first);
        let file = state.join("cli-seal-key");
        assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, 0o600);
        // What others could read for a while is closed, and what is no key is replaced.
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o644)).unwrap();
        assert_eq!(kept_seal_key(&state).unwrap(), first);
        assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, 0o600);
        for left in [&b""[..], b"x", &[0xff; 64], &[b'a'; 65]] {
            std::fs::write(&file, left).unwrap();
            let anew = kept_seal_key(&state).unwrap();
            assert!(anew != first && anew.len() == 64, "{left:?}");
        }
        // Somebody's file elsewhere is neither read nor written.
        let elsewhere = home.path().join("elsewhere");
        std::fs::write(&elsewhere, [b'a'; 64]).unwrap();
        std::fs::remove_file(&file).unwrap();
        std::os::unix::fs::symlink(&elsewhere, &file).unwrap();
        assert!(matches!(kept_seal_key(&state), Err(FileError::NotAFile { .. })));
        std::fs::remove_file(&file).unwrap();
        std::fs::create_dir(&file).unwrap();
        assert!(matches!(kept_seal_key(&state), Err(FileError::NotAFile { .. })));
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
