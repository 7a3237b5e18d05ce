//! The table of clients, as `clients.json` has it.

use std::sync::LazyLock;

use serde::Deserialize;
use serde_json::{Map, Value};

use super::format::Format;
use crate::catalog::nearest;

/// One client: where its files are, and what an entry looks like in them.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Client {
    /// What it is called on our command line.
    pub id: String,
    /// What it is called.
    pub name: String,
    /// Folders and files of which one is there when it is installed.
    pub(super) seen: Vec<String>,
    /// Where the user's file may be: the first that is there, else the first.
    user: Vec<String>,
    user_macos: Option<Vec<String>>,
    user_windows: Option<Vec<String>>,
    /// The same in a project, below its folder.
    #[serde(default)]
    pub(super) project: Vec<String>,
    /// How the file is written.
    pub(super) format: Format,
    /// The key under which servers are.
    pub(super) key: String,
    /// How an entry refers to a variable of the environment: `NAME` stands for its name, `ID` for that of an input. Without it, the
    /// client hands on what stands in its file as it stands.
    reference: Option<String>,
    /// Whether the file has a list of inputs, which the client asks its user for and keeps itself.
    #[serde(default)]
    pub(super) inputs: bool,
    /// An entry for a program that the client starts: texts that begin with `$` stand for what it is.
    pub(super) stdio: Map<String, Value>,
    /// The same for a server over HTTP; without it, the client takes none.
    pub(super) http: Option<Map<String, Value>>,
    /// What an entry of the user's file has beside.
    #[serde(default)]
    pub(super) user_also: Map<String, Value>,
    /// What to do next.
    pub then: String,
    /// Where the key is, where that needs saying.
    pub(super) key_note: Option<String>,
}

/// The operating systems that differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum System {
    Linux,
    Macos,
    Windows,
}

impl System {
    pub(super) const fn here() -> Self {
        if cfg!(windows) {
            Self::Windows
        } else if cfg!(target_os = "macos") {
            Self::Macos
        } else {
            Self::Linux
        }
    }
}

impl Client {
    /// Where the user's file may be.
    pub(super) fn user(&self, system: System) -> &[String] {
        let own = match system {
            System::Linux => None,
            System::Macos => self.user_macos.as_deref(),
            System::Windows => self.user_windows.as_deref(),
        };
        own.unwrap_or(&self.user)
    }

    /// How an entry refers to a variable; nothing where it can't.
    pub(super) fn refers_to(&self, variable: &str) -> Option<String> {
        let form = self.reference.as_deref()?;
        Some(form.replace("NAME", variable).replace("ID", &variable.to_lowercase()))
    }

    /// Whether an entry can say where a key is: by a reference, or by the name of a variable that the client passes on.
    #[must_use]
    pub fn can_refer(&self) -> bool {
        let passes_on = |value: &Value| matches!(value.as_str(), Some("$variables" | "$token_variable"));
        self.reference.is_some() || self.stdio.values().any(passes_on)
    }

    /// Whether it takes servers over HTTP.
    #[must_use]
    pub fn takes_http(&self) -> bool {
        self.http.is_some()
    }

    /// Whether projects have a file of their own.
    #[must_use]
    pub fn has_projects(&self) -> bool {
        !self.project.is_empty()
    }

    /// The names that an entry of ours may have: what else stands in one is its user's.
    pub(super) fn owned(&self) -> impl Iterator<Item = &str> {
        let http = self.http.iter().flat_map(Map::keys);
        self.stdio.keys().chain(http).map(String::as_str)
    }

    /// The names of an entry's fields that an installation never writes.
    #[must_use]
    pub fn foreign_fields(&self, entry: &super::Entry) -> Vec<String> {
        let owned: Vec<&str> = self.owned().chain(self.user_also.keys().map(String::as_str)).collect();
        let others = entry
            .fields
            .iter()
            .filter(|(name, value)| !owned.contains(&name.as_str()) && !value.is_object());
        others.map(|(name, _)| name.clone()).collect()
    }
}

/// All clients, in the order of the table.
///
/// # Errors
/// When the table can't be read, which a test would have found.
pub fn clients() -> Result<&'static [Client], String> {
    static CLIENTS: LazyLock<Result<Vec<Client>, String>> =
        LazyLock::new(|| serde_json::from_str(include_str!("clients.json")).map_err(|error| error.to_string()));
    CLIENTS.as_deref().map_err(Clone::clone)
}

/// A client by its id.
///
/// # Errors
/// When there is none; the text names the nearest.
pub fn find(id: &str) -> Result<&'static Client, String> {
    let all = clients()?;
    let known = all.iter().find(|client| client.id == id.to_lowercase());
    known.ok_or_else(|| {
        let ids = || all.iter().map(|client| client.id.as_str());
        match nearest(id, ids()) {
            Some(near) => format!("there is no client `{id}`: did you mean `{near}`?"),
            None => format!(
                "there is no client `{id}`; those that are known: {}",
                ids().collect::<Vec<_>>().join(", ")
            ),
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn table_has_each_client_once_and_knows_its_own_words() {
        let all = clients().unwrap();
        assert_eq!(all.len(), 14);
        for client in all {
            assert_eq!(all.iter().filter(|other| other.id == client.id).count(), 1);
            assert!(!client.seen.is_empty() && !client.user(System::Linux).is_empty());
            assert!(client.can_refer() || client.key_note.is_some(), "{}", client.id);
            let known = [
                "$command",
                "$args",
                "$words",
                "$env",
                "$url",
                "$headers",
                "$name",
                "$variables",
                "$token_variable",
            ];
            let templates = [Some(&client.stdio), client.http.as_ref()];
            for value in templates.into_iter().flatten().flat_map(Map::values) {
                assert!(
                    value
                        .as_str()
                        .is_none_or(|text| !text.starts_with('$') || known.contains(&text)),
                    "{}: {value}",
                    client.id
                );
            }
        }
    }

    #[test]
    fn client_that_there_is_not_is_answered_with_the_nearest() {
        assert_eq!(find("cursor").unwrap().name, "Cursor");
        assert!(find("cursr").unwrap_err().contains("`cursor`"));
        assert!(find("qqq").unwrap_err().contains("goose"));
    }
}
