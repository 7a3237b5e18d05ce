//! `neon-mcp man`: manual pages, for who packages the program.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context as _;
use clap::Command;
use clap_mangen::Man;

use super::common::print;

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// The folder, which is made where it isn't there
    folder: PathBuf,
}

/// Writes a page for the program, and one for each command.
pub(super) fn run(arguments: &Arguments, command: Command) -> anyhow::Result<ExitCode> {
    let folder = &arguments.folder;
    std::fs::create_dir_all(folder).with_context(|| format!("can't make {}", folder.display()))?;
    let mut command = command.disable_help_subcommand(true);
    command.build();
    page(&command, folder)?;
    print(&format!(
        "The pages are in {}: `man -l {}`",
        folder.display(),
        folder.join("neon-mcp.1").display()
    ));
    Ok(ExitCode::SUCCESS)
}

fn page(command: &Command, folder: &Path) -> anyhow::Result<()> {
    let name = command
        .get_display_name()
        .unwrap_or_else(|| command.get_name())
        .to_owned();
    let path = folder.join(format!("{name}.1"));
    let mut text = Vec::new();
    Man::new(command.clone()).render(&mut text)?;
    std::fs::write(&path, text).with_context(|| format!("can't write {}", path.display()))?;
    command
        .get_subcommands()
        .filter(|command| !command.is_hide_set() && command.get_name() != "help")
        .try_for_each(|command| page(command, folder))
}
