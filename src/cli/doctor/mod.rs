//! `neon-mcp doctor`: what keeps an agent from working, and the next step. It changes nothing, and says nothing secret.

mod certificate;
mod check;
mod credential;
mod installed;
mod local;
mod network;
mod server;

use std::process::ExitCode;

use serde_json::json;

use check::{Check, State};

use super::common::{here, print, resolve, told};
use super::fold::{folded, width};
use super::version::VERSION;
use crate::catalog::Catalog;
use crate::guard::without_own_keys;
use crate::settings::Layer;

#[derive(Debug, clap::Args)]
#[command(
    after_help = "With the settings of `neon-mcp http` (--config FILE) it looks at what a server needs, and at no client. Exits with 1 when \
                  something must be mended."
)]
pub(super) struct Arguments {
    /// For programs: a list of checks, each with its state, what was found, and the next step
    #[arg(long)]
    json: bool,
    /// Ask nothing over the network, and start no server of a client
    #[arg(long)]
    offline: bool,
    #[command(flatten)]
    settings: Layer,
}

/// Exits with 1 when a check found a problem.
pub(super) async fn run(arguments: Arguments) -> anyhow::Result<ExitCode> {
    let offline = arguments.offline;
    let mut checks = vec![local::program()];
    // One thing that is wrong must not keep the others from being looked at.
    let resolved = resolve(arguments.settings.clone()).and_then(here);
    let is_server = match &resolved {
        Ok(settings) => server::is_one(settings),
        // What a file says that can't be used isn't known: who names one runs a server by it.
        Err(_) => arguments.settings.config.is_some(),
    };
    // What clients have is nothing to a server, and the other way round.
    let installed = match is_server {
        true => None,
        false => Some(installed::look(offline).await),
    };
    match resolved {
        Ok(settings) => {
            checks.push(Check::ok("settings", "they can be used"));
            let found = credential::find(&settings);
            checks.push(local::state(settings.state()));
            checks.push(local::policy(&settings, &Catalog::embedded()?));
            let elsewhere = installed
                .as_ref()
                .is_some_and(installed::Installed::calls_servers_alone);
            match elsewhere && found.is_empty() {
                true => checks.extend(network::elsewhere()),
                false => checks.extend(network::checks(&settings, found, offline).await),
            }
            if is_server {
                checks.extend(server::checks(&settings, &arguments.settings, offline).await);
            }
        }
        Err(error) => {
            let next = "mend this setting: docs/settings.md has all of them, and `neon-mcp --help`";
            checks.push(Check::problem("settings", told(&error), next));
        }
    }
    checks.push(network::proxy());
    checks.push(network::certificates());
    if let Some(installed) = installed {
        checks.push(local::postgres(&arguments.settings));
        checks.extend(installed.checks());
    }
    show(&checks, arguments.json)?;
    let is_problem = |check: &Check| check.state == State::Problem;
    Ok(if checks.iter().any(is_problem) {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    })
}

fn show(checks: &[Check], as_json: bool) -> anyhow::Result<()> {
    if as_json {
        let healthy = !checks.iter().any(|check| check.state == State::Problem);
        let all = json!({ "version": VERSION, "healthy": healthy, "checks": checks });
        print(&without_own_keys(&crate::cli::common::json_text(&all)?));
        return Ok(());
    }
    let width = width(std::io::stdout());
    let blank = format!("{:<8} {:<12} ", "", "");
    for check in checks {
        let first = format!("{:<8} {:<12} ", check.state.name(), check.check);
        let next = check.next.as_ref().map(|next| format!("next: {next}"));
        let message = folded(&without_own_keys(&check.message), width, &first, &blank);
        let next = next.map(|next| folded(&without_own_keys(&next), width, &blank, &format!("{blank}      ")));
        message.iter().chain(next.iter().flatten()).for_each(|line| print(line));
    }
    Ok(())
}
