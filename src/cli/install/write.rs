//! Showing what would change, asking, writing.

use std::collections::BTreeSet;
use std::io::{BufRead as _, IsTerminal as _, Write as _};
use std::process::ExitCode;

use crate::cli::common::{print, print_painted};
use crate::cli::fold::{folded, width};
use crate::clients::{Outcome, Plan};
use crate::neon::text::escaped;

/// A file was left alone.
const LEFT_ALONE: u8 = 1;

/// Nobody agreed.
const NOT_AGREED: u8 = 2;

/// How the changes are written.
pub(super) struct Writing {
    pub(super) dry_run: bool,
    pub(super) yes: bool,
}

impl Writing {
    /// Shows what would change, and writes it after asking.
    pub(super) fn run(&self, plans: Vec<Plan>, is_install: bool) -> ExitCode {
        let colours =
            std::io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
        let mut noted = BTreeSet::new();
        for plan in &plans {
            show(plan, colours, &mut noted);
        }
        let by_hand = plans
            .iter()
            .filter(|plan| matches!(plan.outcome, Outcome::ByHand { .. }));
        let mut left_alone: Vec<&str> = by_hand.map(|plan| plan.client.name.as_str()).collect();
        let changes = plans.iter().filter_map(|plan| match &plan.outcome {
            Outcome::Change(change) => Some((plan, change)),
            _ => None,
        });
        let changes: Vec<_> = changes.collect();
        // Among many clients, those that were left alone stand far above.
        let code = |left_alone: &[&str]| {
            if left_alone.is_empty() {
                return ExitCode::SUCCESS;
            }
            if plans.len() > 1 {
                eprintln!("neon-mcp: left alone, for the reasons above: {}", left_alone.join(", "));
            }
            ExitCode::from(LEFT_ALONE)
        };
        if changes.is_empty() {
            return code(&left_alone);
        }
        if self.dry_run {
            print("Nothing was written (--dry-run).");
            return code(&left_alone);
        }
        if !self.yes && !agreed(changes.len()) {
            return ExitCode::from(NOT_AGREED);
        }
        for (plan, change) in changes {
            let path = plan
                .path
                .as_deref()
                .map(|path| path.display().to_string())
                .unwrap_or_default();
            match change.write() {
                Ok(()) => {
                    print(&format!("written: {path}"));
                    if is_install {
                        print(&format!("  {}", plan.client.then));
                    }
                }
                Err(problem) => {
                    left_alone.push(plan.client.name.as_str());
                    eprintln!("neon-mcp: {path} was not written: {problem}");
                }
            }
        }
        code(&left_alone)
    }
}

/// Shows what would change in one file. A note that others had before it is told once.
fn show<'p>(plan: &'p Plan, colours: bool, noted: &mut BTreeSet<&'p str>) {
    let path = plan.path.as_deref().map(|path| path.display().to_string());
    let head = match path {
        Some(path) => format!("{}: {path}", plan.client.name),
        None => plan.client.name.clone(),
    };
    match &plan.outcome {
        Outcome::Unchanged => print(&format!("{head}: nothing to change")),
        Outcome::NotThere => print(&format!("{head}: not there")),
        Outcome::Change(change) => {
            let new = if change.is_new() { " (a new file)" } else { "" };
            print(&format!("{head}{new}"));
            for (sign, line) in change.lines() {
                let colour = match sign {
                    '+' => "32",
                    '-' => "31",
                    _ => "2",
                };
                // What stands in the file may steer a terminal.
                let line = format!(
                    "  {sign} {}",
                    line.split('\t').map(escaped).collect::<Vec<_>>().join("\t")
                );
                print_painted(&if colours {
                    format!("\u{1b}[{colour}m{line}\u{1b}[0m")
                } else {
                    line
                });
            }
        }
        Outcome::ByHand { why, add } => {
            print(&format!("{head}: left alone: {}", escaped(why)));
            if let Some(add) = add {
                print("  What to add there by hand:");
                for line in add.trim_end().lines() {
                    print(&format!("    {line}"));
                }
            }
        }
    }
    for note in plan.notes.iter().filter(|note| noted.insert(note)) {
        let lines = folded(
            &format!("Note: {}", escaped(note)),
            width(std::io::stdout()),
            "  ",
            "    ",
        );
        lines.iter().for_each(|line| print(line));
    }
}

/// Whether somebody agrees at the terminal.
fn agreed(count: usize) -> bool {
    if !(std::io::stdin().is_terminal() && std::io::stderr().is_terminal()) {
        eprintln!("neon-mcp: nothing was written: say yes in a terminal, or with --yes");
        return false;
    }
    let files = if count == 1 { "this file" } else { "these files" };
    eprint!("Write {files}? Type yes or no: ");
    let _ = std::io::stderr().flush();
    let mut line = String::new();
    let read = std::io::stdin().lock().read_line(&mut line);
    let agreed = read.is_ok() && ["y", "yes"].contains(&line.trim().to_lowercase().as_str());
    if !agreed {
        eprintln!("neon-mcp: nothing was written");
    }
    agreed
}
