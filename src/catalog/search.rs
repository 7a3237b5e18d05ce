//! Finding the tools for a task that is told in a person's words.
use std::sync::Arc;
use super::selection::{SelectedTool, Selection};
use super::load::Catalog;
/// The index.
#[derive(Debug)]
pub struct SearchIndex;
/// A problem.
#[derive(Debug)]
pub struct SynonymProblem;
/// Problems.
pub fn synonym_problems(_: &Catalog) -> Vec<SynonymProblem> { Vec::new() }
impl SearchIndex {
    /// Makes.
    pub fn new(_: &Selection) -> Self { Self }
    /// Searches.
    pub fn search<'s>(&self, selection: &'s Selection, query: &str) -> Vec<&'s Arc<SelectedTool>> {
        selection.tools().iter().filter(|tool| query.contains(tool.tool.name())).collect()
    }
}
