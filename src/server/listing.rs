//! The list of tools that a client gets.

use rmcp::model::Tool as McpTool;

use super::discovery;
use super::tools::offered;
use crate::catalog::Selection;

/// What `tools/list` gives: the tools of a selection, in its order, or in discovery mode the search and the callers.
#[must_use]
pub fn published(selection: &Selection) -> Vec<McpTool> {
    if selection.discovery() {
        return discovery::listed(selection);
    }
    offered(selection)
}
