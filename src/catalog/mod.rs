//! What the agent can do: the declarations in `tools/*.json`, loaded, checked and selected.

mod condition;
mod declaration;
mod lint;
mod lint_bytes;
mod load;
mod nearest;
mod pins;
mod publish;
mod search;
mod selection;
mod tool;

pub use crate::permit::Effect;
pub use condition::Condition;
pub use declaration::{
    Addition, Area, BodyForm, Comparison, Constant, Content, Declaration, Escalation, Fact, FileSource, Keep, Named,
    Operations, Pages, Pick, Place, PlanDeclaration, Reach, Reached, Resource, Returns, Rule, SafetyCopy, Undo,
    UndoNever, UndoWay, Workflow,
};
pub use lint::{Problem, lint};
pub use load::{Catalog, LoadError, Toolset, format_schema, sources};
pub use nearest::nearest;
pub use pins::{BranchPin, Linked, Pins};
pub use publish::{declared, is_map, published_problems, published_schema, word_for_null};
pub use search::{SearchIndex, SynonymProblem, synonym_problems};
pub use selection::{Allowed, SelectedTool, Selection, SelectionError, SelectionOptions};
pub use tool::{Argument, Tool, Validator, templates, templates_within};
