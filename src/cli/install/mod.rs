//! `neon-mcp install` and `uninstall`: this server in the files of the clients on the machine, after asking.

mod ask;
mod kept;
#[cfg(test)]
pub(super) use kept::COMMANDS;
mod list;
mod program;
mod write;

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context as _, bail};

pub(super) use list::{ClientState, states};
use write::Writing;

use super::common::{print, print_folded};
use super::reach::quoted;
use crate::base_url::BaseUrl;
use crate::catalog::{Catalog, Selection};
use crate::clients::{
    Client, Credential, Machine, Outcome, Plan, Scope, Server, ServerName, TOKEN_VARIABLE, Transport, clients, entries,
    files, find, install, own_entry, uninstall,
};
use crate::neon::text::{escaped, one_line};
use crate::settings::{Layer, Settings, Upstream};

/// The variables that `--api-key-file` and paths depend on: what a client's environment has, too.
const LASTING: [&str; 6] = [
    "HOME",
    "USERPROFILE",
    "LOCALAPPDATA",
    "APPDATA",
    "XDG_STATE_HOME",
    "XDG_CONFIG_HOME",
];

/// What an entry is called.
const NAME: &str = "neon";

/// Where a server is, below its address.
const PATH: &str = "/mcp";

/// What a caller shows, by how the server knows its callers.
pub(super) const WHICH_TOKEN: &str = "with --auth token the server's one token, which is in the file that `neon-mcp http` names at its start or in that of \
     --auth-token-file; with --auth bearer a token of your own, which whoever runs the server makes with `neon-mcp token create`; with \
     --auth neon-key your own Neon API key";

/// What one for the sandbox is called.
const SANDBOX_NAME: &str = "neon-sandbox";

#[derive(Debug, clap::Args)]
#[command(
    after_help = "Settings that are given here become the arguments of the server. No key is written into any file: \
                  an entry refers to the variable NEON_API_KEY, or the key comes from this machine. With --url it refers to \
                  NEON_HTTP_TOKEN, which holds what the server's --auth wants: the server's token (token), one of `neon-mcp token` \
                  (bearer), or a Neon API key (neon-key). Where clients sign in by themselves (oauth), and where nothing is wanted \
                  (none), give --no-token."
)]
pub(super) struct Install {
    #[command(flatten)]
    which: Which,
    /// Write the address of a server that runs (`neon-mcp http`) in place of this program
    #[arg(long, value_name = "URL", value_parser = url, conflicts_with = "list")]
    url: Option<BaseUrl>,
    /// With --url: write no reference to a bearer token (the variable NEON_HTTP_TOKEN), as for a server with --auth oauth or none
    #[arg(long, requires = "url")]
    no_token: bool,
    /// Print what to write for these clients, which needn't be on this machine, and touch nothing
    #[arg(long, requires = "clients", conflicts_with_all = ["dry_run", "yes", "list"])]
    print: bool,
    /// Show where it is installed, which version, and whether it answers
    #[arg(long, conflicts_with_all = ["dry_run", "yes"])]
    list: bool,
    /// With --list: for programs
    #[arg(long, requires = "list")]
    json: bool,
    #[command(flatten)]
    settings: Layer,
}

#[derive(Debug, clap::Args)]
pub(super) struct Uninstall {
    #[command(flatten)]
    which: Which,
}

#[derive(Debug, clap::Args)]
struct Which {
    /// The clients, such as claude-code, cursor, vscode, codex [default: those on this machine]
    clients: Vec<String>,
    /// The file of the project in this folder, in place of the user's own
    #[arg(long)]
    project: bool,
    /// The name of the entry [default: neon, or neon-sandbox for an installation with --sandbox]
    #[arg(long, value_parser = ServerName::parse)]
    name: Option<ServerName>,
    /// Take the place of another server that has the name; of an entry of ours, keep nothing of its settings
    #[arg(long)]
    replace: bool,
    /// Show what would be written, and write nothing
    #[arg(long)]
    dry_run: bool,
    /// Write without asking
    #[arg(long, short, conflicts_with = "dry_run")]
    yes: bool,
}

/// The address of a server, which is at `/mcp`.
fn url(text: &str) -> Result<BaseUrl, String> {
    let url = BaseUrl::parse(text).map_err(|error| format!("{error}; it looks like http://127.0.0.1:7373/mcp"))?;
    match url.path() {
        "" => Ok(url.or_path(PATH)),
        PATH => Ok(url),
        path => Err(format!(
            "a server of `neon-mcp http` is at {PATH}, not at {path}: did you mean {}{PATH}?",
            url.origin().ascii_serialization()
        )),
    }
}

impl Which {
    /// The name of the entry: the sandbox stands beside an account, and not in its place.
    fn entry_name(&self, is_sandbox: bool) -> anyhow::Result<ServerName> {
        let default = if is_sandbox { SANDBOX_NAME } else { NAME };
        Ok(match &self.name {
            Some(name) => name.clone(),
            None => ServerName::parse(default)?,
        })
    }

    fn named(&self) -> anyhow::Result<Vec<&'static Client>> {
        let mut named: Vec<&Client> = Vec::new();
        for id in &self.clients {
            let client = find(id).map_err(anyhow::Error::msg)?;
            if !named.iter().any(|one| one.id == client.id) {
                named.push(client);
            }
        }
        Ok(named)
    }

    fn project(&self) -> anyhow::Result<Option<PathBuf>> {
        let here = || std::env::current_dir().context("there is no working directory");
        self.project.then(here).transpose()
    }

    fn writing(&self) -> Writing {
        Writing {
            dry_run: self.dry_run,
            yes: self.yes,
        }
    }
}

fn scope(project: Option<&PathBuf>) -> Scope<'_> {
    project.map_or(Scope::User, |folder| Scope::Project(folder))
}

pub(super) fn machine() -> anyhow::Result<Machine> {
    Machine::new(std::env::vars_os()).context("there is no home directory: set HOME to an absolute path")
}

/// Exits with 1 when a file was left alone, 2 when nobody agreed.
pub(super) async fn run(arguments: Install) -> anyhow::Result<ExitCode> {
    let machine = machine()?;
    let project = arguments.which.project()?;
    let mut named = arguments.which.named()?;
    if arguments.list {
        let all = if named.is_empty() {
            clients().map_err(anyhow::Error::msg)?.iter().collect()
        } else {
            named
        };
        return list::run(&machine, &all, project.as_deref(), arguments.json).await;
    }
    if arguments.print {
        let server = server(&arguments, arguments.settings.clone())?;
        return print_entries(&machine, &named, project.as_ref(), &server);
    }
    if named.is_empty() {
        let all = clients().map_err(anyhow::Error::msg)?;
        named = all
            .iter()
            .filter(|client| machine.has(client))
            .filter(|client| project.is_none() || client.has_projects())
            .collect();
    }
    if named.is_empty() {
        let all = clients().map_err(anyhow::Error::msg)?;
        let ids: Vec<&str> = all.iter().map(|client| client.id.as_str()).collect();
        bail!(
            "no client was found on this machine; name one of {}, or have the entry printed: `neon-mcp install --print cursor`",
            ids.join(", ")
        );
    }
    let plans: Vec<Plan> = named
        .into_iter()
        .map(|client| one(&machine, client, scope(project.as_ref()), &arguments))
        .collect::<anyhow::Result<_>>()?;
    if arguments.url.is_none()
        && let Some(warning) = program::does_not_last(&program::path()?)
    {
        eprintln!("neon-mcp: {warning}");
    }
    let is_there = |plan: &Plan| !matches!(plan.outcome, Outcome::ByHand { .. });
    let refers = |plan: &Plan| plan.client.can_refer() && is_there(plan);
    let wants_token = arguments.url.is_some() && !arguments.no_token && plans.iter().any(refers);
    // Of an entry that can't refer to a key a note says so.
    let says_so = |plan: &Plan| matches!(plan.outcome, Outcome::Change(_)) && !plan.client.can_refer();
    let wants_login = !arguments.which.dry_run
        && plans.iter().any(is_there)
        && !plans.iter().any(says_so)
        && is_without_credential(&arguments);
    let code = arguments.which.writing().run(plans, true);
    if wants_login && code == ExitCode::SUCCESS {
        print_folded(NO_CREDENTIAL, "");
    }
    if wants_token {
        print(&format!(
            "The variable {TOKEN_VARIABLE} must hold what that server asks of its callers where these clients are started: {WHICH_TOKEN}. \
             Where clients sign in by themselves (--auth oauth) or nothing is asked (--auth none), give --no-token. VS Code asks for it."
        ));
    }
    Ok(code)
}

/// What is said where the server will find no credential.
const NO_CREDENTIAL: &str = "Next: `neon-mcp login` signs you in; or set NEON_API_KEY where the client is started. Without either the \
                             server starts all the same, and each call says how to sign in.";

/// Whether a server of these settings will find no credential on this machine, as far as this shell can tell.
fn is_without_credential(arguments: &Install) -> bool {
    let has_key = std::env::var_os("NEON_API_KEY").is_some_and(|key| !key.is_empty());
    let server = server(arguments, arguments.settings.clone());
    !has_key
        && server.is_ok_and(|server| {
            matches!(server.credential, Credential::Referred) && !matches!(server.transport, Transport::Http(_))
        })
}

/// What an installation would do with one client: settings that its entry has and that aren't given stay.
fn one(machine: &Machine, client: &'static Client, scope: Scope<'_>, arguments: &Install) -> anyhow::Result<Plan> {
    let replace = arguments.which.replace;
    let given = arguments.settings.clone();
    let name = arguments.which.entry_name(given.sandbox == Some(true))?;
    let Some(entry) = own_entry(machine, client, scope, &name) else {
        return Ok(install(machine, client, scope, &server(arguments, given)?, replace));
    };
    let path = || files(machine, client, scope).into_iter().next();
    // A project's file is written by whoever made the project: nothing of what it says is taken over.
    let anew = replace || matches!(scope, Scope::Project(_));
    let had = match kept::settings(&entry) {
        Ok(had) => had,
        Err(_) if anew => Layer::default(),
        Err(why) => {
            let why = format!(
                "what `{}` there is started with can't be kept ({why}): --replace writes what is given here alone",
                name.as_str()
            );
            return Ok(Plan::left_alone(client, path(), why));
        }
    };
    let settings = match anew || arguments.url.is_some() {
        true => given.clone(),
        false => given.clone().keeping(had.clone()),
    };
    let lifted = settings.lifted(&had);
    if arguments.url.is_some() && !lifted.is_empty() && !anew {
        let why = format!(
            "`{}` there is bounded by what the server at that URL may not have: {}. --replace, where that is meant",
            name.as_str(),
            lifted.join("; ")
        );
        return Ok(Plan::left_alone(client, path(), why));
    }
    // Where what is given can't be used either, the entry isn't what is wrong.
    let server = server(arguments, settings).or_else(|error| {
        server(arguments, given.clone())?;
        Err(error.context(format!(
            "{}, with what its entry `{}` has already",
            client.name,
            name.as_str()
        )))
    })?;
    let mut plan = install(machine, client, scope, &server, replace);
    let changes = matches!(plan.outcome, Outcome::Change(_));
    if changes {
        plan.notes
            .extend(lifted.into_iter().map(|bound| format!("a bound is lifted: {bound}")));
    }
    if anew && changes {
        plan.notes.extend(kept::gone(client, &entry, &had, &server));
    } else if !anew && !matches!(plan.outcome, Outcome::ByHand { .. }) {
        plan.notes.extend(kept::redirecting(&entry, &had, &given, &server));
    }
    Ok(plan)
}

/// Exits as `install` does.
pub(super) fn run_uninstall(arguments: &Uninstall) -> anyhow::Result<ExitCode> {
    let machine = machine()?;
    let which = &arguments.which;
    let project = which.project()?;
    let mut named = which.named()?;
    let asked_for = !named.is_empty();
    if !asked_for {
        named = clients().map_err(anyhow::Error::msg)?.iter().collect();
    }
    let name = which.entry_name(false)?;
    let scope = scope(project.as_ref());
    let mut unread = false;
    // Of clients that nobody named, a file that can't be read may hold it: that is told, and the others go on.
    if !asked_for {
        for client in &named {
            for (path, why) in entries(&machine, client, scope).1 {
                unread = true;
                eprintln!(
                    "neon-mcp: {}: {} can't be looked into ({}): whether the server is in it isn't known",
                    client.name,
                    path.display(),
                    escaped(&why)
                );
            }
        }
    }
    let plans = named
        .iter()
        .map(|client| uninstall(&machine, client, scope, &name, which.replace))
        // Of clients that nobody named, those that have it; another server of that name in some other client is nobody's concern.
        .filter(|plan| asked_for || matches!(plan.outcome, Outcome::Change(_)))
        .collect::<Vec<_>>();
    let code = if plans.is_empty() {
        print(&format!("No client's file has an entry `{}` of ours.", name.as_str()));
        ExitCode::SUCCESS
    } else {
        which.writing().run(plans, false)
    };
    say_what_remains(&machine, &named, scope, &name);
    Ok(if unread && code == ExitCode::SUCCESS {
        ExitCode::FAILURE
    } else {
        code
    })
}

/// Names the entries of ours that have another name.
fn say_what_remains(machine: &Machine, clients: &[&'static Client], scope: Scope<'_>, name: &ServerName) {
    for client in clients {
        for place in entries(machine, client, scope).0 {
            let other = &place.entry.name;
            if other == name.as_str() {
                continue;
            }
            // A name that the option doesn't take may be anything, a command of its own among it.
            let next = match ServerName::parse(other) {
                Ok(other) => {
                    let project = if place.of_project { " --project" } else { "" };
                    let replace = if place.is_elsewhere { " --replace" } else { "" };
                    format!(
                        "neon-mcp uninstall {}{project} --name {}{replace}",
                        client.id,
                        quoted(other.as_str())
                    )
                }
                Err(_) => "remove it by hand".to_owned(),
            };
            print(&format!(
                "`{}` is still in {}: {next}",
                one_line(other, 64),
                place.path.display()
            ));
        }
    }
}

/// What is written. It must start: wrong settings are told here, where there is somebody to read it.
fn server(arguments: &Install, mut settings: Layer) -> anyhow::Result<Server> {
    let name = arguments.which.entry_name(arguments.settings.sandbox == Some(true))?;
    let mut words = settings.arguments()?;
    if let Some(url) = &arguments.url {
        if !words.is_empty() {
            bail!(
                "--url is a server that runs with its own settings: give {} there",
                words.join(" ")
            );
        }
        let credential = if arguments.no_token {
            Credential::Elsewhere
        } else {
            Credential::Referred
        };
        return Ok(Server {
            name,
            transport: Transport::Http(url.clone()),
            credential,
        });
    }
    // A file with a key lasts, wherever it was named; a key in a variable doesn't.
    let named = std::env::var_os("NEON_MCP_API_KEY_FILE").filter(|path| !path.is_empty());
    let names_credential = settings.api_key_file.is_some() || settings.profile.is_some() || settings.profiles.is_some();
    if !names_credential && settings.config.is_none() && !settings.sandbox.unwrap_or(false) {
        settings.api_key_file = named.map(PathBuf::from);
        words = settings.arguments()?;
    }
    let says_nothing = words.is_empty();
    let lasting = std::env::vars_os().filter(|(name, _)| LASTING.iter().any(|one| name == one));
    let resolved = Settings::resolve(settings, lasting)?;
    // The defaults start, and everything else is tried.
    if !says_nothing {
        let catalog = Catalog::embedded()?;
        let policy = resolved.policy(&catalog)?;
        Selection::new(catalog, &resolved.selection, &policy)?;
    }
    let credential = match resolved.upstream {
        // A login or a key file is found where it is; without either the entry refers to the variable.
        Upstream::Api { ref accounts, .. }
            if accounts.iter().all(|account| !account.source.credentials().is_there()) =>
        {
            Credential::Referred
        }
        _ => Credential::Elsewhere,
    };
    Ok(Server {
        name,
        transport: Transport::Stdio {
            command: program::path()?,
            arguments: words,
        },
        credential,
    })
}

/// Prints the entries alone, so that they can be piped; where they go is told beside.
fn print_entries(
    machine: &Machine,
    named: &[&'static Client],
    project: Option<&PathBuf>,
    server: &Server,
) -> anyhow::Result<ExitCode> {
    let mut all = true;
    for client in named {
        let entry = crate::clients::entry_alone(client, server, project.is_none());
        let path = crate::clients::files(machine, client, scope(project))
            .into_iter()
            .next();
        match (entry, path) {
            (Some(entry), Some(path)) => {
                eprintln!("{}: {}", client.name, path.display());
                print(entry.trim_end());
            }
            _ => {
                eprintln!("neon-mcp: {} has no place for this", client.name);
                all = false;
            }
        }
    }
    Ok(if all { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
