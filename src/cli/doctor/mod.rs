//! `neon-mcp doctor`: what keeps an agent from working, and the next step. It changes nothing, and says nothing secret.

mod check;
mod credential;
mod installed;
mod local;
mod network;

use std::process::ExitCode;

use serde_json::json;

use check::{Check, State};

use super::common::{here, print, resolve, told};
use super::version::VERSION;
use crate::catalog::Catalog;
use crate::guard::without_own_keys;
use crate::settings::Layer;

#[derive(Debug, clap::Args)]
#[command(after_help = "Exits with 1 when something must be mended.")]
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
    let mut checks = vec![local::program()];
    // One thing that is wrong must not keep the others from being looked at.
    match resolve(arguments.settings.clone()).and_then(here) {
        Ok(settings) => {
            checks.push(Check::ok("settings", "they can be used"));
            let found = credential::find(&settings);
            checks.push(local::state(settings.state()));
            checks.push(local::policy(&settings, &Catalog::embedded()?));
            checks.extend(network::checks(&settings, found, arguments.offline).await);
        }
        Err(error) => {
            let next = "mend this setting: docs/settings.md has all of them, and `neon-mcp --help`";
            checks.push(Check::problem("settings", told(&error), next));
        }
    }
    checks.push(network::proxy());
    checks.push(network::certificates());
    checks.push(local::postgres(&arguments.settings));
    checks.extend(installed::checks(arguments.offline).await);
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
        print(&without_own_keys(&serde_json::to_string_pretty(&all)?));
        return Ok(());
    }
    for check in checks {
        print(&without_own_keys(&format!(
            "{:<8} {:<12} {}",
            check.state.name(),
            check.check,
            check.message
        )));
        if let Some(next) = &check.next {
            print(&without_own_keys(&format!("{:<8} {:<12} next: {next}", "", "")));
        }
    }
    Ok(())
}
