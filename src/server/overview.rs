//! The tools at a glance, for people and programs: what each does, what it is marked as, and what of it asks a human.

use std::fmt::Write as _;
use std::sync::Arc;

use serde_json::{Value, json};

use super::listing::published;
use super::tools::offered;
use crate::catalog::{
    BranchPin, Catalog, Linked, Pins, SelectedTool, Selection, SelectionOptions, published_output_problems,
    published_problems,
};
use crate::guard::{Effect, Policy};

/// The tools of a selection, each with its toolset, effect, operations, hints for clients, and what asks a human as long as the
/// operator's policy says nothing else.
#[must_use]
pub fn overview(selection: &Selection) -> Vec<Value> {
    let tools = selection.tools().iter().zip(offered(selection));
    tools
        .map(|(selected, tool)| {
            let declaration = &selected.tool.declaration;
            json!({
                "name": declaration.name,
                "title": declaration.title,
                "toolset": &*selected.tool.toolset,
                "effect": selected.effect().name(),
                "operation": operations(selected),
                "workflow": declaration.workflow.is_some(),
                "hands_over_a_secret": declaration.safety.reveals,
                "hints": tool.annotations,
                "asks": asks(selected),
            })
        })
        .collect()
}

/// The same as a table in Markdown.
#[must_use]
pub fn overview_table(selection: &Selection) -> String {
    let mut text = "| tool | toolset | effect | operation | asks |\n| --- | --- | --- | --- | --- |".to_owned();
    for selected in selection.tools() {
        let asks: Vec<String> = asks(selected)
            .iter()
            .filter_map(|ask| Some(ask.get("because")?.as_str()?.to_owned()))
            .collect();
        // Several arguments may raise a call for the same reason.
        let mut told: Vec<String> = Vec::new();
        for reason in asks {
            if !told.contains(&reason) {
                told.push(reason);
            }
        }
        let operations = operations(selected);
        let _ = write!(
            text,
            "\n| `{}` | {} | {} | {} | {} |",
            selected.tool.name(),
            selected.tool.toolset,
            selected.effect().name(),
            operations.join(", "),
            told.join("; ").replace('|', "\\|")
        );
    }
    text
}

/// The operations of Neon's API that the tool stands for; none where it speaks SQL alone.
fn operations(selected: &SelectedTool) -> Vec<&str> {
    selected.tool.declaration.operation.iter().collect()
}

/// What asks a human: the tool itself, what its statements do, or what some arguments and facts make of it.
pub(super) fn asks(selected: &SelectedTool) -> Vec<Value> {
    let declaration = &selected.tool.declaration;
    let effect = selected.effect();
    let mut asks = Vec::new();
    let mut ask = |effect: Effect, always: bool, because: &str| {
        asks.push(json!({"effect": effect.name(), "always": always, "because": because}));
    };
    if let Some(argument) = declaration.statements() {
        if effect != Effect::Read {
            ask(
                effect,
                false,
                &format!("the statements in {argument} lose data or access"),
            );
        }
    } else if declaration.completes().is_some() {
        if effect != Effect::Read {
            ask(effect, false, "what was prepared loses data or access");
        }
    } else if effect.needs_consent() {
        let because = match effect {
            Effect::Access => "gives access, or changes what is spent",
            _ => "loses data or access, or can't be taken back",
        };
        ask(effect, !declaration.safety.free_on_throwaway, because);
    } else if declaration.safety.reveals {
        ask(Effect::Access, false, "hands over a secret");
    }
    if !selected.read_only {
        for escalation in declaration
            .safety
            .escalate
            .iter()
            .filter(|escalation| escalation.effect.needs_consent())
        {
            ask(escalation.effect, false, &escalation.because);
        }
    }
    asks
}

/// What a model's API would refuse in what `tools/list` gives, in every mode of the list: each with the mode, the tool and where.
///
/// # Errors
/// When the catalogue doesn't load, or a mode leaves no tool.
pub fn published_list_problems() -> anyhow::Result<Vec<String>> {
    let all = || SelectionOptions {
        toolsets: Some(vec!["all".to_owned()]),
        ..SelectionOptions::default()
    };
    let project = crate::neon::ProjectId::parse("quiet-sun-12345678").ok();
    let organization_id = crate::neon::OrganizationId::parse("org-quiet-sun-12345678").ok();
    let modes = [
        ("default", SelectionOptions::default()),
        ("all", all()),
        (
            "read-only",
            SelectionOptions {
                read_only: true,
                ..all()
            },
        ),
        (
            "one project",
            SelectionOptions {
                project_id: project,
                ..all()
            },
        ),
        (
            "one organization",
            SelectionOptions {
                organization_id,
                ..all()
            },
        ),
        (
            "one branch, role and database",
            SelectionOptions {
                pins: Pins {
                    branch: BranchPin::parse("main").ok(),
                    role: Some("app".to_owned()),
                    database: Some("shop".to_owned()),
                },
                ..all()
            },
        ),
        (
            "linked",
            SelectionOptions {
                linked: Some(Arc::new(Linked {
                    file: ".neon".to_owned(),
                    project: crate::neon::ProjectId::parse("quiet-sun-12345678").ok(),
                    organization: crate::neon::OrganizationId::parse("org-quiet-sun-12345678").ok(),
                    branch: BranchPin::parse("main").ok(),
                })),
                ..all()
            },
        ),
        (
            "discovery",
            SelectionOptions {
                discovery: true,
                ..SelectionOptions::default()
            },
        ),
    ];
    let mut problems = Vec::new();
    for (mode, options) in modes {
        let selection = Selection::new(Catalog::embedded()?, &options, &Policy::default())?;
        for tool in published(&selection) {
            let name = &tool.name;
            if name.is_empty() || name.len() > 64 {
                problems.push(format!("{mode}: {name}: a name has 1 to 64 characters"));
            }
            let output = match &tool.output_schema {
                Some(schema) => published_output_problems(schema),
                None => vec![(String::new(), "there is none".to_owned())],
            };
            let schemas = [
                ("inputSchema", published_problems(&tool.input_schema)),
                ("outputSchema", output),
            ];
            for (which, found) in schemas {
                problems.extend(
                    found
                        .into_iter()
                        .map(|(at, message)| format!("{mode}: {name}: {which}{at}: {message}")),
                );
            }
        }
    }
    Ok(problems)
}
