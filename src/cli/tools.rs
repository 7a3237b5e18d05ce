//! `neon-mcp tools`: what there is, and how large it is.

use std::process::ExitCode;

use anyhow::bail;

use super::common::{print, resolve};
use super::fold::{folded, width};
use super::reach::Reach;
use crate::catalog::{Catalog, Selection, format_schema, lint, sources, synonym_problems};
use crate::server::{
    example_arguments, offered, overview, overview_table, published, published_bytes, published_list_problems, tokens,
    tool_page, tools_reference, toolset_sizes,
};
use crate::settings::Layer;
use crate::text::one_line;

#[derive(Debug, clap::Args)]
#[command(after_help = "Example: neon-mcp tools list_projects")]
pub(super) struct Arguments {
    /// One tool: what it does, what it takes, whether it asks, and how it is called
    #[arg(conflicts_with_all = ["json", "format_schema", "check", "format", "reference"])]
    tool: Option<String>,
    /// How the tools are shown: as a table with their sizes, or each with its operation, effect, toolset, hints and what asks
    #[arg(long, value_enum, default_value_t, value_name = "FORMAT")]
    format: Format,
    /// Print the tools as tools/list gives them
    #[arg(long, conflicts_with_all = ["format_schema", "check", "format"])]
    json: bool,
    /// Print the reference of the selected tools, which docs/tools.md holds for all of them
    #[arg(long, conflicts_with_all = ["json", "format_schema", "check", "format"])]
    reference: bool,
    /// Print the schema of the files in tools/, which tools/schema.json holds
    #[arg(long, conflicts_with_all = ["check", "format"])]
    format_schema: bool,
    /// Check the declarations
    #[arg(long, conflicts_with = "format")]
    check: bool,
    #[command(flatten)]
    settings: Layer,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, clap::ValueEnum)]
enum Format {
    /// Columns for people, with sizes
    #[default]
    Table,
    /// A list for programs
    Json,
    /// A table for documents
    Markdown,
}

/// How wide a row of the table is, in columns.
const SIZES: usize = 93;

/// The least room for what a tool does beside that.
const MIN_TITLE: usize = 24;

pub(super) fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    if arguments.format_schema {
        print(&crate::cli::common::json_text(&format_schema())?);
        return Ok(ExitCode::SUCCESS);
    }
    if arguments.check {
        let problems = lint(&sources());
        problems.iter().for_each(|problem| print(&problem.to_string()));
        let listed = published_list_problems()?;
        listed.iter().for_each(|problem| print(problem));
        let words = synonym_problems(&Catalog::embedded()?);
        words.iter().for_each(|problem| print(&problem.to_string()));
        return Ok(if problems.is_empty() && listed.is_empty() && words.is_empty() {
            ExitCode::SUCCESS
        } else {
            ExitCode::FAILURE
        });
    }
    let mut settings = resolve(arguments.settings.clone())?;
    if arguments.tool.is_some() && settings.selection.toolsets.is_none() {
        // Whoever names a tool wants that one, whatever is listed by default.
        settings.selection.toolsets = Some(vec!["all".to_owned()]);
    }
    let catalog = Catalog::embedded()?;
    let count = catalog.tools().len();
    let policy = settings.policy(&catalog)?;
    let selection = Selection::new(catalog, &settings.selection, &policy)?;
    if let Some(name) = &arguments.tool {
        let Some(selected) = selection.tool(name) else {
            bail!("{} `neon-mcp tools` lists them", selection.missing(name));
        };
        let page = tool_page(selected);
        folded(&page, width(std::io::stdout()), "", "    ")
            .iter()
            .for_each(|line| print(line));
        let command = Reach::of(&arguments.settings).call(name, &example_arguments(selected));
        print(&format!("Example:\n  {command}"));
        return Ok(ExitCode::SUCCESS);
    }
    if arguments.json {
        print(&serde_json::to_string(&published(&selection))?);
        return Ok(ExitCode::SUCCESS);
    }
    let tools = offered(&selection);
    if arguments.reference {
        print(tools_reference(&selection).trim_end());
        return Ok(ExitCode::SUCCESS);
    }
    match arguments.format {
        Format::Table => {}
        Format::Json => {
            print(&crate::cli::common::json_text(&overview(&selection))?);
            return Ok(ExitCode::SUCCESS);
        }
        Format::Markdown => {
            print(&overview_table(&selection));
            return Ok(ExitCode::SUCCESS);
        }
    }
    let columns = width(std::io::stdout());
    // A terminal of 80 columns has no room for both sizes.
    let is_narrow = columns.is_some_and(|columns| columns < SIZES);
    let size = |bytes: usize| match is_narrow {
        true => format!("{bytes:>6} bytes"),
        false => format!("{bytes:>6} bytes  ~{:>5} tokens", tokens(bytes)),
    };
    let room = columns.and_then(|width| width.checked_sub(SIZES + MIN_TITLE));
    let room = room.map(|room| room + MIN_TITLE - 2);
    for (selected, tool) in selection.tools().iter().zip(&tools) {
        let declaration = &selected.tool.declaration;
        let bytes = published_bytes(std::slice::from_ref(tool)).saturating_sub(2);
        let title = room.map_or_else(String::new, |room| format!("  {}", one_line(&declaration.title, room)));
        print(&format!(
            "{:<34} {:<15} {:<12} {}{title}",
            declaration.name,
            selected.tool.toolset,
            declaration.safety.effect.name(),
            size(bytes)
        ));
    }
    print("");
    for toolset in toolset_sizes(&selection) {
        print(&format!(
            "{:<34} {:>3} tools {:>19} {}",
            toolset.name,
            toolset.tools,
            "",
            size(toolset.bytes)
        ));
    }
    let bytes = published_bytes(&tools);
    print(&format!(
        "\n{} of {count} tools, {bytes} bytes, about {} tokens (an estimate: 4 bytes each)",
        tools.len(),
        tokens(bytes)
    ));
    if selection.discovery() {
        let listed = published(&selection);
        print(&format!(
            "listed in place of them: {} tools, {} bytes",
            listed.len(),
            published_bytes(&listed)
        ));
    }
    Ok(ExitCode::SUCCESS)
}
