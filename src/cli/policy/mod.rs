//! `neon-mcp policy`: what the operator's policy does, before any agent meets it.

mod explain;

use explain::LONGEST;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Subcommand;

use super::common::{print, print_folded};
use crate::catalog::Catalog;
use crate::guard::{Policy, PolicyExplanation, policy_reference, policy_schema};
use crate::neon::text::one_line;

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Say what a policy file does, or what it would do with one call; nothing is sent
    ///
    /// With a tool, the exit code is 0 when the call would run, 2 when a human would be asked, 1 when it is refused. Where that
    /// depends on what Neon says about a branch, every case is shown, and the strictest counts.
    Check {
        /// The policy file
        #[arg(value_name = "FILE")]
        file: PathBuf,
        /// A tool: what would happen with a call of it
        #[arg(value_name = "TOOL")]
        tool: Option<String>,
        /// The call's arguments, a JSON object, with ids: names of projects aren't looked up
        #[arg(value_name = "JSON", default_value = "{}")]
        arguments: String,
    },
    /// Print the JSON schema of policy files
    Schema,
    /// Print the reference of policy files, which docs/policy.md holds
    Reference,
}

/// Exits with 1 when the policy can't be used.
pub(super) fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    match &arguments.command {
        Command::Schema => print(&crate::cli::common::json_text(&policy_schema())?),
        Command::Reference => print(&policy_reference()),
        Command::Check { file, tool, arguments } => {
            let catalog = Catalog::embedded()?;
            let policy = Policy::read(file, catalog.tools().iter().map(|tool| tool.name()))?;
            match tool {
                Some(tool) => return explain::run(&policy, catalog, tool, arguments),
                None => words(&policy.in_words(&catalog)),
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn words(policy: &PolicyExplanation) {
    let say = |text: &str| print_folded(&one_line(text, LONGEST), "  ");
    if policy.rules.is_empty() {
        print("Nothing is written that differs from the defaults.");
    }
    policy.rules.iter().for_each(|rule| say(rule));
    let mut rules: Vec<&str> = policy.hidden.iter().map(|(_, rule)| rule.as_str()).collect();
    rules.dedup();
    rules.sort_unstable();
    rules.dedup();
    for rule in rules {
        let names = policy.hidden.iter().filter(|(_, by)| by == rule);
        let names: Vec<&str> = names.map(|(name, _)| name.as_str()).collect();
        print_folded(&format!("hidden by {rule}: {}", names.join(", ")), "  ");
    }
    policy
        .warnings
        .iter()
        .for_each(|warning| say(&format!("warning: {warning}")));
    print("The policy is valid.");
}
