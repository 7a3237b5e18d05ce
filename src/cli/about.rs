//! `neon-mcp`, typed in a terminal: what it is and what to do. A server has nobody to talk to there.

use std::io::IsTerminal as _;

use clap::Command;

use super::common::{print, print_painted, resolve};
use super::fold::{folded, width};
use super::style::Style;
use crate::catalog::{Catalog, Selection};
use crate::settings::Layer;

/// What people come for, and how they get it. What this build doesn't have isn't told.
const TO_DO: [(&str, &str, &str); 7] = [
    (
        "demo",
        "demo",
        "see it work, on a sandbox: no account, no key, nothing real",
    ),
    ("install", "install", "put it into the MCP clients of this machine"),
    ("login", "login", "sign in to Neon"),
    ("doctor", "doctor", "find out what is missing"),
    (
        "call",
        "call list_projects",
        "call a tool by hand (--sandbox: without an account)",
    ),
    (
        "sandbox",
        "sandbox",
        "run a Neon of your own, for any client of its API",
    ),
    ("", "--help", "all commands and settings"),
];

/// How much room must be left beside what is typed, for what it does.
const MIN_BESIDE: usize = 30;

/// Whether somebody typed it: a client's end of standard input is no terminal.
pub(super) fn is_wanted() -> bool {
    std::io::stdin().is_terminal()
}

/// Looks at the settings that were typed with it: what is wrong with them is what there is to say.
pub(super) fn check(settings: Layer) -> anyhow::Result<()> {
    // Those of a server over HTTP are wrong here, and that is told.
    if settings.arguments()?.is_empty() {
        return Ok(());
    }
    let settings = resolve(settings)?;
    let catalog = Catalog::embedded()?;
    let policy = settings.policy(&catalog)?;
    Selection::new(catalog, &settings.selection, &policy)?;
    Ok(())
}

/// Says it, of a program with that command line.
pub(super) fn say(command: &Command) {
    let stdout = std::io::stdout();
    let style = Style::of(&stdout);
    let width = width(&stdout);
    let known = |name: &str| {
        name.is_empty()
            || command
                .get_subcommands()
                .any(|command| command.get_name() == name && !command.is_hide_set())
    };
    let paragraph = |text: &str| folded(text, width, "", "").iter().for_each(|line| print(line));
    print_painted(&style.bold(&format!("neon-mcp {}", env!("CARGO_PKG_VERSION"))));
    paragraph(
        "An MCP server that hands Neon (serverless Postgres) to AI agents. What destroys something or gives access runs only after a \
         human approved exactly that call.",
    );
    print("");
    paragraph(
        "MCP clients (Claude, Cursor, VS Code and others) start it and talk to it over standard input and output. In a terminal it has \
         nobody to talk to. What to type here:",
    );
    print("");
    let to_do: Vec<_> = TO_DO.into_iter().filter(|(name, ..)| known(name)).collect();
    let longest = to_do.iter().map(|(_, typed, _)| typed.len()).max().unwrap_or_default();
    for (_, typed, what) in to_do {
        let mut first = format!("  neon-mcp {typed:<longest$}  ");
        let mut rest = " ".repeat(first.len());
        if width.is_some_and(|width| width < first.len() + MIN_BESIDE) {
            // Below it, where there is too little room beside.
            print_painted(&style.cyan(first.trim_end()));
            (first, rest) = ("      ".to_owned(), "      ".to_owned());
        }
        for line in folded(what, width, &first, &rest) {
            match line.strip_prefix(&first) {
                Some(what) => print_painted(&format!("{}{what}", style.cyan(&first))),
                None => print(&line),
            }
        }
    }
    print("");
    paragraph("To serve a client from here all the same: neon-mcp stdio");
}
