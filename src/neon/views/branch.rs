//! A branch, as rules read it.

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::Value;

use super::fields::{Fields, OddAnswer};
use crate::neon::ids::BranchId;

/// The longest that a branch with an expiry lives after its creation: Neon's limit of 30 days, and a day for clocks that differ.
/// <https://neon.com/docs/guides/branch-expiration>
const MAX_LIFETIME: TimeDelta = TimeDelta::days(31);

/// A view on a branch.
#[derive(Debug, Clone, Copy)]
pub struct Branch<'v>(Fields<'v>);

/// What a branch descends from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Parent {
    /// Nothing: it is a root branch.
    Root,
    /// Another branch.
    Branch(BranchId),
    /// The answer holds no branch, or names what is no id: it may be any branch, so this one is no root.
    Unknown,
}

impl Parent {
    /// The branch, where that is known.
    #[must_use]
    pub fn known(self) -> Option<BranchId> {
        match self {
            Self::Branch(id) => Some(id),
            Self::Root | Self::Unknown => None,
        }
    }
}

impl<'v> Branch<'v> {
    /// An item of a list.
    #[must_use]
    pub fn of(branch: &'v Value) -> Self {
        Self(Fields::of(branch))
    }

    /// What an answer holds as its `branch`.
    #[must_use]
    pub fn in_answer(answer: &'v Value) -> Self {
        Self(Fields::inside(answer, "branch"))
    }

    /// The items of a list; none of what isn't one.
    pub fn all(list: &'v Value) -> impl Iterator<Item = Self> {
        list.as_array().into_iter().flatten().map(Self::of)
    }

    /// Its id.
    ///
    /// # Errors
    /// Where the answer has none, or none that is an id.
    pub fn id(self) -> Result<BranchId, OddAnswer> {
        self.0.id("id", "/branch/id")
    }

    /// Whether it is the one of that id.
    #[must_use]
    pub fn is(self, id: &BranchId) -> bool {
        self.0.text("id") == Some(id.as_str())
    }

    /// Its name.
    ///
    /// # Errors
    /// Where the answer has none: the operator's policy protects branches by their names, and a human is shown it.
    pub fn name(self) -> Result<&'v str, OddAnswer> {
        self.0.text("name").ok_or(OddAnswer::Lacks("/branch/name"))
    }

    /// Whether it is the project's default branch. What isn't said counts as yes: of the default branch a human is asked.
    #[must_use]
    pub fn is_default(self) -> bool {
        match (self.0.raw("default"), self.0.raw("primary")) {
            // `primary` is what older answers call the default.
            (Value::Null, older) => older.as_bool().unwrap_or(true),
            (default, _) => default.as_bool().unwrap_or(true),
        }
    }

    /// Whether it is protected, by Neon's word. What isn't said counts as yes: of a protected branch a human is asked.
    #[must_use]
    pub fn is_protected(self) -> bool {
        self.0.raw("protected").as_bool().unwrap_or(true)
    }

    /// Whether it is the default branch or protected.
    #[must_use]
    pub fn is_default_or_protected(self) -> bool {
        self.is_default() || self.is_protected()
    }

    /// What it descends from. Neon leaves the field out of root branches; what stands there and is no id is no root.
    #[must_use]
    pub fn parent(self) -> Parent {
        match self.0.raw("parent_id") {
            Value::Null if self.0.is_object() => Parent::Root,
            Value::String(id) => BranchId::parse(id.as_str()).map_or(Parent::Unknown, Parent::Branch),
            _ => Parent::Unknown,
        }
    }

    /// Whether it may descend from that branch directly: one whose parent isn't known may.
    #[must_use]
    pub fn may_be_child_of(self, id: &BranchId) -> bool {
        match self.parent() {
            Parent::Root => false,
            Parent::Branch(parent) => parent == *id,
            Parent::Unknown => true,
        }
    }

    /// Whether Neon gives it an expiry, whatever that says.
    #[must_use]
    pub fn has_expiry(self) -> bool {
        self.0.text("expires_at").is_some()
    }

    /// When Neon deletes it; `None` where no time stands there, and then it stays.
    #[must_use]
    pub fn expires(self) -> Option<DateTime<Utc>> {
        self.0.time("expires_at")
    }

    /// Whether Neon deletes it by itself: its expiry is a time, and one that Neon gives. What can't be one isn't taken for it,
    /// whatever else it may mean. One that has passed is of a branch that is about to go.
    #[must_use]
    pub fn will_expire(self) -> bool {
        let (Some(created), Some(expires)) = (self.0.time("created_at"), self.expires()) else {
            return false;
        };
        let lifetime = expires.signed_duration_since(created);
        lifetime > TimeDelta::zero() && lifetime <= MAX_LIFETIME
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
    fn flag_that_is_absent_or_odd_counts_as_set() {
        let odd = [json!(null), json!("false"), json!(0), json!([]), json!({"is": false})];
        for value in &odd {
            let branch = json!({"default": value, "protected": value});
            assert!(
                Branch::of(&branch).is_default() && Branch::of(&branch).is_protected(),
                "{value}"
            );
        }
        for nothing in [json!({}), json!(null), json!([])] {
            let branch = Branch::of(&nothing);
            assert!(branch.is_default() && branch.is_protected(), "{nothing}");
        }
        let branch = json!({"default": false, "protected": false});
        assert!(!Branch::of(&branch).is_default_or_protected());
        for flagged in [
            json!({"default": true, "protected": false}),
            json!({"default": false, "protected": true}),
            json!({"default": false}),
            json!({"protected": false}),
        ] {
            assert!(Branch::of(&flagged).is_default_or_protected(), "{flagged}");
        }
    }

    #[test]
    fn older_word_for_the_default_counts_where_the_newer_is_absent() {
        let default = |branch: Value| Branch::of(&branch).is_default();
        assert!(!default(json!({"primary": false})) && default(json!({"primary": true})));
        assert!(!default(json!({"default": null, "primary": false})));
        assert!(!default(json!({"default": false, "primary": true})));
        assert!(default(json!({"primary": "false"})));
        assert!(
            default(json!({"default": "false", "primary": false})),
            "an odd word isn't no word"
        );
    }

    #[test]
    fn parent_that_is_unknown_is_no_root() {
        let parent = |branch: Value| Branch::in_answer(&json!({ "branch": branch })).parent();
        assert_eq!(parent(json!({"name": "main"})), Parent::Root);
        assert_eq!(parent(json!({"parent_id": null})), Parent::Root);
        let known = parent(json!({"parent_id": "br-a"}));
        assert_eq!(known.known().map(String::from), Some("br-a".to_owned()));
        for odd in [
            json!(""),
            json!("br a"),
            json!("../x"),
            json!(1),
            json!(false),
            json!({}),
        ] {
            assert_eq!(parent(json!({"parent_id": odd.clone()})), Parent::Unknown, "{odd}");
        }
        for nothing in [json!(null), json!([]), json!("br-a")] {
            assert_eq!(parent(nothing.clone()), Parent::Unknown, "{nothing}");
        }
        assert_eq!(Branch::in_answer(&json!({})).parent(), Parent::Unknown);
    }

    #[test]
    fn branch_of_unknown_parent_may_be_anybodys_child() {
        let own = BranchId::parse("br-a").unwrap();
        let may = |branch: Value| Branch::of(&branch).may_be_child_of(&own);
        assert!(may(json!({"parent_id": "br-a"})) && may(json!({"parent_id": 1})) && may(json!(null)));
        assert!(!may(json!({"parent_id": "br-b"})) && !may(json!({"parent_id": null})) && !may(json!({})));
    }

    #[test]
    fn id_and_name_are_there_or_an_error() {
        let branch = json!({"id": "br-a", "name": "dev"});
        assert_eq!(Branch::of(&branch).id().map(String::from), Ok("br-a".to_owned()));
        assert_eq!(Branch::of(&branch).name(), Ok("dev"));
        assert_eq!(Branch::of(&json!({})).id(), Err(OddAnswer::Lacks("/branch/id")));
        assert_eq!(
            Branch::of(&json!({"id": "br/a"})).id(),
            Err(OddAnswer::NoId("/branch/id"))
        );
        assert_eq!(
            Branch::of(&json!({"name": 1})).name(),
            Err(OddAnswer::Lacks("/branch/name"))
        );
    }

    #[test]
    fn expiry_counts_only_as_a_time_that_neon_gives() {
        let branch = |created: Value, expires: Value| json!({"created_at": created, "expires_at": expires});
        let will_expire = |branch: Value| Branch::of(&branch).will_expire();
        let created = "2026-03-01T12:00:00Z";
        for expires in [
            "2026-03-01T12:00:01Z",
            "2026-03-31T12:00:00Z",
            "2026-04-01T12:00:00Z",
            "2026-03-01T10:30:00-02:00",
            "2026-03-02t00:00:00.123456z",
        ] {
            assert!(will_expire(branch(json!(created), json!(expires))), "{expires}");
        }
        for expires in [
            json!("never"),
            json!("9999-12-31T23:59:59Z"),
            json!("2026-04-01T12:00:01Z"),
            json!("2026-03-01T12:00:00Z"),
            json!("2026-02-28T12:00:00Z"),
            json!("2026-03-01T13:30:00+02:00"),
            json!("0000-00-00T00:00:00Z"),
            json!("-2026-03-02T00:00:00Z"),
            json!("+262142-12-31T23:59:59Z"),
            json!("2026-03-02"),
            json!("2026-03-02T12:00:00"),
            json!("2026-02-30T12:00:00Z"),
            json!("2026-03-02T12:00:00Z trailing"),
            json!(""),
            json!(" "),
            json!(null),
            json!(true),
            json!(1_772_452_800),
            json!(["2026-03-02T12:00:00Z"]),
            json!({"time": "2026-03-02T12:00:00Z"}),
        ] {
            assert!(!will_expire(branch(json!(created), expires.clone())), "{expires}");
        }
        for created in [
            json!(null),
            json!(""),
            json!(0),
            json!("long ago"),
            json!("2026-03-03T00:00:00Z"),
        ] {
            assert!(
                !will_expire(branch(created.clone(), json!("2026-03-02T12:00:00Z"))),
                "{created}"
            );
        }
        assert!(!will_expire(json!({})) && !will_expire(json!(null)));
    }
}
