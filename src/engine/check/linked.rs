//! What a call leaves out and the working directory is linked to: filled in, and said in the result.

use std::sync::Arc;

use serde_json::{Map, Value};

use crate::catalog::{Linked, SelectedTool};
use crate::engine::error::{ArgumentProblem, Failure};

/// What was filled in of it, by the key under which the result says so.
#[derive(Debug, Clone, Default)]
pub(in crate::engine) struct Filled {
    from: Option<Arc<Linked>>,
    keys: Vec<&'static str>,
}

impl Filled {
    /// Fills in the project and the organization, before names are looked up.
    pub(in crate::engine) fn begin(selected: &SelectedTool, arguments: &mut Map<String, Value>) -> Self {
        let mut filled = Self {
            from: selected.linked.clone(),
            keys: Vec::new(),
        };
        let Some(linked) = selected.linked.as_deref() else {
            return filled;
        };
        let tool = &*selected.tool;
        if let Some(project) = linked.project.as_ref().filter(|_| linked.gives_project(tool)) {
            filled.put(arguments, "project_id", "project_from", project.as_str().into());
        }
        if let Some(organization) = linked.organization.as_ref().filter(|_| linked.gives_organization(tool)) {
            filled.put(arguments, "org_id", "organization_from", organization.as_str().into());
        }
        filled
    }

    /// Fills in the branch, once it is known which project the call is about: another project has other branches. Whether it did.
    ///
    /// # Errors
    /// Where the call must name a branch, then.
    pub(in crate::engine) fn branch(
        &mut self,
        selected: &SelectedTool,
        arguments: &mut Map<String, Value>,
    ) -> Result<bool, Failure> {
        let tool = &*selected.tool;
        let Some(linked) = selected.linked.clone().filter(|linked| linked.gives_branch(tool)) else {
            return Ok(false);
        };
        let has = |name: &str| arguments.contains_key(name);
        // A compute stands for its branch.
        if has("branch_id") || has("endpoint_id") {
            return Ok(false);
        }
        let project = arguments.get("project_id").and_then(Value::as_str);
        let own = linked.project.as_ref().map(|project| project.as_str());
        match &linked.branch {
            Some(branch) if project == own => {
                self.put(arguments, "branch_id", "branch_from", branch.argument());
                Ok(true)
            }
            _ if tool.requires("branch_id") => Err(Failure::Arguments(vec![ArgumentProblem {
                argument: "branch_id".to_owned(),
                message: format!("is required: {} links a branch of another project", linked.file),
            }])),
            _ => Ok(false),
        }
    }

    /// The failure where the linked branch isn't there: in our words, since the file may have come with somebody's repository.
    pub(in crate::engine) fn without_branch(&self, failure: Failure) -> Failure {
        match (failure, &self.from) {
            (Failure::Reference { .. }, Some(linked)) => Failure::Reference {
                argument: "branch_id".to_owned(),
                message: format!(
                    "{} links this folder to a branch that the project doesn't have. Nothing was changed.",
                    linked.file
                ),
                next: "Call again with branch_id: list_branches shows what there is.".to_owned(),
            },
            (other, _) => other,
        }
    }

    /// Fills in the organization in which something is made, where a call names none.
    pub(in crate::engine) fn organization(&mut self, arguments: &mut Map<String, Value>) {
        let organization = self.from.as_ref().and_then(|linked| linked.organization.clone());
        if let Some(organization) = organization {
            self.put(arguments, "org_id", "organization_from", organization.as_str().into());
        }
    }

    fn put(&mut self, arguments: &mut Map<String, Value>, argument: &str, key: &'static str, value: Value) {
        if !arguments.contains_key(argument) {
            arguments.insert(argument.to_owned(), value);
            self.keys.push(key);
        }
    }

    /// Says in the result what was filled in, and from where.
    pub(in crate::engine) fn told(&self, result: &mut Value) {
        if let (Some(object), Some(linked)) = (result.as_object_mut(), &self.from) {
            for key in &self.keys {
                object.insert((*key).to_owned(), linked.file.as_str().into());
            }
        }
    }
}
