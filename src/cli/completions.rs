//! `neon-mcp completions`: what makes a shell complete commands, options, and the names that they take.

use std::process::ExitCode;

use clap::builder::PossibleValuesParser;
use clap::{Arg, Command};
use clap_complete::Shell;

use super::common::print;
use crate::catalog::Catalog;
use crate::clients::clients;

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// The shell
    #[arg(value_enum)]
    shell: Shell,
}

/// The name under which the script for bash is generated: with a hyphen in it, clap_complete 4.6 calls a subcommand by one name where it
/// finds it and by another where it says what follows.
const WITHOUT_HYPHEN: &str = "neonmcp";

/// The names that can be completed.
struct Names {
    clients: Vec<&'static str>,
    toolsets: Vec<&'static str>,
    tools: Vec<&'static str>,
}

/// A name for the parser, which takes those that last: this process ends with the script.
fn lasting(name: &str) -> &'static str {
    name.to_owned().leak()
}

pub(super) fn run(arguments: &Arguments, command: Command) -> anyhow::Result<ExitCode> {
    let catalog = Catalog::embedded()?;
    let mut toolsets = vec!["all", "default"];
    toolsets.extend(catalog.toolsets().iter().map(|toolset| lasting(&toolset.name)));
    let names = Names {
        clients: clients()
            .map_err(anyhow::Error::msg)?
            .iter()
            .map(|client| client.id.as_str())
            .collect(),
        toolsets,
        tools: catalog.tools().iter().map(|tool| lasting(tool.name())).collect(),
    };
    print(script(arguments.shell, with_names(command, &names))?.trim_end());
    Ok(ExitCode::SUCCESS)
}

fn script(shell: Shell, mut command: Command) -> anyhow::Result<String> {
    let name = command.get_name().to_owned();
    let generated_as = if shell == Shell::Bash { WITHOUT_HYPHEN } else { &name };
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut command, generated_as, &mut script);
    let script = String::from_utf8(script)?;
    if shell != Shell::Bash {
        return Ok(script);
    }
    // Only the lines that say for which program it is: `complete -F _neonmcp … neonmcp`.
    let own = |line: &str| match line.strip_suffix(WITHOUT_HYPHEN) {
        Some(rest) if line.trim_start().starts_with("complete ") => format!("{rest}{name}"),
        _ => line.to_owned(),
    };
    Ok(script.lines().map(own).collect::<Vec<_>>().join("\n"))
}

/// The same command, whose arguments know the names that they take. Wrong ones are answered where they are read, with the nearest.
fn with_names(command: Command, names: &Names) -> Command {
    let subcommands: Vec<String> = command
        .get_subcommands()
        .map(|command| command.get_name().to_owned())
        .collect();
    let command = command.mut_args(|argument| with_values(argument, names));
    subcommands.iter().fold(command, |command, name| {
        command.mut_subcommand(name, |subcommand| with_names(subcommand, names))
    })
}

fn with_values(argument: Arg, names: &Names) -> Arg {
    let values = match argument.get_id().as_str() {
        "clients" => &names.clients,
        "toolsets" => &names.toolsets,
        "tools" | "exclude_tools" | "tool" => &names.tools,
        _ => return argument,
    };
    argument.value_parser(PossibleValuesParser::new(values.clone()))
}
