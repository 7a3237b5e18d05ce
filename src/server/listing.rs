//! The list of tools that a client gets.

use rmcp::model::Tool as McpTool;

use super::discovery;
use super::search;
use super::tools::offered;
use crate::catalog::Selection;

/// What `tools/list` gives: the tools of a selection, in its order, with the search for more where there are some; or in
/// discovery mode the search and the callers.
#[must_use]
pub fn published(selection: &Selection) -> Vec<McpTool> {
    if selection.discovery() {
        return discovery::listed(selection);
    }
    let mut tools = offered(selection);
    if search::is_offered(selection) {
        tools.push(search::tool(selection));
    }
    tools
}
