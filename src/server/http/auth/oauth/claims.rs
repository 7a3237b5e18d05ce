//! What a token says of its owner, once it counts.

use serde_json::{Map, Value};

use crate::guard::Scopes;
use crate::server::http::auth::challenge::Denial;

/// How far clocks may be apart, in seconds.
pub(super) const LEEWAY: u64 = 30;

/// The longest subject and name of a group, in characters.
const MAX_NAME: usize = 256;

/// How many groups of a caller are looked at: more than a token has room for that a request can show.
const MAX_GROUPS: usize = 1_000;

const TOO_MANY: &str = "Your token names more groups than this server looks at, and what you may do here depends on them: \
    whoever runs the issuer can have it name fewer.";
const LEFT_OUT: &str = "Your token leaves groups of yours out since they are too many (_claim_names, hasgroups), and what you may do \
    here depends on them: whoever runs the issuer can have it name those alone that are assigned to this server, or roles.";
const NO_TEXTS: &str = "The groups in your token are neither a text nor a list of texts, and what you may do here depends on them: \
    whoever runs the issuer can have it name them so.";

/// Which claims say who a caller is.
#[derive(Debug, Clone)]
pub(super) struct ClaimNames {
    pub(super) subject: String,
    pub(super) groups: String,
}

/// The groups of a caller.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Groups {
    /// All of them.
    Told(Vec<String>),
    /// Nobody can tell all of them, and why: nothing that depends on groups may be decided.
    Untold(&'static str),
}

/// Whose a token is, and what it lets do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Claims {
    pub(super) subject: String,
    pub(super) groups: Groups,
    pub(super) scopes: Scopes,
    /// When it ends: seconds since 1970.
    pub(super) expires: Option<u64>,
}

impl Claims {
    /// Of the claims of a token that counts.
    ///
    /// # Errors
    /// The answer to a request whose token has no owner.
    pub(super) fn of(claims: &Map<String, Value>, names: &ClaimNames) -> Result<Self, Denial> {
        let subject = claims.get(&names.subject).and_then(Value::as_str).unwrap_or_default();
        if !is_name(subject) {
            return Err(Denial::Invalid("the token has no subject that can be used"));
        }
        Ok(Self {
            subject: subject.to_owned(),
            groups: Groups::of(claims, &names.groups),
            scopes: Scopes::of(words(claims.get("scope")).chain(words(claims.get("scp")))),
            expires: claims.get("exp").and_then(seconds),
        })
    }
}

impl Groups {
    fn of(claims: &Map<String, Value>, claim: &str) -> Self {
        // Entra ID tells so in place of more groups than it puts into a token.
        let elsewhere = match claims.get("_claim_names") {
            None => false,
            Some(Value::Object(names)) => names.contains_key(claim),
            Some(_) => true,
        };
        let has_more = claims.get("hasgroups").is_some_and(|has| *has != Value::Bool(false));
        if elsewhere || (has_more && claim == "groups") {
            return Self::Untold(LEFT_OUT);
        }
        let told: Vec<&Value> = match claims.get(claim) {
            None | Some(Value::Null) => Vec::new(),
            Some(Value::Array(many)) => many.iter().collect(),
            Some(one) => vec![one],
        };
        if told.len() > MAX_GROUPS {
            return Self::Untold(TOO_MANY);
        }
        let mut groups = Vec::new();
        for value in told {
            match value.as_str() {
                // No group has no name.
                Some("") => {}
                Some(name) if is_name(name) => groups.push(name.to_owned()),
                _ => return Self::Untold(NO_TEXTS),
            }
        }
        Self::Told(groups)
    }
}

/// Whether a text can be a subject or a group.
pub(super) fn is_name(text: &str) -> bool {
    !text.is_empty() && text.chars().count() <= MAX_NAME && !text.chars().any(char::is_control)
}

/// A text, or a list of texts.
pub(super) fn texts(value: Option<&Value>) -> impl Iterator<Item = &str> {
    let one = value.and_then(Value::as_str);
    let many = value.and_then(Value::as_array).into_iter().flatten();
    one.into_iter().chain(many.filter_map(Value::as_str))
}

/// The words of a text, or of a list of texts.
fn words(value: Option<&Value>) -> impl Iterator<Item = &str> {
    texts(value).flat_map(str::split_whitespace)
}

/// A time as a token has it (RFC 7519, section 2), in whole seconds.
pub(super) fn seconds(value: &Value) -> Option<u64> {
    let text = value.as_number()?.to_string();
    value.as_u64().or_else(|| text.split('.').next()?.parse().ok())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn claims(value: Value) -> Result<Claims, Denial> {
        let names = ClaimNames {
            subject: "sub".to_owned(),
            groups: "groups".to_owned(),
        };
        Claims::of(value.as_object().unwrap(), &names)
    }

    #[test]
    fn scopes_stand_in_scope_or_scp_as_text_or_list() {
        for told in [
            json!({"sub": "a", "scope": "openid neon:read neon:write"}),
            json!({"sub": "a", "scp": "neon:read neon:write"}),
            json!({"sub": "a", "scp": ["neon:read", "neon:write", 7]}),
            json!({"sub": "a", "scope": "neon:read", "scp": ["neon:write"]}),
        ] {
            assert_eq!(
                claims(told.clone()).unwrap().scopes.text(),
                "neon:read neon:write",
                "{told}"
            );
        }
        assert_eq!(claims(json!({"sub": "a"})).unwrap().scopes, Scopes::NONE);
    }

    #[test]
    fn groups_are_a_list_or_one_and_a_subject_must_be_one() {
        let groups = |value: Value| claims(json!({"sub": "a", "groups": value})).unwrap().groups;
        let told = |names: &[&str]| Groups::Told(names.iter().map(|name| (*name).to_owned()).collect());
        assert_eq!(groups(json!(["x", "y", ""])), told(&["x", "y"]));
        assert_eq!(groups(json!("x y")), told(&["x y"]));
        assert_eq!(groups(Value::Null), told(&[]));
        assert_eq!(claims(json!({"sub": "a"})).unwrap().groups, told(&[]));
        let Groups::Told(all) = groups(json!(vec!["x"; 1_000])) else {
            panic!("there are as many as are looked at")
        };
        assert_eq!(all.len(), 1_000);
        for none in [json!({}), json!({"sub": ""}), json!({"sub": 1}), json!({"sub": "a\nb"})] {
            assert!(claims(none.clone()).is_err(), "{none}");
        }
    }

    #[test]
    fn groups_that_nobody_can_tell_whole_are_none_and_not_fewer() {
        for (told, why) in [
            (json!({"groups": vec!["x"; 1_001]}), TOO_MANY),
            (json!({"_claim_names": {"groups": "src1"}}), LEFT_OUT),
            (json!({"_claim_names": "groups", "groups": ["x"]}), LEFT_OUT),
            (json!({"hasgroups": true}), LEFT_OUT),
            (json!({"hasgroups": "true"}), LEFT_OUT),
            (json!({"groups": ["x", 1]}), NO_TEXTS),
            (json!({"groups": [{"name": "x"}]}), NO_TEXTS),
            (json!({"groups": {"x": true}}), NO_TEXTS),
            (json!({"groups": ["x".repeat(257)]}), NO_TEXTS),
            (json!({"groups": true}), NO_TEXTS),
        ] {
            assert_eq!(
                Groups::of(told.as_object().unwrap(), "groups"),
                Groups::Untold(why),
                "{told}"
            );
        }
        // What is said of another claim says nothing of this one.
        let roles = json!({"_claim_names": {"groups": "src1"}, "hasgroups": true, "roles": ["x"]});
        let roles = Groups::of(roles.as_object().unwrap(), "roles");
        assert_eq!(roles, Groups::Told(vec!["x".to_owned()]));
    }

    #[test]
    fn subject_is_the_claim_that_the_operator_chose() {
        let names = ClaimNames {
            subject: "oid".to_owned(),
            groups: "groups".to_owned(),
        };
        let of = |value: Value| Claims::of(value.as_object().unwrap(), &names).map(|claims| claims.subject);
        assert_eq!(of(json!({"sub": "pairwise", "oid": "o-1"})).unwrap(), "o-1");
        for none in [json!({"sub": "pairwise"}), json!({"oid": ["o-1"]}), json!({"oid": ""})] {
            assert!(of(none.clone()).is_err(), "{none}");
        }
    }
}
