//! What a token says of its owner, once it counts.

use serde_json::{Map, Value};

use crate::guard::Scopes;
use crate::server::http::auth::challenge::Denial;

/// How far clocks may be apart, in seconds.
pub(super) const LEEWAY: u64 = 30;

/// The longest subject and name of a group, in characters.
const MAX_NAME: usize = 256;

/// How many groups of a caller count.
const MAX_GROUPS: usize = 256;

/// Whose a token is, and what it lets do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Claims {
    pub(super) subject: String,
    pub(super) groups: Vec<String>,
    pub(super) scopes: Scopes,
    /// When it ends: seconds since 1970.
    pub(super) expires: Option<u64>,
}

impl Claims {
    /// Of the claims of a token that counts.
    ///
    /// # Errors
    /// The answer to a request whose token has no owner.
    pub(super) fn of(claims: &Map<String, Value>, groups_claim: &str) -> Result<Self, Denial> {
        let subject = claims.get("sub").and_then(Value::as_str).unwrap_or_default();
        if !is_name(subject) {
            return Err(Denial::Invalid("the token has no subject that can be used"));
        }
        let groups = texts(claims.get(groups_claim));
        Ok(Self {
            subject: subject.to_owned(),
            groups: groups
                .filter(|name| is_name(name))
                .take(MAX_GROUPS)
                .map(str::to_owned)
                .collect(),
            scopes: Scopes::of(words(claims.get("scope")).chain(words(claims.get("scp")))),
            expires: claims.get("exp").and_then(seconds),
        })
    }
}

fn is_name(text: &str) -> bool {
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
        Claims::of(value.as_object().unwrap(), "groups")
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
        let told = claims(json!({"sub": "a", "groups": ["x", 1, "y", ""]})).unwrap();
        assert_eq!(told.groups, ["x", "y"]);
        assert_eq!(claims(json!({"sub": "a", "groups": "x"})).unwrap().groups, ["x"]);
        for none in [json!({}), json!({"sub": ""}), json!({"sub": 1}), json!({"sub": "a\nb"})] {
            assert!(claims(none.clone()).is_err(), "{none}");
        }
    }
}
