//! What paths depend on: the home directory, the variables, the operating system.

use std::collections::HashMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use super::table::{Client, System};

/// The machine, as paths see it.
#[derive(Debug, Clone)]
pub struct Machine {
    home: PathBuf,
    variables: HashMap<String, OsString>,
    system: System,
}

impl Machine {
    /// This machine, by the variables of the process; none where they name no home directory.
    #[must_use]
    pub fn new(variables: impl IntoIterator<Item = (OsString, OsString)>) -> Option<Self> {
        let variables: HashMap<String, OsString> = variables
            .into_iter()
            .filter(|(_, value)| !value.is_empty())
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value)))
            .collect();
        let home = if cfg!(windows) { "USERPROFILE" } else { "HOME" };
        let home = PathBuf::from(variables.get(home)?);
        home.is_absolute().then_some(Self {
            home,
            variables,
            system: System::here(),
        })
    }

    pub(super) fn system(&self) -> System {
        self.system
    }

    /// The value of a variable.
    #[must_use]
    pub fn variable(&self, name: &str) -> Option<&OsString> {
        self.variables.get(name)
    }

    /// Whether the client is on this machine.
    #[must_use]
    pub fn has(&self, client: &Client) -> bool {
        client
            .seen
            .iter()
            .filter_map(|template| self.path(template))
            .any(|path| path.exists())
    }

    /// A path of the table: `~`, `{app}` and `{config}` at its begin, or `{VARIABLE}` and `{VARIABLE:~/else}`. None where a variable
    /// is missing.
    pub(super) fn path(&self, template: &str) -> Option<PathBuf> {
        let Some(rest) = template.strip_prefix('{') else {
            return Some(match template.strip_prefix('~') {
                Some(rest) => below(&self.home, rest),
                None => PathBuf::from(template),
            });
        };
        let (inner, rest) = rest.split_once('}')?;
        let base = match inner {
            "app" => self.app_support(),
            "config" => self
                .absolute("XDG_CONFIG_HOME")
                .unwrap_or_else(|| self.home.join(".config")),
            _ => match inner.split_once(':') {
                Some((name, default)) => self.absolute(name).or_else(|| self.path(default))?,
                None => self.absolute(inner)?,
            },
        };
        Some(below(&base, rest))
    }

    fn app_support(&self) -> PathBuf {
        match self.system {
            System::Linux => self
                .absolute("XDG_CONFIG_HOME")
                .unwrap_or_else(|| self.home.join(".config")),
            System::Macos => self.home.join("Library/Application Support"),
            System::Windows => self
                .absolute("APPDATA")
                .unwrap_or_else(|| self.home.join("AppData/Roaming")),
        }
    }

    fn absolute(&self, name: &str) -> Option<PathBuf> {
        Some(PathBuf::from(self.variable(name)?)).filter(|path| path.is_absolute())
    }
}

fn below(base: &Path, rest: &str) -> PathBuf {
    rest.split('/')
        .filter(|part| !part.is_empty())
        .fold(base.to_owned(), |path, part| path.join(part))
}

#[cfg(test)]
mod tests {
    #[cfg(unix)]
    use super::*;

    #[cfg(unix)]
    fn machine(system: System, variables: &[(&str, &str)]) -> Machine {
        let home = [("HOME", "/home/ada")];
        let variables = home.iter().chain(variables);
        Machine {
            system,
            ..Machine::new(variables.map(|(name, value)| (name.into(), value.into()))).unwrap()
        }
    }

    #[cfg(unix)]
    #[test]
    fn paths_follow_the_variables_and_the_system() {
        let plain = machine(System::Linux, &[]);
        let set = machine(
            System::Linux,
            &[("XDG_CONFIG_HOME", "/cfg"), ("CODEX_HOME", "/codex"), ("EMPTY", "")],
        );
        let relative = machine(System::Linux, &[("CODEX_HOME", "codex")]);
        for (machine, template, path) in [
            (&plain, "~/.cursor/mcp.json", Some("/home/ada/.cursor/mcp.json")),
            (&plain, "{app}/Code", Some("/home/ada/.config/Code")),
            (&set, "{app}/Code", Some("/cfg/Code")),
            (
                &machine(System::Macos, &[]),
                "{app}/Code",
                Some("/home/ada/Library/Application Support/Code"),
            ),
            (
                &machine(System::Windows, &[("APPDATA", "/r")]),
                "{app}/Code",
                Some("/r/Code"),
            ),
            (
                &plain,
                "{CODEX_HOME:~/.codex}/config.toml",
                Some("/home/ada/.codex/config.toml"),
            ),
            (&set, "{CODEX_HOME:~/.codex}/config.toml", Some("/codex/config.toml")),
            (
                &relative,
                "{CODEX_HOME:~/.codex}/config.toml",
                Some("/home/ada/.codex/config.toml"),
            ),
            (&plain, "{XDG_CONFIG_HOME}/.copilot", None),
        ] {
            assert_eq!(machine.path(template).as_deref(), path.map(Path::new), "{template}");
        }
        assert!(Machine::new([("HOME".into(), "".into())]).is_none());
        assert!(Machine::new([("HOME".into(), "ada".into())]).is_none());
    }
}
