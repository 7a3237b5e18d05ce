//! OAuth scopes: what a token lets its bearer do at most. They bound the effect of calls, and never stand for an approval.

use super::Effect;
use crate::catalog::Tool;

/// The scopes by the effect that each allows, from the least.
const NAMES: [(Effect, &str); 4] = [
    (Effect::Read, "neon:read"),
    (Effect::Write, "neon:write"),
    (Effect::Access, "neon:access"),
    (Effect::Destructive, "neon:destructive"),
];

/// A set of the scopes `neon:read`, `neon:write`, `neon:access` and `neon:destructive`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Scopes(u8);

impl Default for Scopes {
    fn default() -> Self {
        Self::ALL
    }
}

impl Scopes {
    /// No scope: nothing may be called.
    pub const NONE: Self = Self(0);

    /// All four: nothing is bounded.
    pub const ALL: Self = Self(0b1111);

    /// The scopes that a list of names holds; other names are passed over, since a token may be good for other servers' scopes, too.
    pub fn of<'a>(names: impl IntoIterator<Item = &'a str>) -> Self {
        let mut scopes = Self::NONE;
        for name in names {
            if let Some((effect, _)) = NAMES.iter().find(|(_, known)| *known == name) {
                scopes.0 |= bit(*effect);
            }
        }
        scopes
    }

    /// The scope that calls of an effect need.
    #[must_use]
    pub fn needed(effect: Effect) -> &'static str {
        let found = NAMES.iter().find(|(known, _)| *known == effect);
        found.map_or("neon:destructive", |(_, name)| name)
    }

    /// The scope that calls of an effect need, alone.
    #[must_use]
    pub fn for_effect(effect: Effect) -> Self {
        Self(bit(effect))
    }

    /// The scopes that every call of a tool needs: to read, since each call is judged by what is there; for the least that the tool
    /// does; and `neon:access` where it hands over a secret. Arguments may raise what a call does, and so what it needs.
    #[must_use]
    pub fn needed_by(tool: &Tool) -> Self {
        let declaration = &tool.declaration;
        let mut needed = Self(bit(Effect::Read) | bit(declaration.least_effect()));
        if declaration.safety.reveals {
            needed.0 |= bit(Effect::Access);
        }
        needed
    }

    /// The scopes that a call needs whose arguments make this of it: those of its tool, that of its effect, and to write where it is
    /// SQL that destroys, since among its statements may be some that write.
    #[must_use]
    pub fn needed_by_call(tool: &Tool, effect: Effect) -> Self {
        let needed = Self::needed_by(tool).or(Self::for_effect(effect));
        let takes_sql = tool
            .declaration
            .workflow
            .as_ref()
            .is_some_and(|workflow| workflow.statements.is_some() || workflow.completes.is_some());
        match takes_sql && effect == Effect::Destructive {
            true => needed.or(Self::for_effect(Effect::Write)),
            false => needed,
        }
    }

    /// Whether calls of that effect are allowed.
    #[must_use]
    pub fn allows(self, effect: Effect) -> bool {
        self.0 & bit(effect) != 0
    }

    /// The names, from the least effect.
    pub fn names(self) -> impl Iterator<Item = &'static str> {
        let names = NAMES.into_iter().filter(move |(effect, _)| self.allows(*effect));
        names.map(|(_, name)| name)
    }

    /// Those of `needed` that aren't among these.
    #[must_use]
    pub fn lacks(self, needed: Self) -> Self {
        Self(needed.0 & !self.0)
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(self) -> bool {
        self == Self::NONE
    }

    /// What either allows.
    #[must_use]
    pub fn or(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// The names in one text, as OAuth writes them (RFC 6749, 3.3).
    #[must_use]
    pub fn text(self) -> String {
        self.names().collect::<Vec<_>>().join(" ")
    }

    /// What both allow.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }
}

fn bit(effect: Effect) -> u8 {
    match effect {
        Effect::Read => 0b0001,
        Effect::Write => 0b0010,
        Effect::Access => 0b0100,
        Effect::Destructive => 0b1000,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scopes_allow_the_effects_that_they_name_and_no_other() {
        let some = Scopes::of(["neon:read", "openid", "neon:access", "neon:Write", "neon:", ""]);
        assert!(some.allows(Effect::Read) && some.allows(Effect::Access));
        assert!(!some.allows(Effect::Write) && !some.allows(Effect::Destructive));
        assert_eq!(some.names().collect::<Vec<_>>(), ["neon:read", "neon:access"]);
        assert_eq!(Scopes::of(Scopes::ALL.names()), Scopes::ALL);
        assert_eq!(Scopes::of([]), Scopes::NONE);
        assert_eq!(Scopes::NONE.lacks(some), some);
        assert_eq!(some.lacks(Scopes::ALL).text(), "neon:write neon:destructive");
        assert_eq!(some.or(Scopes::ALL), Scopes::ALL);
    }

    #[test]
    fn call_needs_to_read_and_what_its_tool_does_and_access_for_a_secret() {
        let catalog = crate::catalog::Catalog::embedded().unwrap();
        let needed = |name: &str| Scopes::needed_by(catalog.tool(name).unwrap()).text();
        assert_eq!(needed("list_projects"), "neon:read");
        assert_eq!(needed("run_sql"), "neon:read");
        assert_eq!(needed("create_branch"), "neon:read neon:write");
        assert_eq!(needed("delete_project"), "neon:read neon:destructive");
        assert_eq!(needed("get_connection_string"), "neon:read neon:access");
        let by_call = |name: &str, effect| Scopes::needed_by_call(catalog.tool(name).unwrap(), effect).text();
        assert_eq!(by_call("run_sql", Effect::Write), "neon:read neon:write");
        assert_eq!(
            by_call("run_sql", Effect::Destructive),
            "neon:read neon:write neon:destructive"
        );
        assert_eq!(
            by_call("delete_project", Effect::Destructive),
            "neon:read neon:destructive"
        );
    }
}
