//! `neon-mcp tools`: what there is, and how large it is.

use std::process::ExitCode;

use super::{print, resolve};
use crate::catalog::{Catalog, Selection, format_schema, lint, sources};
use crate::server::{published, published_bytes};
use crate::settings::Layer;

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// Print the tools as tools/list gives them
    #[arg(long, conflicts_with_all = ["format_schema", "check"])]
    json: bool,
    /// Print the schema of the files in tools/, which tools/schema.json holds
    #[arg(long, conflicts_with = "check")]
    format_schema: bool,
    /// Check the declarations
    #[arg(long)]
    check: bool,
    #[command(flatten)]
    settings: Layer,
}

pub(super) fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    if arguments.format_schema {
        print(&serde_json::to_string_pretty(&format_schema())?);
        return Ok(ExitCode::SUCCESS);
    }
    if arguments.check {
        let problems = lint(&sources());
        problems.iter().for_each(|problem| print(&problem.to_string()));
        return Ok(if problems.is_empty() {
            ExitCode::SUCCESS
        } else {
            ExitCode::FAILURE
        });
    }
    let settings = resolve(arguments.settings.clone())?;
    let catalog = Catalog::embedded()?;
    let count = catalog.tools().len();
    let policy = settings.policy(&catalog)?;
    let selection = Selection::new(catalog, &settings.selection, &policy)?;
    let tools = published(&selection);
    if arguments.json {
        print(&serde_json::to_string(&tools)?);
        return Ok(ExitCode::SUCCESS);
    }
    for (selected, tool) in selection.tools().iter().zip(&tools) {
        let declaration = &selected.tool.declaration;
        let bytes = published_bytes(std::slice::from_ref(tool)).saturating_sub(2);
        print(&format!(
            "{:<32} {:<14} {:<12} {bytes:>6} bytes",
            declaration.name,
            selected.tool.toolset,
            declaration.effect.name()
        ));
    }
    print(&format!(
        "{} of {} tools, {} bytes",
        tools.len(),
        count,
        published_bytes(&tools)
    ));
    Ok(ExitCode::SUCCESS)
}
