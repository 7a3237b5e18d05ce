//! A database and a role of a branch, as rules read them. Both are known by their names.

use serde_json::Value;

use super::fields::Fields;

/// A view on a database.
#[derive(Debug, Clone, Copy)]
pub struct Database<'v>(Fields<'v>);

impl<'v> Database<'v> {
    /// The items of a list; none of what isn't one.
    pub fn all(list: &'v Value) -> impl Iterator<Item = Self> {
        list.as_array().into_iter().flatten().map(|one| Self(Fields::of(one)))
    }

    /// Its name. One without a name is none that could be meant.
    #[must_use]
    pub fn name(self) -> Option<&'v str> {
        self.0.text("name")
    }

    /// The role that owns it; `None` where Neon doesn't say, and then nobody connects as a guess.
    #[must_use]
    pub fn owner(self) -> Option<&'v str> {
        self.0.text("owner_name")
    }
}

/// A view on a role.
#[derive(Debug, Clone, Copy)]
pub struct Role<'v>(Fields<'v>);

impl<'v> Role<'v> {
    /// The items of a list; none of what isn't one.
    pub fn all(list: &'v Value) -> impl Iterator<Item = Self> {
        list.as_array().into_iter().flatten().map(|one| Self(Fields::of(one)))
    }

    /// Its name.
    #[must_use]
    pub fn name(self) -> Option<&'v str> {
        self.0.text("name")
    }

    /// A field as it stands, for what only shows it.
    #[must_use]
    pub fn shown(self, field: &str) -> &'v Value {
        self.0.raw(field)
    }

    /// Whether it may be the one of that name: one without a name may be any.
    #[must_use]
    pub fn may_be(self, name: &str) -> bool {
        self.name().is_none_or(|own| own == name)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn role_without_a_name_may_be_any() {
        let list = json!([{"name": "me"}, {"name": "you"}, {}, {"name": 1}]);
        let may: Vec<bool> = Role::all(&list).map(|role| role.may_be("me")).collect();
        assert_eq!(may, [true, false, true, true]);
    }

    #[test]
    fn owner_that_is_not_told_is_nobody() {
        let list = json!([{"name": "a", "owner_name": "me"}, {"name": "b"}, {"name": "c", "owner_name": null}]);
        let owners: Vec<Option<&str>> = Database::all(&list).map(Database::owner).collect();
        assert_eq!(owners, [Some("me"), None, None]);
        assert_eq!(Database::all(&json!({"name": "a"})).count(), 0);
    }
}
