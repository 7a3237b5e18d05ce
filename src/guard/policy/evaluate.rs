//! The checks of one policy file. A policy of several asks each of them.

use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};
use serde_json::{Map, Value};

use super::file::{Action, PolicyFile};
use super::rule::{Cause, Denied, Occasion, TELL};
use super::{pattern, scope};
use crate::catalog::{Resource, Tool};
use crate::guard::Effect;
use crate::text::one_line;

/// The rules of a file that match a call.
pub(super) struct Written {
    effect: Option<Action>,
    tool: Option<Action>,
}

impl Written {
    /// The strictest of them; nothing when none matches.
    pub fn strictest(&self) -> Option<Action> {
        self.effect.max(self.tool)
    }

    /// The denial, where that is what they come to.
    pub fn denied(&self, occasion: &Occasion<'_>) -> Option<Denied> {
        match (self.tool, self.effect) {
            (Some(Action::Deny), _) => Some(denied_tool(occasion.tool)),
            (_, Some(Action::Deny)) => Some(denied_effect(occasion.effect)),
            _ => None,
        }
    }

    /// Whether a cause to ask is lifted where they come to an allowance: a rule of the tool lifts all causes, one of the
    /// effect only the effect, and that not for what is severe.
    pub fn lifts(&self, occasion: &Occasion<'_>, cause: Cause) -> bool {
        self.tool == Some(Action::Allow)
            || (self.effect == Some(Action::Allow) && cause == Cause::Effect && !occasion.severe)
    }
}

impl PolicyFile {
    /// Whether the tool is named, and no call of it allowed.
    pub fn denies_by_name(&self, tool: &Tool) -> bool {
        self.tools.get(tool.name()) == Some(&Action::Deny)
    }

    /// Whether calls of the tool can be let through at all.
    pub fn offers(&self, tool: &Tool) -> Result<(), Denied> {
        let declaration = &tool.declaration;
        if self.denies_by_name(tool) {
            return Err(denied_tool(tool));
        }
        let effect = declaration.least_effect();
        if self.effects.of(effect) == Some(Action::Deny) {
            return Err(denied_effect(effect));
        }
        if self.read_only && (effect != Effect::Read || declaration.safety.reveals) {
            let what = if effect == Effect::Read {
                "hand over a secret"
            } else {
                "change something"
            };
            return Err(read_only(what));
        }
        scope::offers(self, tool)
    }

    /// Whether a call with these arguments stays in bounds.
    pub fn admits(
        &self,
        tool: &Tool,
        arguments: &Map<String, Value>,
        effect: Effect,
        now: DateTime<Utc>,
    ) -> Result<(), Denied> {
        self.offers(tool)?;
        if let Some(reason) = self.freeze.as_ref().filter(|_| effect != Effect::Read) {
            let why = format!("nothing may change at present ({reason})");
            return Err(Denied::new(
                "freeze",
                &why,
                "Tell the user; calls that only read still run.",
            ));
        }
        if self.read_only && effect != Effect::Read {
            return Err(read_only("do more than read"));
        }
        scope::admits(self, tool, arguments, effect)?;
        self.check_lifetime(tool, arguments, now)?;
        self.check_compute(arguments)
    }

    /// Whether a branch of that name counts as protected.
    pub fn protects(&self, branch: &str) -> bool {
        self.protected_branches
            .iter()
            .any(|pattern| pattern::fits(pattern, branch))
    }

    /// What the file says about an occasion.
    pub fn written(&self, occasion: &Occasion<'_>) -> Written {
        Written {
            effect: self.effects.of(occasion.effect),
            tool: self.tools.get(occasion.tool.name()).copied(),
        }
    }

    fn check_lifetime(&self, tool: &Tool, arguments: &Map<String, Value>, now: DateTime<Utc>) -> Result<(), Denied> {
        let expires = arguments.get("expires_at").filter(|expires| !expires.is_null());
        let (Some(hours), Some(expires), true) = (
            self.caps.throwaway_lifetime_hours,
            expires,
            tool.declaration.safety.adds_branch || matches!(tool.target(), Some((_, Resource::Branch))),
        ) else {
            return Ok(());
        };
        let latest = i64::try_from(hours)
            .ok()
            .and_then(TimeDelta::try_hours)
            .and_then(|lifetime| now.checked_add_signed(lifetime));
        let expires = expires
            .as_str()
            .and_then(|text| DateTime::parse_from_rfc3339(text).ok());
        match (latest, expires) {
            (Some(latest), Some(expires)) if expires.to_utc() <= latest => Ok(()),
            (latest, _) => {
                let latest = latest.unwrap_or(now).to_rfc3339_opts(SecondsFormat::Secs, true);
                let why = format!(
                    "a branch with an expiry lives for at most {hours} h: expires_at may be {latest} at the latest"
                );
                let next = format!("Call again with an expires_at no later than {latest}.");
                Err(Denied::new("caps.throwaway_lifetime_hours", &why, &next))
            }
        }
    }

    fn check_compute(&self, arguments: &Map<String, Value>) -> Result<(), Denied> {
        let Some(most) = self.caps.compute_cu else {
            return Ok(());
        };
        let Some(name) = arguments.iter().find_map(|(name, value)| larger(name, value, most)) else {
            return Ok(());
        };
        let why = format!(
            "a compute has at most {most} CU, and {} asks for more",
            one_line(name, 80)
        );
        let next =
            format!("Call again with at most {most}, or tell the user: only the operator can change the policy.");
        Err(Denied::new("caps.compute_cu", &why, &next))
    }
}

/// The argument, or the field within it, that asks for a compute larger than that.
fn larger<'a>(name: &'a str, value: &'a Value, most: f64) -> Option<&'a str> {
    match value {
        Value::Object(fields) => fields.iter().find_map(|(name, value)| larger(name, value, most)),
        Value::Array(items) => items.iter().find_map(|item| larger(name, item, most)),
        Value::Null => None,
        // What isn't a number can't be told to be small enough.
        value => (name.ends_with("_cu") && value.as_f64().is_none_or(|value| value > most)).then_some(name),
    }
}

fn denied_tool(tool: &Tool) -> Denied {
    let why = format!("it allows no call of {}", tool.name());
    Denied::new(format!("tools.{}", tool.name()), &why, TELL)
}

fn denied_effect(effect: Effect) -> Denied {
    let what = match effect {
        Effect::Read => "reads",
        Effect::Write => "writes",
        Effect::Access => "gives access or changes what is spent",
        Effect::Destructive => "destroys or interrupts something",
    };
    Denied::new(
        format!("effects.{effect}"),
        &format!("it allows nothing that {what}"),
        TELL,
    )
}

fn read_only(what: &str) -> Denied {
    Denied::new(
        "read_only",
        &format!("it is read-only, and this call would {what}"),
        TELL,
    )
}
