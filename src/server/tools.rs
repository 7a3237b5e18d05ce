//! Tools as they are published: schema, title, and hints that follow from the effect.

use std::sync::Arc;

use rmcp::model::{Tool as McpTool, ToolAnnotations};

use crate::catalog::{SelectedTool, Selection, Tool, output_schema};
use crate::guard::Effect;
use crate::neon::Method;

/// The tools of a selection, in its order, as a list has them, whether they are listed or found.
#[must_use]
pub fn offered(selection: &Selection) -> Vec<McpTool> {
    selection.tools().iter().map(|selected| publish(selected)).collect()
}

/// The bytes of a list of tools, as minified JSON: what a model is told, which is all but the schemas of results.
#[must_use]
pub fn published_bytes(tools: &[McpTool]) -> usize {
    let mut told = tools.to_vec();
    told.iter_mut().for_each(|tool| tool.output_schema = None);
    serde_json::to_vec(&told).map_or(0, |json| json.len())
}

pub(super) fn publish(selected: &SelectedTool) -> McpTool {
    let declaration = &selected.tool.declaration;
    McpTool::new(declaration.name.clone(), selected.description(), selected.published())
        .with_title(declaration.title.clone())
        .with_raw_output_schema(Arc::new(output_schema(&selected.tool)))
        .with_annotations(annotations(&selected.tool, selected.read_only))
}

/// Hints for clients, which say what the plain call does. Nothing here relies on them: the guard decides.
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
        Some(greatest == Effect::Read && !declaration.safety.reveals),
        // A workflow that deletes may be free to do so, and destroys all the same.
        Some(
            declared == Effect::Destructive
                || declaration.safety.destroys
                || declaration.request.method == Method::Delete,
        ),
        Some(declared == Effect::Read || declaration.is_idempotent()),
        Some(true),
    )
}
