//! Small programs of the system: found by an absolute path, and run with nothing of our environment, which may hold keys.

use std::{env, ffi::OsString, path::PathBuf, process::Command};

/// Where the system has its own.
const OF_THE_SYSTEM: [&str; 4] = ["/usr/bin", "/bin", "/usr/sbin", "/sbin"];

/// The folders of `PATH` that are meant wherever a program runs: a relative one is a folder of whatever project that is.
fn folders() -> impl Iterator<Item = PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    env::split_paths(&path)
        .filter(|folder| folder.is_absolute())
        .collect::<Vec<_>>()
        .into_iter()
}

/// `PATH` without its relative folders.
pub(crate) fn absolute_path() -> Option<OsString> {
    env::join_paths(folders()).ok().filter(|path| !path.is_empty())
}

/// A program of the system, or else of `PATH`: by its absolute path, with a `PATH` and nothing else.
#[must_use]
pub fn plain(program: &str) -> Command {
    let all = || OF_THE_SYSTEM.into_iter().map(PathBuf::from).chain(folders());
    let found = all().map(|folder| folder.join(program)).find(|path| path.is_file());
    // What isn't there fails when it is run, as a program that is missing does.
    let mut command = Command::new(found.unwrap_or_else(|| PathBuf::from("/usr/bin").join(program)));
    command.env_clear().env("LC_ALL", "C");
    if let Ok(path) = env::join_paths(all()) {
        command.env("PATH", path);
    }
    command
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn program_is_absolute_and_gets_nothing_of_our_environment() {
        let mut command = plain("env");
        assert!(PathBuf::from(command.get_program()).is_absolute());
        let output = command.output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        let names: Vec<&str> = text.lines().filter_map(|line| Some(line.split_once('=')?.0)).collect();
        assert!(
            names
                .iter()
                .all(|name| ["LC_ALL", "PATH", "_", "PWD", "SHLVL"].contains(name)),
            "{text}"
        );
        let path = text.lines().find_map(|line| line.strip_prefix("PATH=")).unwrap();
        assert!(path.split(':').all(|folder| folder.starts_with('/')), "{path}");
    }
}
