//! The reference of tools for people, made from the catalogue.

use std::fmt::Write as _;

use serde_json::{Map, Value};

use super::tools::{publish, published_bytes};
use crate::catalog::{Escalation, Said, SelectedTool, Selection, Tool, Undo};

/// How many bytes of a definition make a token, about: JSON with English words in it.
const BYTES_PER_TOKEN: usize = 4;

/// About how many tokens a definition of that size costs a model.
#[must_use]
pub fn tokens(bytes: usize) -> usize {
    bytes.div_ceil(BYTES_PER_TOKEN)
}

/// What a toolset holds and costs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ToolsetSize {
    /// Its name.
    pub name: String,
    /// What it is about.
    pub about: String,
    /// How many tools it has.
    pub tools: usize,
    /// The bytes of their definitions.
    pub bytes: usize,
}

/// The toolsets of a selection, in its order, with what they hold and cost.
#[must_use]
pub fn toolset_sizes(selection: &Selection) -> Vec<ToolsetSize> {
    let mut sizes: Vec<ToolsetSize> = Vec::new();
    for toolset in selection.catalog().toolsets() {
        let of_it = selection
            .tools()
            .iter()
            .filter(|selected| selected.tool.toolset == toolset.name);
        let tools: Vec<_> = of_it.map(|selected| publish(selected)).collect();
        if !tools.is_empty() {
            sizes.push(ToolsetSize {
                name: toolset.name.to_string(),
                about: toolset.about.clone(),
                tools: tools.len(),
                bytes: published_bytes(&tools),
            });
        }
    }
    sizes
}

/// The table of toolsets, as Markdown.
#[must_use]
pub fn toolset_table(selection: &Selection) -> String {
    let mut text = String::from("| toolset | tools | bytes | what it is about |\n|---|---|---|---|\n");
    for size in toolset_sizes(selection) {
        let _ = writeln!(
            text,
            "| `{}` | {} | {} | {} |",
            size.name,
            size.tools,
            thousands(size.bytes),
            in_a_cell(&size.about)
        );
    }
    text
}

/// The reference of a selection's tools, as Markdown.
#[must_use]
pub fn tools_reference(selection: &Selection) -> String {
    let mut text = String::from(
        "# The tools\n\nThis page is made by `neon-mcp tools --reference`. The effect says what a call does by its declaration; \
         what raises it is listed with the tool, and [guardrails.md](guardrails.md) says what asks. Tools marked *default* are \
         offered without any setting; the others with `--toolsets` or `--tools`.\n\n",
    );
    text.push_str(&toolset_table(selection));
    for toolset in selection.catalog().toolsets() {
        let of_it = |selected: &&std::sync::Arc<SelectedTool>| selected.tool.toolset == toolset.name;
        let mut tools = selection.tools().iter().filter(of_it).peekable();
        if tools.peek().is_none() {
            continue;
        }
        let _ = write!(
            text,
            "\n## {} (`{}`)\n\n{}\n",
            toolset.title, toolset.name, toolset.about
        );
        for selected in tools {
            one(&mut text, selected);
        }
    }
    text
}

fn one(text: &mut String, selected: &SelectedTool) {
    let tool = &*selected.tool;
    let declaration = &tool.declaration;
    let mut marks = vec![format!("effect `{}`", declaration.safety.effect.name())];
    if declaration.safety.reveals {
        let known = match &declaration.safety.made_here {
            Some(_) => ", unasked where the session was handed it minutes ago",
            None => "",
        };
        marks.push(format!("hands over a secret{known}"));
    }
    if declaration.safety.interrupts {
        marks.push("drops connections".to_owned());
    }
    if declaration.listing.default {
        marks.push("*default*".to_owned());
    }
    let _ = write!(
        text,
        "\n### `{}`\n\n{}. {}\n\n{} · `{} {}`\n",
        tool.name(),
        declaration.title.trim_end_matches('.'),
        selected.description(),
        marks.join(" · "),
        declaration.request.method,
        declaration.request.path
    );
    for escalation in &declaration.safety.escalate {
        let _ = write!(text, "\n- {}", raised(escalation));
    }
    if !declaration.safety.escalate.is_empty() {
        text.push('\n');
    }
    arguments(text, tool);
    if let Some(plan) = &declaration.safety.plan {
        let severe = if plan.severe {
            " The name of what is lost must be typed."
        } else {
            ""
        };
        let summaries: Vec<&str> = plan.summary.texts().map(|text| text.trim_end_matches('.')).collect();
        let _ = write!(text, "\nPlan: {}.{severe}\n", summaries.join(". Or: "));
    }
    match &declaration.safety.undo {
        Some(Undo::Never(never)) => {
            let _ = write!(text, "\nWay back: none. {}\n", never.never);
        }
        Some(Undo::Way(way)) => {
            let until = way
                .within_seconds
                .map(|seconds| format!(", within {} days", seconds / 86_400))
                .unwrap_or_default();
            let _ = write!(text, "\nWay back: `{}`{until}", way.tool);
            let note: Vec<&str> = way.note.iter().flat_map(Said::texts).collect();
            if !note.is_empty() {
                let _ = write!(text, ". {}", note.join(" "));
            }
            text.push('\n');
        }
        None => {}
    }
}

fn raised(escalation: &Escalation) -> String {
    let severe = if escalation.severe { ", severe" } else { "" };
    let unless = if escalation.unless_made_here {
        ", unless the session made it minutes ago"
    } else {
        ""
    };
    format!(
        "`{}`{severe} where it {}{unless}",
        escalation.effect.name(),
        escalation.because
    )
}

fn arguments(text: &mut String, tool: &Tool) {
    let Some(properties) = tool.input.get("properties").and_then(Value::as_object) else {
        return;
    };
    let required = |name: &str| {
        let names = tool.input.get("required").and_then(Value::as_array);
        names.is_some_and(|names| names.iter().any(|one| one == name))
    };
    text.push_str("\n| argument | type | |\n|---|---|---|\n");
    for (name, schema) in properties {
        let schema = schema.as_object();
        let about = schema
            .and_then(|schema| schema.get("description"))
            .and_then(Value::as_str)
            .unwrap_or_default();
        let mark = if required(name) { "**required** " } else { "" };
        let _ = writeln!(
            text,
            "| `{name}` | {} | {mark}{} |",
            schema.map(kind).unwrap_or_default(),
            in_a_cell(about)
        );
    }
}

/// The type of an argument, with its bounds.
pub(super) fn kind(schema: &Map<String, Value>) -> String {
    if let Some(values) = schema.get("enum").and_then(Value::as_array) {
        let values: Vec<String> = values.iter().map(|value| format!("`{}`", plain(value))).collect();
        return values.join(" ");
    }
    let kind = match schema.get("type") {
        Some(Value::Array(kinds)) => kinds.iter().map(plain).collect::<Vec<_>>().join(" or "),
        Some(kind) => plain(kind),
        None => "any".to_owned(),
    };
    let items = schema
        .get("items")
        .and_then(Value::as_object)
        .map(|items| format!(" of {}", self::kind(items)))
        .unwrap_or_default();
    let format = schema
        .get("format")
        .map(|format| format!(" ({})", plain(format)))
        .unwrap_or_default();
    let bound = |low: &str, high: &str, unit: &str| match (schema.get(low), schema.get(high)) {
        (None, None) => String::new(),
        (Some(low), None) => format!(", from {low}{unit}"),
        (None, Some(high)) => format!(", to {high}{unit}"),
        (Some(low), Some(high)) => format!(", {low} to {high}{unit}"),
    };
    format!(
        "{kind}{items}{format}{}{}",
        bound("minimum", "maximum", ""),
        bound("minLength", "maxLength", " characters")
    )
}

fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

fn in_a_cell(text: &str) -> String {
    text.replace('|', "\\|").replace('\n', " ")
}

fn thousands(number: usize) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}
