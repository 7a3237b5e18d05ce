//! Bounds inside of a project: to branches, roles and databases.

use serde_json::{Map, Value};

use super::file::PolicyFile;
use super::pattern::fits;
use super::rule::{Denied, TELL};
use super::scope::{does_more_than_read, listed};
use crate::catalog::{BranchPin, Named, Tool};
use crate::guard::Effect;
use crate::guard::shown::told_plain;
use crate::text::one_line;

/// Stands for the branch that is the project's default at the time of the call, whatever its name.
const DEFAULT: &str = "@default";

/// Stands for every branch that is protected at the time of the call.
const PROTECTED: &str = "@protected";

/// A branch, by what Neon says of it at the time of the call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BranchSeen {
    /// Its id; empty for one that isn't made yet.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Whether it is the project's default.
    pub default: bool,
    /// Whether it is protected, by Neon or by the policy.
    pub protected: bool,
}

/// What becomes of a branch that a call would make.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NewBranch {
    /// Neon deletes it by itself, and it tells of which branch it was made.
    Throwaway,
    /// It stays.
    Stays,
    /// It has no parent: the schema alone.
    Rootless,
    /// It is there, and gets another name.
    Renamed,
}

impl BranchSeen {
    fn shown(&self) -> String {
        match self.id.as_str() {
            "" => told_plain(&one_line(&self.name, 80)),
            id => format!("{} ({})", told_plain(&one_line(&self.name, 80)), one_line(id, 80)),
        }
    }

    /// Whether a pattern of the policy means it: by what it is, by its id, or by its name.
    fn fits(&self, pattern: &str) -> bool {
        match pattern {
            DEFAULT => self.default,
            PROTECTED => self.protected,
            pattern => pattern == self.id || fits(pattern, &self.name),
        }
    }
}

/// Whether something that a pattern begins like a fact names none. Such a pattern would mean a branch of that name to whoever misspells it.
pub(super) fn is_unknown_fact(pattern: &str) -> bool {
    pattern.starts_with('@') && pattern != DEFAULT && pattern != PROTECTED
}

impl PolicyFile {
    /// Whether it matters which branches a call reaches.
    pub fn bounds_branches(&self) -> bool {
        self.allowed_branches.is_some() || !self.denied_branches.is_empty() || self.pins.branch.is_some()
    }

    /// Whether it matters which role a call names.
    pub fn bounds_roles(&self) -> bool {
        self.allowed_roles.is_some() || self.pins.role.is_some()
    }

    fn bounds_databases(&self) -> bool {
        self.allowed_databases.is_some() || self.pins.database.is_some()
    }

    /// Whether the branch is none of those that no call may reach.
    pub fn spares_branch(&self, branch: &BranchSeen) -> Result<(), Denied> {
        match self.denied_branches.iter().find(|pattern| branch.fits(pattern)) {
            None => Ok(()),
            Some(pattern) => {
                let why = format!(
                    "branch {} is one of the denied branches ({})",
                    branch.shown(),
                    one_line(pattern, 80)
                );
                Err(Denied::new(
                    "denied_branches",
                    &why,
                    "Call again for another branch (list_branches), or tell the user: only the operator can change the policy.",
                ))
            }
        }
    }

    /// Whether the branch is one of those that calls may reach, by the list or the flag itself.
    pub fn allows_branch(&self, branch: &BranchSeen) -> Result<(), Denied> {
        if let Some(pin) = self
            .pins
            .branch
            .as_ref()
            .filter(|pin| !pin.is(&branch.id, &branch.name))
        {
            let pin = one_line(pin.as_str(), 80);
            let why = format!(
                "this server works on branch {pin} alone (--branch), and on throwaway branches made of it; branch {} is neither",
                branch.shown()
            );
            return Err(Denied::new("--branch", &why, TELL));
        }
        match &self.allowed_branches {
            Some(allowed) if !allowed.iter().any(|pattern| branch.fits(pattern)) => {
                let why = format!(
                    "branch {} is none of the allowed branches ({}), and no throwaway branch made of one",
                    branch.shown(),
                    listed(allowed)
                );
                Err(Denied::new(
                    "allowed_branches",
                    &why,
                    "Call again for one of them (list_branches), or tell the user: only the operator can change the policy.",
                ))
            }
            _ => Ok(()),
        }
    }

    /// Whether a branch of that name may be made: one that no call could reach afterwards, none could take back.
    pub fn admits_new_branch(&self, name: Option<&str>, end: NewBranch) -> Result<(), Denied> {
        let branch = BranchSeen {
            id: String::new(),
            name: name.unwrap_or_default().to_owned(),
            default: false,
            protected: false,
        };
        if name.is_some() {
            self.spares_branch(&branch)?;
        }
        if end == NewBranch::Rootless && self.pins.branch.is_some() {
            let why = "a branch with the schema alone has no parent that would tell of which branch it is";
            return Err(Denied::new("--branch", why, "Call again for a branch with its data."));
        }
        let is_by_name = matches!(&self.pins.branch, Some(BranchPin::Name(pin)) if Some(pin.as_str()) != name);
        if end == NewBranch::Renamed && is_by_name {
            let why = "the operator fixed the branch by its name, under which no call would find it then";
            return Err(Denied::new("--branch", why, TELL));
        }
        let Some(allowed) = self.allowed_branches.as_ref().filter(|_| end != NewBranch::Throwaway) else {
            return Ok(());
        };
        if name.is_some() && allowed.iter().any(|pattern| branch.fits(pattern)) {
            return Ok(());
        }
        let why = format!(
            "a branch that is no throwaway has a name of the allowed branches ({}), or no call could reach it",
            listed(allowed)
        );
        let next = match end {
            NewBranch::Renamed => "Call again with such a name.",
            _ => "Call again with such a name, or make a throwaway branch with its data (expires_at).",
        };
        Err(Denied::new("allowed_branches", &why, next))
    }

    /// What a call that reaches every branch is told.
    pub fn beyond_branches(&self) -> Denied {
        let (rule, bounds) = if let Some(pin) = &self.pins.branch {
            (
                "--branch",
                format!("branch {} alone (--branch)", one_line(pin.as_str(), 80)),
            )
        } else if let Some(allowed) = &self.allowed_branches {
            (
                "allowed_branches",
                format!("the allowed branches ({})", listed(allowed)),
            )
        } else {
            let denied = listed(&self.denied_branches);
            (
                "denied_branches",
                format!("other branches than the denied ones ({denied})"),
            )
        };
        let why = format!("calls reach {bounds}, and this one is about more than a branch");
        Denied::new(rule, &why, TELL)
    }

    /// Whether calls of the tool can stay inside of these bounds at all.
    pub(super) fn offers_inside(&self, tool: &Tool) -> Result<(), Denied> {
        if self.bounds_branches()
            && does_more_than_read(tool, tool.declaration.safety.effect)
            && !tool.reaches_branches()
        {
            return Err(self.beyond_branches());
        }
        // A key of the account opens every role and database.
        let opens_all = tool.declaration.safety.reveals && !tool.is_about_a_branch();
        if opens_all && self.bounds_roles() {
            return Err(self.beyond(Named::Role, "this call hands over what opens all of them"));
        }
        if opens_all && self.bounds_databases() {
            return Err(self.beyond(Named::Database, "this call hands over what opens all of them"));
        }
        Ok(())
    }

    /// Whether the roles and databases that the arguments name are in bounds.
    pub(super) fn admits_names(
        &self,
        tool: &Tool,
        arguments: &Map<String, Value>,
        effect: Effect,
    ) -> Result<(), Denied> {
        if !self.bounds_roles() && !self.bounds_databases() {
            return Ok(());
        }
        for (name, value) in arguments {
            match (tool.names_in_postgres(name), value) {
                (Some(named), Value::String(text)) => self.admits_name(named, text)?,
                (Some(named), Value::Array(items)) => {
                    let texts = items.iter().filter_map(Value::as_str);
                    texts.into_iter().try_for_each(|text| self.admits_name(named, text))?;
                }
                (None, Value::Array(_) | Value::Object(_)) if effect != Effect::Read => {
                    self.admits_fields(tool, value)?
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// The same of what stands inside of an argument: the columns that are masked, with their databases.
    fn admits_fields(&self, tool: &Tool, value: &Value) -> Result<(), Denied> {
        match value {
            Value::Array(items) => items.iter().try_for_each(|item| self.admits_fields(tool, item)),
            Value::Object(fields) => fields.iter().try_for_each(|(name, field)| {
                let by_its_own_name = !tool.declaration.safety.names.contains_key(name);
                match (tool.names_in_postgres(name).filter(|_| by_its_own_name), field) {
                    (Some(named), Value::String(text)) => self.admits_name(named, text),
                    (_, field) => self.admits_fields(tool, field),
                }
            }),
            _ => Ok(()),
        }
    }

    /// Whether a role or database is in bounds.
    pub fn admits_name(&self, named: Named, name: &str) -> Result<(), Denied> {
        let (pin, allowed) = self.names(named);
        let is_pinned = pin.is_none_or(|pin| pin == name);
        let is_allowed = allowed.is_none_or(|allowed| allowed.iter().any(|pattern| fits(pattern, name)));
        if is_pinned && is_allowed {
            return Ok(());
        }
        let what = word(named);
        Err(self.beyond(
            named,
            &format!("{what} {} is another one", told_plain(&one_line(name, 80))),
        ))
    }

    fn names(&self, named: Named) -> (Option<&str>, Option<&[String]>) {
        match named {
            Named::Role => (self.pins.role.as_deref(), self.allowed_roles.as_deref()),
            Named::Database => (self.pins.database.as_deref(), self.allowed_databases.as_deref()),
        }
    }

    pub(super) fn beyond(&self, named: Named, why: &str) -> Denied {
        let (pin, allowed) = self.names(named);
        let what = word(named);
        let (rule, bounds) = match pin {
            Some(pin) => (
                format!("--{what}"),
                format!("this server works with {what} {} alone (--{what})", one_line(pin, 80)),
            ),
            None => (
                format!("allowed_{what}s"),
                format!(
                    "calls name no other {what} than {}",
                    listed(allowed.unwrap_or_default())
                ),
            ),
        };
        Denied::new(rule, &format!("{bounds}, and {why}"), TELL)
    }
}

/// What it is called.
pub(super) fn word(named: Named) -> &'static str {
    match named {
        Named::Role => "role",
        Named::Database => "database",
    }
}
