//! What the operator fixes beside the project: a branch, a role, a database; and what the working directory is linked to.

use serde_json::{Map, Value};

use super::declaration::{Named, Resource};
use super::tool::{Argument, Tool};
use crate::neon::{BranchId, OrganizationId, ProjectId};
use crate::permit::Effect;

/// What marks a branch as named rather than by its id, in arguments too.
const NAME_PREFIX: &str = "name:";

/// A branch that somebody other than the agent named: by its id, or by its exact name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BranchPin {
    /// Its id.
    Id(BranchId),
    /// Its name.
    Name(String),
}

impl BranchPin {
    /// Reads an id (`br-…`) or a name; `name:` in front makes it a name whatever it looks like.
    ///
    /// # Errors
    /// When it can't be either, as the end of a sentence.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        let (name, is_name) = match text.strip_prefix(NAME_PREFIX) {
            Some(name) => (name, true),
            None => (text, false),
        };
        if name.trim().is_empty() {
            return Err("is empty: write a branch's name, as main, or its id, as br-cool-sun-a1b2c3d4");
        }
        if name.chars().count() > 256 || name.chars().any(char::is_control) {
            return Err("is no name of a branch: that has at most 256 characters, and no control characters");
        }
        match BranchId::parse(name) {
            Ok(id) if !is_name && name.starts_with("br-") => Ok(Self::Id(id)),
            _ => Ok(Self::Name(name.to_owned())),
        }
    }

    /// Whether it is this branch.
    #[must_use]
    pub fn is(&self, id: &str, name: &str) -> bool {
        match self {
            Self::Id(own) => own.as_str() == id,
            Self::Name(own) => own == name,
        }
    }

    /// The id or the name, for people.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match self {
            Self::Id(id) => id.as_str(),
            Self::Name(name) => name,
        }
    }

    /// The argument that names it.
    #[must_use]
    pub fn argument(&self) -> Value {
        match self {
            Self::Id(id) => id.as_str().into(),
            Self::Name(name) => format!("{NAME_PREFIX}{name}").into(),
        }
    }
}

/// What the operator fixes inside a project.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Pins {
    /// The one branch.
    pub branch: Option<BranchPin>,
    /// The one role.
    pub role: Option<String>,
    /// The one database.
    pub database: Option<String>,
}

impl Pins {
    /// These, and the others' where nothing is fixed here.
    #[must_use]
    pub fn or(self, other: &Self) -> Self {
        Self {
            branch: self.branch.or_else(|| other.branch.clone()),
            role: self.role.or_else(|| other.role.clone()),
            database: self.database.or_else(|| other.database.clone()),
        }
    }

    /// The arguments of a tool that they fill in: those that must be given, and those that mean something when they aren't.
    pub(super) fn fixed(&self, tool: &Tool) -> Map<String, Value> {
        let properties = tool.input.get("properties").and_then(Value::as_object);
        let names = properties.into_iter().flat_map(Map::keys);
        names
            .filter_map(|name| Some((name.clone(), self.value(tool, name)?)))
            .collect()
    }

    fn value(&self, tool: &Tool, argument: &str) -> Option<Value> {
        if tool.names(argument) == Some(Argument::Resource(Resource::Branch)) {
            let stands_for_another = || {
                let mut unless = tool.declaration.safety.reaches.iter().flat_map(|reach| &reach.unless);
                unless.any(|name| name == argument)
            };
            // What a read falls back to is never another branch than the one that the operator fixed.
            let falls_back = tool.declaration.request.default_branch.as_deref() == Some(argument);
            let fills = tool.requires(argument) || falls_back || stands_for_another();
            return self.branch.as_ref().filter(|_| fills).map(BranchPin::argument);
        }
        // What a call makes has the name that the call gives it.
        if tool.declaration.safety.names.contains_key(argument) {
            return None;
        }
        let chosen_without = matches!(argument, "role_name" | "database_name" | "db_name");
        let fills = chosen_without || tool.requires(argument);
        let value = match tool.names_in_postgres(argument)? {
            Named::Role => &self.role,
            Named::Database => &self.database,
        };
        value.as_deref().filter(|_| fills).map(Value::from)
    }
}

/// What the working directory is linked to by Neon's command line: defaults, which a call may override.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Linked {
    /// The name of the file that says so, without its folder.
    pub file: String,
    /// The project.
    pub project: Option<ProjectId>,
    /// The organization.
    pub organization: Option<OrganizationId>,
    /// The branch of that project.
    pub branch: Option<BranchPin>,
}

impl Linked {
    /// Whether the project stands in for one that a call doesn't name. Not where the project itself would be lost, given away or
    /// opened: such a call names what it is about.
    #[must_use]
    pub fn gives_project(&self, tool: &Tool) -> bool {
        let (argument, resource) = ("project_id", Argument::Resource(Resource::Project));
        let is_own_target = tool.target() == Some((argument, Resource::Project));
        let safety = &tool.declaration.safety;
        // Of a change to the project itself, what some arguments make of it counts, too.
        let changes_itself = tool.declaration.request.path.ends_with("{project_id}");
        let mut raised = safety.escalate.iter().map(|escalation| escalation.effect);
        let takes_from_it = safety.effect.needs_consent() || (changes_itself && raised.any(Effect::needs_consent));
        self.project.is_some()
            && tool.names(argument) == Some(resource)
            && tool.requires(argument)
            && !(is_own_target && (takes_from_it || tool.declaration.safety.target_is_deleted))
    }

    /// Whether the organization does: for what only looks.
    #[must_use]
    pub fn gives_organization(&self, tool: &Tool) -> bool {
        self.organization.is_some() && tool.declaration.safety.effect == Effect::Read && tool.requires("org_id")
    }

    /// Whether the branch does: for what only looks. What changes a branch names it.
    #[must_use]
    pub fn gives_branch(&self, tool: &Tool) -> bool {
        self.branch.is_some()
            && self.gives_project(tool)
            && tool.declaration.safety.effect == Effect::Read
            && tool.names("branch_id") == Some(Argument::Resource(Resource::Branch))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn branch_pin_is_an_id_only_in_the_form_of_one() {
        let id = BranchPin::Id(BranchId::parse("br-cool-sun-a1").unwrap());
        assert_eq!(BranchPin::parse("br-cool-sun-a1"), Ok(id));
        for (text, name) in [
            ("main", "main"),
            ("feature/login", "feature/login"),
            ("name:br-cool-sun-a1", "br-cool-sun-a1"),
            ("br-Cool", "br-Cool"),
            ("release*", "release*"),
        ] {
            assert_eq!(BranchPin::parse(text), Ok(BranchPin::Name(name.to_owned())), "{text}");
        }
        for text in ["", " ", "name:", "a\nb"] {
            assert!(BranchPin::parse(text).is_err(), "{text:?}");
        }
    }
}
