//! A compute endpoint, as rules read it.

use serde_json::Value;

use super::fields::{Fields, OddAnswer};
use crate::neon::ids::{BranchId, EndpointId};

/// A view on a compute.
#[derive(Debug, Clone, Copy)]
pub struct Endpoint<'v>(Fields<'v>);

impl<'v> Endpoint<'v> {
    /// An item of a list.
    #[must_use]
    pub fn of(endpoint: &'v Value) -> Self {
        Self(Fields::of(endpoint))
    }

    /// What an answer holds as its `endpoint`.
    #[must_use]
    pub fn in_answer(answer: &'v Value) -> Self {
        Self(Fields::inside(answer, "endpoint"))
    }

    /// The items of a list; none of what isn't one.
    pub fn all(list: &'v Value) -> impl Iterator<Item = Self> {
        list.as_array().into_iter().flatten().map(Self::of)
    }

    /// Its id.
    ///
    /// # Errors
    /// Where the answer has none, or none that is an id.
    pub fn id(self) -> Result<EndpointId, OddAnswer> {
        self.0.id("id", "/endpoint/id")
    }

    /// Whether it is the one of that id.
    #[must_use]
    pub fn is(self, id: &EndpointId) -> bool {
        self.0.text("id") == Some(id.as_str())
    }

    /// The branch that it is on.
    ///
    /// # Errors
    /// Where the answer names none: a call about a compute is judged by its branch.
    pub fn branch(self) -> Result<BranchId, OddAnswer> {
        self.0.id("branch_id", "/endpoint/branch_id")
    }

    /// Its name, where it has one.
    #[must_use]
    pub fn name(self) -> Option<&'v str> {
        self.0.text("name").filter(|name| !name.is_empty())
    }

    /// Whether it may have connections that drop: it does unless Neon says that it is idle. A state that is absent, odd or new
    /// counts as running.
    #[must_use]
    pub fn runs(self) -> bool {
        self.0.text("current_state") != Some("idle")
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
    fn compute_runs_unless_neon_says_that_it_is_idle() {
        assert!(!Endpoint::of(&json!({"current_state": "idle"})).runs());
        for state in [
            json!("active"),
            json!("init"),
            json!("new"),
            json!(""),
            json!(null),
            json!(false),
        ] {
            assert!(Endpoint::of(&json!({"current_state": state.clone()})).runs(), "{state}");
        }
        assert!(Endpoint::of(&json!({})).runs() && Endpoint::in_answer(&json!([])).runs());
    }

    #[test]
    fn branch_of_a_compute_is_an_id_or_an_error() {
        let branch = |value: Value| Endpoint::in_answer(&json!({ "endpoint": value })).branch();
        assert_eq!(
            branch(json!({"branch_id": "br-a"})).map(String::from),
            Ok("br-a".to_owned())
        );
        assert_eq!(branch(json!({})), Err(OddAnswer::Lacks("/endpoint/branch_id")));
        assert_eq!(
            branch(json!({"branch_id": "a/b"})),
            Err(OddAnswer::NoId("/endpoint/branch_id"))
        );
    }
}
