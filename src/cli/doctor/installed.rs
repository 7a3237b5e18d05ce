//! The clients on this machine, and their entries.

use super::check::Check;
use crate::cli::install::{ClientState, WHICH_TOKEN, machine, states};
use crate::clients::{Answer, Client, ServerName, clients};

const CHECK: &str = "client";

/// What the clients on this machine have.
pub(super) struct Installed(Result<Vec<ClientState>, Check>);

/// Looks at the clients, and asks their servers.
pub(super) async fn look(offline: bool) -> Installed {
    let machine = match machine() {
        Ok(machine) => machine,
        Err(error) => {
            let next = "set HOME to your home directory";
            return Installed(Err(Check::problem(CHECK, error.to_string(), next)));
        }
    };
    let all: Vec<&'static Client> = clients().unwrap_or_default().iter().collect();
    Installed(Ok(states(&machine, &all, None, !offline).await))
}

impl Installed {
    /// Whether there are entries, and all of them call servers that run elsewhere: those have credentials of their own.
    pub(super) fn calls_servers_alone(&self) -> bool {
        let Ok(states) = &self.0 else { return false };
        let mut entries = states.iter().flat_map(|state| &state.entries).peekable();
        entries.peek().is_some() && entries.all(|entry| entry.is_url)
    }

    /// A check for each client that is here, and one where none is.
    pub(super) fn checks(self) -> Vec<Check> {
        match self.0 {
            Ok(states) => of_clients(&states),
            Err(check) => vec![check],
        }
    }
}

fn of_clients(states: &[ClientState]) -> Vec<Check> {
    let here = states.iter().filter(|state| state.found || !state.entries.is_empty());
    let checks: Vec<Check> = here.flat_map(of_client).collect();
    if checks.is_empty() {
        let next = "any MCP client will do: `neon-mcp install --print cursor` prints what to give it";
        return vec![Check::warning(CHECK, "none that is known was found", next)];
    }
    if states.iter().all(|state| state.entries.is_empty()) {
        return checks
            .into_iter()
            .chain([Check::warning(
                CHECK,
                "no client has this server",
                "run `neon-mcp install`",
            )])
            .collect();
    }
    checks
}

fn of_client(state: &ClientState) -> Vec<Check> {
    let id = &state.client;
    let mut checks: Vec<Check> = state
        .entries
        .iter()
        .map(|entry| {
            let named = match ServerName::parse(&entry.name) {
                Ok(name) if name.as_str() != "neon" => format!(" --name {}", name.as_str()),
                _ => String::new(),
            };
            let place = format!("{id}: `{}` in {}", entry.name, entry.path.display());
            let check = match &entry.answer {
                None => Check::skipped(CHECK, format!("{place}: not asked")),
                Some(Answer::NotAsked { reason }) => Check::skipped(CHECK, format!("{place}: not asked: {reason}")),
                Some(Answer::Answers { version }) if version == env!("CARGO_PKG_VERSION") => {
                    Check::ok(CHECK, format!("{place}: answers, version {version}"))
                }
                Some(Answer::Answers { version }) => Check::warning(
                    CHECK,
                    format!("{place}: answers, version {version}, which isn't this one's"),
                    format!("run `neon-mcp install {id}{named}` to have this one started"),
                ),
                Some(Answer::WantsToken { said: None }) => Check::warning(
                    CHECK,
                    format!("{place}: answers, and wants a bearer token"),
                    format!("have NEON_HTTP_TOKEN hold it: {WHICH_TOKEN}"),
                ),
                Some(Answer::WantsToken { said: Some(said) }) => Check::warning(
                    CHECK,
                    format!("{place}: answers, and refuses the token of NEON_HTTP_TOKEN: {said}"),
                    format!("have NEON_HTTP_TOKEN hold one that counts: {WHICH_TOKEN}"),
                ),
                Some(Answer::WantsSignIn) => Check::ok(CHECK, format!("{place}: answers, and has its clients sign in")),
                Some(Answer::Silent { reason }) => Check::problem(
                    CHECK,
                    format!("{place}: doesn't answer: {reason}"),
                    format!("run `neon-mcp install {id}{named}`, or `neon-mcp uninstall {id}{named}`"),
                ),
            };
            check
                .with("client", id.as_str())
                .with("path", entry.path.display().to_string())
                .with("name", entry.name.as_str())
        })
        .collect();
    checks.extend(state.unreadable.iter().map(|file| {
        let message = format!("{id}: {}: {}", file.path.display(), file.reason);
        Check::problem(CHECK, message, "where it is wrong, mend it; where it is right, add the server there by hand: `neon-mcp install --print` shows the entry").with("client", id.as_str())
    }));
    if checks.is_empty() {
        let check = Check::skipped(CHECK, format!("{id} is here, and hasn't this server"));
        checks.push(check.with("client", id.as_str()));
    }
    checks
}
