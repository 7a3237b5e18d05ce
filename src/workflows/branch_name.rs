//! A branch as results name it.

use crate::engine::WorkflowContext;
use crate::neon::views::Branch;
use crate::neon::{BranchId, ProjectId};

/// A branch by its name and its id, and that it isn't the default branch where it isn't: after a restore, what was the default branch's is
/// another one's. What can't be read is told by its id alone.
pub(super) async fn branch_in_words(flow: &WorkflowContext<'_, '_>, project: &ProjectId, branch: &BranchId) -> String {
    let Ok(found) = flow.listed_branch(project, branch).await else {
        return branch.to_string();
    };
    let about = Branch::of(&found);
    let Ok(name) = about.name() else {
        return branch.to_string();
    };
    let name = flow.fence().quote(name);
    match about.is_default() {
        true => format!("{name} ({branch})"),
        false => format!("{name} ({branch}), which isn't the default branch"),
    }
}
