//! What would be done to one client: which file, and how it would read then. Nothing is written before [`Change::write`].

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::diff::diff;
use super::edit::{Entry, Put, Spot, holds_a_key};
use super::file;
use super::found::{FileProblem, Found};
use super::machine::Machine;
use super::ours::{is_ours, is_ours_in, is_reference, redirects, texts};
use super::scope::Scope;
use super::server::{Credential, Server, ServerName, Transport};
use super::table::Client;

/// What would be done to one client.
#[derive(Debug)]
pub struct Plan {
    /// The client.
    pub client: &'static Client,
    /// Its file; none where it has none for this.
    pub path: Option<PathBuf>,
    /// What would be done.
    pub outcome: Outcome,
    /// What its user should know.
    pub notes: Vec<String>,
}

/// What would be done.
#[derive(Debug)]
pub enum Outcome {
    /// The file would change.
    Change(Change),
    /// It says so already.
    Unchanged,
    /// There is no such entry to be removed.
    NotThere,
    /// The file is left alone; what to write there by hand.
    ByHand {
        /// Why.
        why: String,
        /// What to add; nothing where something is to be removed, or can't be added.
        add: Option<String>,
    },
}

impl Plan {
    /// A plan that leaves the client's file alone.
    #[must_use]
    pub fn left_alone(client: &'static Client, path: Option<PathBuf>, why: String) -> Self {
        Self {
            client,
            path,
            outcome: Outcome::ByHand { why, add: None },
            notes: Vec::new(),
        }
    }
}

/// A change that is ready to be written.
#[derive(Debug)]
pub struct Change {
    found: Found,
    after: String,
    project: Option<PathBuf>,
    shown: BTreeSet<String>,
    /// What is added, alone: for a file that is too long to be shown.
    adds: Option<String>,
}

impl Change {
    /// What would change, as lines: of other servers only how they are built.
    #[must_use]
    pub fn lines(&self) -> Vec<(char, String)> {
        if is_short(self.before()) && is_short(self.after()) {
            return diff(self.before(), self.after(), &self.shown);
        }
        let (before, after) = (self.before().len(), self.after().len());
        let told = format!("{before} bytes, then {after}: too long to be shown, or its lines are");
        let (what, adds) = match &self.adds {
            Some(adds) => ("what goes in, alone:", adds.as_str()),
            None => ("the entry goes, and nothing else", ""),
        };
        let adds = diff("", if is_short(adds) { adds } else { "" }, &self.shown);
        [(' ', told), (' ', what.to_owned())].into_iter().chain(adds).collect()
    }

    /// What the file says now.
    #[must_use]
    pub fn before(&self) -> &str {
        self.found.text.as_deref().unwrap_or_default()
    }

    /// What it would say.
    #[must_use]
    pub fn after(&self) -> &str {
        &self.after
    }

    /// Whether the file is made by it.
    #[must_use]
    pub fn is_new(&self) -> bool {
        self.found.text.is_none()
    }

    /// Writes it, in one step.
    ///
    /// # Errors
    /// When the file was changed meanwhile, or can't be written.
    pub fn write(&self) -> Result<(), FileProblem> {
        file::write(&self.found, &self.after, self.project.as_deref())
    }
}

/// The largest file, and the longest line of one, that is shown as what changes in it, in bytes.
const MAX_SHOWN: usize = 2 * 1024 * 1024;
const MAX_SHOWN_LINE: usize = 64 * 1024;

fn is_short(text: &str) -> bool {
    text.len() <= MAX_SHOWN && text.lines().all(|line| line.len() <= MAX_SHOWN_LINE)
}

/// An entry that is ours, and where it stands.
#[derive(Debug)]
pub struct Place {
    /// The file.
    pub path: PathBuf,
    /// The entry.
    pub entry: Entry,
    /// Whether it is a project's file, which may be somebody else's.
    pub of_project: bool,
    /// Whether it starts a program of the project itself, which only its name makes ours.
    pub is_elsewhere: bool,
}

/// Where a client's file may be.
#[must_use]
pub fn files(machine: &Machine, client: &Client, scope: Scope<'_>) -> Vec<PathBuf> {
    match scope {
        Scope::User => client
            .user(machine.system())
            .iter()
            .filter_map(|template| machine.path(template))
            .collect(),
        Scope::Project(folder) => client.project.iter().map(|name| folder.join(name)).collect(),
    }
}

/// The file of a client that counts: the one that has the entry, else the first that is there, else the first.
fn choose(machine: &Machine, client: &Client, scope: Scope<'_>, name: &ServerName) -> Option<PathBuf> {
    let all = files(machine, client, scope);
    let has = |path: &&PathBuf| {
        let text = file::read(path, scope.project()).ok().and_then(|found| found.text);
        let entries = text.and_then(|text| client.format.read(&text, &client.key).ok());
        entries.is_some_and(|entries| entries.iter().any(|entry| entry.name == name.as_str()))
    };
    let chosen = all.iter().find(has).or_else(|| all.iter().find(|path| path.exists()));
    chosen.or(all.first()).cloned()
}

/// The entry of that name, where it is ours and its file can be read.
#[must_use]
pub fn own_entry(machine: &Machine, client: &Client, scope: Scope<'_>, name: &ServerName) -> Option<Entry> {
    let path = choose(machine, client, scope, name)?;
    let text = file::read(&path, scope.project()).ok()?.text?;
    let entries = client.format.read(&text, &client.key).ok()?;
    entries
        .into_iter()
        .find(|entry| entry.name == name.as_str() && is_ours_in(entry, scope))
}

/// What a file holds that has our entry and nothing else; none where the client takes no such server.
#[must_use]
pub fn entry_alone(client: &Client, server: &Server, in_user_file: bool) -> Option<String> {
    let fields = server.entry(client, in_user_file)?;
    let input = server.input(client);
    let put = Put {
        spot: Spot {
            key: &client.key,
            name: server.name.as_str(),
        },
        fields: &fields,
        owned: Vec::new(),
        anew: true,
        input: input.as_ref(),
    };
    client.format.alone(&put).ok()
}

/// What an installation would do. Of an entry that is there, what its user added stays, but not with `replace` and not in a project.
#[must_use]
pub fn install(machine: &Machine, client: &'static Client, scope: Scope<'_>, server: &Server, replace: bool) -> Plan {
    let mut notes = Vec::new();
    let anew = replace || scope.project().is_some();
    let fields = server.entry(client, matches!(scope, Scope::User));
    let by_hand = |why: String, add| Outcome::ByHand { why, add };
    let plan = |path, outcome, notes| Plan {
        client,
        path,
        outcome,
        notes,
    };
    let Some(path) = choose(machine, client, scope, &server.name) else {
        return plan(None, by_hand("it has no file for projects".to_owned(), None), notes);
    };
    let Some(fields) = fields else {
        let why = "it starts servers as programs alone, and takes no URL".to_owned();
        return plan(Some(path), by_hand(why, None), notes);
    };
    let input = server.input(client);
    let put = Put {
        spot: Spot {
            key: &client.key,
            name: server.name.as_str(),
        },
        fields: &fields,
        owned: client.owned().collect(),
        anew,
        input: input.as_ref(),
    };
    let add = client.format.alone(&put).ok();
    let found = match file::read(&path, scope.project()) {
        Ok(found) => found,
        Err(problem) => return plan(Some(path), by_hand(problem.to_string(), add.clone()), notes),
    };
    let text = found.text.clone().unwrap_or_default();
    let there = match client.format.read(&text, &client.key) {
        Ok(entries) => entries.into_iter().find(|entry| entry.name == server.name.as_str()),
        Err(error) => return plan(Some(path), by_hand(error.to_string(), add.clone()), notes),
    };
    if let Some(there) = &there {
        if !replace && !is_ours_in(there, scope) && !calls(there, server) {
            let why = format!(
                "`{}` there is another server ({}): give ours a name of its own with --name, or --replace that one",
                there.name,
                in_short(there)
            );
            return plan(Some(path), by_hand(why, None), notes);
        }
        if holds_a_key(there) && !anew {
            notes.push("a key stands in the file itself, where you put it; it stays. `--api-key-file` or the environment is a better place".to_owned());
        }
    }
    let edited = match client.format.put(&text, &put) {
        Ok(edited) => edited,
        Err(error) => return plan(Some(path), by_hand(error.to_string(), add.clone()), notes),
    };
    if found.text.is_some() && edited == text {
        return plan(Some(path), Outcome::Unchanged, notes);
    }
    if let Err(problem) = file::may_write(&found, scope.project()) {
        return plan(Some(path), by_hand(problem.to_string(), add.clone()), notes);
    }
    if server.credential == Credential::Referred && !client.can_refer() {
        notes.extend(client.key_note.clone());
        if let Transport::Http(_) = server.transport {
            notes.push("add the header `Authorization: Bearer TOKEN` where the server wants one".to_owned());
        } else {
            notes.push(
                "without a key there, sign in once with `neon-mcp login`, which the server finds by itself; or keep a key in a file that you \
                 alone can read, and install again with --api-key-file FILE"
                    .to_owned(),
            );
        }
    }
    let mut shown = there.as_ref().map(shown_of).unwrap_or_default();
    shown.extend(texts(&fields, true));
    shown.extend(
        input
            .as_ref()
            .and_then(Value::as_object)
            .map(|input| texts(input, true))
            .unwrap_or_default(),
    );
    let change = Change {
        found,
        after: edited,
        project: scope.project().map(Path::to_owned),
        shown,
        adds: add,
    };
    plan(Some(path), Outcome::Change(change), notes)
}

/// What removing an entry would do.
#[must_use]
pub fn uninstall(
    machine: &Machine,
    client: &'static Client,
    scope: Scope<'_>,
    name: &ServerName,
    replace: bool,
) -> Plan {
    let mut notes = Vec::new();
    let plan = |path, outcome| Plan {
        client,
        path,
        outcome,
        notes: Vec::new(),
    };
    let Some(path) = choose(machine, client, scope, name) else {
        return plan(None, Outcome::NotThere);
    };
    let by_hand = |path, why: String| plan(Some(path), Outcome::ByHand { why, add: None });
    let found = match file::read(&path, scope.project()) {
        Ok(found) => found,
        Err(problem) => return by_hand(path, problem.to_string()),
    };
    let Some(text) = found.text.clone() else {
        return plan(Some(path), Outcome::NotThere);
    };
    let there = match client.format.read(&text, &client.key) {
        Ok(entries) => entries.into_iter().find(|entry| entry.name == name.as_str()),
        Err(error) => return by_hand(path, error.to_string()),
    };
    let Some(there) = there else {
        return plan(Some(path), Outcome::NotThere);
    };
    if !replace && !is_ours_in(&there, scope) {
        let why = format!(
            "`{}` there is another server ({}); --replace removes it",
            there.name,
            in_short(&there)
        );
        return by_hand(path, why);
    }
    let spot = Spot {
        key: &client.key,
        name: name.as_str(),
    };
    let edited = match client.format.take(&text, spot) {
        // Where nothing else is left, the key goes too: an installation made it.
        Ok(Some(edited)) => client.format.without_empty(edited, spot.key),
        Ok(None) => return plan(Some(path), Outcome::NotThere),
        Err(error) => return by_hand(path, error.to_string()),
    };
    if let Err(problem) = file::may_write(&found, scope.project()) {
        return by_hand(path, problem.to_string());
    }
    let change = Change {
        found,
        after: edited,
        project: scope.project().map(Path::to_owned),
        shown: shown_of(&there),
        adds: None,
    };
    // Who made the file isn't known: it is left, and that is said.
    if ["", "{}"].contains(&change.after().trim()) {
        notes.push("nothing else stands in the file: remove it, where nobody wants it empty".to_owned());
    }
    Plan {
        notes,
        ..plan(Some(path), Outcome::Change(change))
    }
}

/// The entries of a client's files that are ours, whatever they are called; and the files that can't be read, with why.
#[must_use]
pub fn entries(machine: &Machine, client: &Client, scope: Scope<'_>) -> (Vec<Place>, Vec<(PathBuf, String)>) {
    let mut places = Vec::new();
    let mut problems = Vec::new();
    for path in files(machine, client, scope) {
        let text = match file::read(&path, scope.project()) {
            Ok(Found { text: Some(text), .. }) => text,
            Ok(Found { text: None, .. }) => continue,
            Err(problem) => {
                problems.push((path, problem.to_string()));
                continue;
            }
        };
        match client.format.read(&text, &client.key) {
            Ok(all) => places.extend(all.into_iter().filter(is_ours).map(|entry| Place {
                path: path.clone(),
                is_elsewhere: !is_ours_in(&entry, scope),
                entry,
                of_project: scope.project().is_some(),
            })),
            Err(error) => problems.push((path, error.to_string())),
        }
    }
    (places, problems)
}

/// The texts of an entry that may be shown: under `env` and the like those that decide where something goes, or what runs.
fn shown_of(entry: &Entry) -> BTreeSet<String> {
    let mut shown = texts(&entry.fields, false);
    let variables = entry.variables().into_iter();
    shown.extend(
        variables
            .filter(|(name, value)| redirects(name) || is_reference(value))
            .map(|(_, value)| value),
    );
    shown
}

/// Whether an entry calls the address that the server is at.
fn calls(entry: &Entry, server: &Server) -> bool {
    match &server.transport {
        Transport::Http(url) => entry.url().is_some_and(|own| own.trim_end_matches('/') == url.as_str()),
        Transport::Stdio { .. } => false,
    }
}

/// What an entry is, for people: its program or host alone, since arguments may hold secrets.
fn in_short(entry: &Entry) -> String {
    let host = || {
        let url = url::Url::parse(entry.url()?).ok()?;
        Some(url.host_str()?.to_owned())
    };
    let command = entry.command().map(|(command, _)| command);
    let told = command.or_else(host).unwrap_or_else(|| "of an unknown kind".to_owned());
    crate::neon::text::one_line(&told, 80)
}
