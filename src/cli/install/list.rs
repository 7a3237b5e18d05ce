//! Where the server is installed, which version answers there.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use futures::future::join_all;
use serde::Serialize;

use super::ask::ask;
use super::kept;
use crate::cli::common::{print, print_folded};
use crate::clients::{Answer, Client, Machine, Place, Scope, entries};
use crate::guard::{MASK, mask_text};
use crate::neon::text::one_line;
use crate::sql::secret::is_secret_name;

/// What is so with one client.
#[derive(Debug, Serialize)]
pub(in crate::cli) struct ClientState {
    /// Its id.
    pub(in crate::cli) client: String,
    /// Whether it is on this machine.
    pub(in crate::cli) found: bool,
    /// The entries that are ours.
    pub(in crate::cli) entries: Vec<EntryState>,
    /// The files that can't be read.
    pub(in crate::cli) unreadable: Vec<Unreadable>,
}

/// What is so with one entry.
#[derive(Debug, Serialize)]
pub(in crate::cli) struct EntryState {
    pub(in crate::cli) path: PathBuf,
    pub(in crate::cli) name: String,
    /// The program with its arguments, or the address.
    pub(in crate::cli) runs: String,
    /// What of its settings and variables decides where keys and statements go, or which programs run.
    pub(in crate::cli) redirects: Vec<String>,
    /// The names of the variables and headers that it sets.
    pub(in crate::cli) variables: Vec<String>,
    /// It calls an address, and starts nothing.
    #[serde(skip)]
    pub(in crate::cli) is_url: bool,
    /// What it says; nothing where it isn't asked.
    pub(in crate::cli) answer: Option<Answer>,
}

/// A file that can't be read.
#[derive(Debug, Serialize)]
pub(in crate::cli) struct Unreadable {
    pub(in crate::cli) path: PathBuf,
    pub(in crate::cli) reason: String,
}

/// Looks at the clients, and with `ask`, asks each server that is installed in one.
pub(in crate::cli) async fn states(
    machine: &Machine,
    clients: &[&'static Client],
    project: Option<&Path>,
    ask: bool,
) -> Vec<ClientState> {
    let looked = clients.iter().map(|client| async move {
        let scope = project.map_or(Scope::User, Scope::Project);
        let (places, unreadable) = entries(machine, client, scope);
        ClientState {
            client: client.id.clone(),
            found: machine.has(client),
            entries: join_all(places.iter().map(|place| state(machine, place, ask))).await,
            unreadable: unreadable
                .into_iter()
                .map(|(path, reason)| Unreadable { path, reason })
                .collect(),
        }
    });
    join_all(looked).await
}

async fn state(machine: &Machine, place: &Place, asks: bool) -> EntryState {
    let entry = &place.entry;
    let runs = match (entry.command(), entry.url()) {
        (Some((command, arguments)), _) => std::iter::once(command)
            .chain(without_secrets(arguments))
            .collect::<Vec<_>>()
            .join(" "),
        (None, url) => url.unwrap_or_default().to_owned(),
    };
    let (redirects, variables) = kept::listed(entry);
    EntryState {
        redirects,
        variables,
        path: place.path.clone(),
        name: one_line(&entry.name, 64),
        runs: one_line(&mask_text(&runs), 300),
        is_url: entry.command().is_none(),
        answer: match asks {
            true => Some(ask(machine, place).await),
            false => None,
        },
    }
}

/// Arguments without those that follow, or stand in, a flag with the name of a secret.
fn without_secrets(arguments: Vec<String>) -> impl Iterator<Item = String> {
    let is_secret = |flag: &str| flag.starts_with('-') && is_secret_name(flag.trim_start_matches('-'));
    let mut follows = false;
    arguments.into_iter().map(move |word| {
        let was = std::mem::replace(&mut follows, is_secret(&word));
        match word.split_once('=') {
            _ if was => MASK.to_owned(),
            Some((flag, _)) if is_secret(flag) => format!("{flag}={MASK}"),
            _ => word,
        }
    })
}

/// Exits with 1 when a server that is installed doesn't answer, or a file can't be read.
pub(super) async fn run(
    machine: &Machine,
    clients: &[&'static Client],
    project: Option<&Path>,
    json: bool,
) -> anyhow::Result<ExitCode> {
    let states = states(machine, clients, project, true).await;
    if json {
        print(&crate::cli::common::json_text(&states)?);
    } else {
        states.iter().for_each(show);
    }
    let is_silent = |entry: &EntryState| matches!(entry.answer, Some(Answer::Silent { .. }));
    let wrong = |state: &ClientState| !state.unreadable.is_empty() || state.entries.iter().any(is_silent);
    Ok(if states.iter().any(wrong) {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    })
}

fn show(state: &ClientState) {
    let id = &state.client;
    if state.entries.is_empty() && state.unreadable.is_empty() {
        let what = if state.found {
            "on this machine, not installed there"
        } else {
            "not on this machine"
        };
        say(id, what);
    }
    for entry in &state.entries {
        say(
            id,
            &format!(
                "{} in {}: {}",
                entry.name,
                entry.path.display(),
                answer(entry.answer.as_ref())
            ),
        );
        say("", &format!("  {}", entry.runs));
        if !entry.redirects.is_empty() {
            say(
                "",
                &format!("  decides where things go: {}", entry.redirects.join(", ")),
            );
        }
        if !entry.variables.is_empty() {
            say("", &format!("  sets {}", entry.variables.join(", ")));
        }
    }
    for file in &state.unreadable {
        say(id, &format!("{}: {}", file.path.display(), one_line(&file.reason, 200)));
    }
}

/// A line about a client, beside its name.
fn say(id: &str, what: &str) {
    print_folded(&format!("{id:<15} {what}"), &" ".repeat(18));
}

/// What a server said, in words.
fn answer(answer: Option<&Answer>) -> String {
    match answer {
        None => "not asked".to_owned(),
        Some(Answer::NotAsked { reason }) => format!("not asked: {reason}"),
        Some(Answer::Answers { version }) => format!("answers, version {version}"),
        Some(Answer::WantsToken { said: None }) => "answers, and wants a bearer token (NEON_HTTP_TOKEN)".to_owned(),
        Some(Answer::WantsToken { said: Some(said) }) => {
            format!(
                "answers, and refuses the token of NEON_HTTP_TOKEN: {}",
                one_line(said, 200)
            )
        }
        Some(Answer::WantsSignIn) => "answers, and has its clients sign in".to_owned(),
        Some(Answer::Silent { reason }) => format!("doesn't answer: {reason}"),
    }
}
