//! docs/settings.md: every setting and every flag of every command, from the parser itself.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use clap::{Arg, Args as _, Command};

use crate::settings::Layer;

const INTRO: &str = "# Settings and commands

Everything that can be given on a command line, from the parser itself (`cargo xtask settings`). `neon-mcp COMMAND --help` says the same.

## Settings

A setting is a flag (`--read-only`), a variable (`NEON_MCP_READ_ONLY`) or a key in the TOML file that `--config` names (`read_only`). A flag
beats a variable, a variable beats the file. What isn't known stops the start, and the nearest known name is told. Files that say what may
run or hold a secret are read only where nobody but you and root can change them.

Three variables stand for themselves: `NEON_API_KEY` is a key itself, never given as an argument, where others could read it;
`NEON_API_HOST` is `--api-host`; `NEON_MCP_LOG` is the filter of the log on standard error (`warn,neon_mcp=info`).
";

/// What docs/settings.md holds.
pub(super) fn page(command: Command) -> String {
    let mut text = INTRO.to_owned();
    let settings = Layer::augment_args(Command::new("settings"));
    let known: BTreeSet<String> = settings.get_arguments().map(|one| one.get_id().to_string()).collect();
    text.push_str("\n| flag | variable | meaning | default |\n| --- | --- | --- | --- |\n");
    for argument in settings.get_arguments().filter(|one| !one.is_hide_set()) {
        let variable = format!("`NEON_MCP_{}`", argument.get_id().as_str().to_uppercase());
        let (meaning, default) = meaning(argument);
        let _ = writeln!(text, "| `{}` | {variable} | {meaning} | {default} |", flag(argument));
    }
    let mut command = command.disable_help_subcommand(true);
    command.build();
    text.push_str("\n## Commands\n");
    for one in command.get_subcommands() {
        describe(&mut text, one, &known);
    }
    text
}

fn describe(text: &mut String, command: &Command, settings: &BTreeSet<String>) {
    if command.is_hide_set() || command.get_name() == "help" {
        return;
    }
    let name = command.get_bin_name().unwrap_or_else(|| command.get_name());
    let about = command.get_long_about().or_else(|| command.get_about());
    let about = about.map(ToString::to_string).unwrap_or_default();
    let _ = write!(text, "\n### `{name}`\n\n{}.\n", cell(about.trim_end_matches('.')));
    let mut own = command
        .get_arguments()
        .filter(|one| !one.is_hide_set() && one.get_id() != "help" && one.get_id() != "version")
        .filter(|one| !settings.contains(one.get_id().as_str()) || is_own(command, one))
        .peekable();
    if own.peek().is_some() {
        text.push_str("\n| argument | meaning | default |\n| --- | --- | --- |\n");
    }
    for argument in own {
        let (meaning, default) = meaning(argument);
        let _ = writeln!(text, "| `{}` | {meaning} | {default} |", flag(argument));
    }
    if takes_settings(command) {
        text.push_str("\nIt takes every [setting](#settings), too.\n");
    }
    if let Some(after) = command.get_after_help() {
        let _ = write!(text, "\n{}\n", cell(&after.to_string()));
    }
    for one in command.get_subcommands() {
        describe(text, one, settings);
    }
}

/// Whether a command takes all settings.
fn takes_settings(command: &Command) -> bool {
    command
        .get_arguments()
        .any(|one| one.get_id() == "exclude_tools" && !one.is_hide_set())
}

/// Whether an argument that is called like a setting is the command's own.
fn is_own(command: &Command, argument: &Arg) -> bool {
    !takes_settings(command) && !argument.is_hide_set()
}

/// `-y, --yes`, `--name <NAME>`, `[CODE]`.
fn flag(argument: &Arg) -> String {
    let values: Vec<String> = argument
        .get_value_names()
        .into_iter()
        .flatten()
        .map(ToString::to_string)
        .collect();
    let takes = argument.get_action().takes_values();
    let value = values
        .first()
        .cloned()
        .unwrap_or_else(|| argument.get_id().to_string().to_uppercase());
    let Some(long) = argument.get_long() else {
        let more = if argument.get_action().takes_values()
            && argument.get_num_args().is_some_and(|range| range.max_values() > 1)
            || matches!(argument.get_action(), clap::ArgAction::Append)
        {
            "..."
        } else {
            ""
        };
        return if argument.is_required_set() {
            format!("{value}{more}")
        } else {
            format!("[{value}{more}]")
        };
    };
    let short = argument
        .get_short()
        .map(|short| format!("-{short}, "))
        .unwrap_or_default();
    let optional = argument.get_num_args().is_some_and(|range| range.min_values() == 0);
    match (takes, optional) {
        (false, _) => format!("{short}--{long}"),
        (true, true) => format!("{short}--{long}[={value}]"),
        (true, false) => format!("{short}--{long} {value}"),
    }
}

/// What an argument means, with the values that it takes; and its default.
fn meaning(argument: &Arg) -> (String, String) {
    let help = argument.get_long_help().or_else(|| argument.get_help());
    let help = cell(&help.map(ToString::to_string).unwrap_or_default());
    let (help, told) = match help.split_once("[default: ") {
        Some((before, rest)) => {
            let (default, after) = rest.split_once(']').unwrap_or((rest, ""));
            (format!("{}{after}", before.trim_end()), Some(default.to_owned()))
        }
        None => (help, None),
    };
    let values: Vec<String> = argument
        .get_possible_values()
        .iter()
        .filter(|_| argument.get_action().takes_values())
        .map(|value| format!("`{}`", value.get_name()))
        .collect();
    let is_truth = values.iter().any(|value| value == "`true`");
    let values = if values.is_empty() || is_truth {
        String::new()
    } else {
        format!(" ({})", values.join(", "))
    };
    let own: Vec<String> = argument
        .get_default_values()
        .iter()
        .filter(|_| argument.get_action().takes_values())
        .map(|value| format!("`{}`", value.to_string_lossy()))
        .collect();
    (format!("{help}{values}"), told.unwrap_or_else(|| own.join(", ")))
}

/// A text in one line, as a cell of a table holds it.
fn cell(text: &str) -> String {
    // A summary ends without a stop, where more may follow.
    let text = text.replace(".\n\n", "\n\n").replace("\n\n", ". ");
    text.split_whitespace()
        .collect::<Vec<_>>()
        .join(" ")
        .replace('|', "\\|")
}
