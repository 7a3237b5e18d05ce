//! A project, as rules read it.

use serde_json::Value;

use super::fields::{Fields, OddAnswer};
use crate::neon::ids::{OrganizationId, ProjectId};

/// A view on a project.
#[derive(Debug, Clone, Copy)]
pub struct Project<'v>(Fields<'v>);

impl<'v> Project<'v> {
    /// An item of a list.
    #[must_use]
    pub fn of(project: &'v Value) -> Self {
        Self(Fields::of(project))
    }

    /// What an answer holds as its `project`.
    #[must_use]
    pub fn in_answer(answer: &'v Value) -> Self {
        Self(Fields::inside(answer, "project"))
    }

    /// Its id.
    ///
    /// # Errors
    /// Where the answer has none, or none that is an id.
    pub fn id(self) -> Result<ProjectId, OddAnswer> {
        self.0.id("id", "/project/id")
    }

    /// Its name.
    ///
    /// # Errors
    /// Where the answer has none.
    pub fn name(self) -> Result<&'v str, OddAnswer> {
        self.0.text("name").ok_or(OddAnswer::Lacks("/project/name"))
    }

    /// The organization that it belongs to; `None` where Neon doesn't tell. What is no id tells none: the operator's bounds on
    /// organizations deny it.
    #[must_use]
    pub fn organization(self) -> Option<OrganizationId> {
        self.0.id("org_id", "/project/org_id").ok()
    }

    /// A field as it stands, for what only shows it.
    #[must_use]
    pub fn shown(self, field: &str) -> &'v Value {
        self.0.raw(field)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn organization_that_is_no_id_is_not_told() {
        let told = |id: Value| Project::in_answer(&json!({"project": {"org_id": id}})).organization();
        assert_eq!(told(json!("org-a")).as_ref().map(OrganizationId::as_str), Some("org-a"));
        for odd in [json!(null), json!(""), json!("org a"), json!(1), json!(["org-a"])] {
            assert_eq!(told(odd.clone()), None, "{odd}");
        }
        assert_eq!(Project::in_answer(&json!({})).organization(), None);
    }

    #[test]
    fn id_that_is_none_is_an_error() {
        assert!(Project::of(&json!({"id": "calm-sun-12345678"})).id().is_ok());
        assert_eq!(Project::of(&json!({})).id(), Err(OddAnswer::Lacks("/project/id")));
        for odd in ["", "../users/me", "a b", "A"] {
            assert_eq!(
                Project::of(&json!({"id": odd})).id(),
                Err(OddAnswer::NoId("/project/id")),
                "{odd}"
            );
        }
    }
}
