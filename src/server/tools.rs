//! Tools as they are published: schema, title, and hints that follow from the effect.

use rmcp::model::{Tool as McpTool, ToolAnnotations};

use crate::catalog::{SelectedTool, Selection, Tool};
use crate::guard::Effect;
use crate::neon::Method;

/// The tools of a selection, in its order, as a list has them, whether they are listed or found.
#[must_use]
pub fn offered(selection: &Selection) -> Vec<McpTool> {
    selection.tools().iter().map(|selected| publish(selected)).collect()
}

/// The bytes of a list of tools, as minified JSON.
#[must_use]
pub fn published_bytes(tools: &[McpTool]) -> usize {
    serde_json::to_vec(tools).map_or(0, |json| json.len())
}

pub(super) fn publish(selected: &SelectedTool) -> McpTool {
    let declaration = &selected.tool.declaration;
    McpTool::new(
        declaration.name.clone(),
        declaration.description.clone(),
        selected.published(),
    )
    .with_title(declaration.title.clone())
    .with_annotations(annotations(&selected.tool, selected.read_only))
}

/// Hints for clients. Nothing here relies on them: the guard decides.
pub(super) fn annotations(tool: &Tool, read_only: bool) -> ToolAnnotations {
    let declaration = &tool.declaration;
    let declared = if read_only {
        declaration.least_effect()
    } else {
        declaration.safety.effect
    };
    let greatest = declaration
        .safety
        .escalate
        .iter()
        .map(|escalation| escalation.effect)
        .fold(declared, Effect::max);
    ToolAnnotations::from_raw(
        None,
        Some(greatest == Effect::Read),
        Some(greatest.needs_consent()),
        Some(declaration.request.method != Method::Post || declared == Effect::Read),
        Some(true),
    )
}
