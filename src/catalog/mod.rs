//! What the agent can do: the declarations in `tools/*.json`, loaded, checked and selected.
//!
//! ```
//! use neon_mcp::catalog::{Catalog, Selection, SelectionOptions};
//! use neon_mcp::guard::Policy;
//!
//! let catalog = Catalog::embedded()?;
//! assert!(catalog.tool("delete_project").is_some());
//! // What the operator offers of it: here only what reads.
//! let options = SelectionOptions { read_only: true, ..SelectionOptions::default() };
//! let offered = Selection::new(catalog, &options, &Policy::default())?;
//! assert!(offered.tool("list_projects").is_some());
//! assert!(offered.tool("delete_project").is_none());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod callers;
mod condition;
mod declaration;
mod lint;
mod load;
mod narrowing;
mod nearest;
mod output_schema;
mod pins;
mod publish;
mod search;
mod selection;
mod template;
mod tool;

pub use crate::permit::Effect;
pub use callers::{CALLERS, caller_of};
pub use condition::Condition;
pub use declaration::{
    Addition, Area, BodyForm, Comparison, Constant, Content, Declaration, Deleted, Escalation, Fact, FileSource,
    Finding, Former, Keep, Light, ListingDeclaration, Lookup, MadeHere, Moment, Named, Operations, OutputDeclaration,
    Pages, Pick, Place, PlanDeclaration, Reach, Reached, Refusal, RequestDeclaration, Resource, Rule, SHARED_ALIASES,
    SafetyCopy, SafetyDeclaration, Said, StateDeclaration, Undo, UndoNever, UndoWay, Workflow, WorkflowDeclaration,
};
pub use lint::{Problem, lint};
pub use load::{Catalog, LoadError, Toolset, format_schema, sources};
pub use narrowing::{SelectionNarrowing, Wider};
pub use nearest::nearest;
pub use output_schema::{envelope, output_schema, type_of_field};
pub use pins::{BranchPin, Linked, Pins};
pub use publish::{
    Tense, declared, is_map, published_output_problems, published_problems, published_schema, word_for_null,
};
pub use search::{MAX_REQUEST, SearchIndex, SynonymProblem, synonym_problems};
pub use selection::{ACCOUNT, Allowed, SelectedTool, Selection, SelectionError, SelectionOptions};
pub use template::{filled, templates, templates_within};
pub use tool::{Argument, Tool, Validator};
