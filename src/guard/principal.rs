//! Who calls, as the server itself established it: what a client says of itself proves nothing.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::scopes::Scopes;
use crate::text::name_told_apart;

/// How a caller was identified.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Identity {
    /// By starting the server: stdio.
    Stdio,
    /// By running a command of this program.
    Cli,
    /// By reaching the port, and showing the server's only token where it has one: its digest.
    Http(Option<String>),
    /// By a token of its own.
    Token {
        /// The name that the operator gave it, for people and policies.
        name: String,
        /// What tells its entry from one that is made under the same name later. Empty where the entry has none.
        id: String,
    },
    /// By an access token of the operator's OAuth issuer.
    Subject {
        /// The issuer (`iss`).
        issuer: String,
        /// Whom the token is of: the claim that names a person, `sub` or another that the operator chose.
        subject: String,
    },
    /// By its own Neon API key: a keyed digest of it.
    NeonKey(String),
}

/// A person, as an issuer names them. Two principals are one human where their persons are one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Person {
    /// The issuer.
    pub issuer: String,
    /// Its name for them.
    pub subject: String,
}

impl Identity {
    /// A token of that name, of an entry without an id.
    #[cfg(test)]
    pub(crate) fn token(name: &str) -> Self {
        Self::Token {
            name: name.to_owned(),
            id: String::new(),
        }
    }
}

impl Person {
    /// The issuer's address, in the one way in which it is compared: some write it with a slash at its end.
    #[must_use]
    pub(in crate::guard) fn place(&self) -> &str {
        self.issuer.trim_end_matches('/')
    }
}

/// A caller that the server knows. Sessions, approvals, prepared work, tasks, limits and audit lines belong to one. Cheap to clone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Principal(Arc<Known>);

#[derive(Debug, PartialEq, Eq)]
struct Known {
    identity: Identity,
    groups: Vec<String>,
    scopes: Scopes,
    /// Whom the operator says it is, where its identity doesn't say it.
    person: Option<Person>,
}

impl Principal {
    /// A principal without groups that may do whatever the policy allows.
    #[must_use]
    pub fn new(identity: Identity) -> Self {
        Self::with(identity, Vec::new(), Scopes::ALL)
    }

    /// A principal with the groups that its issuer names, bounded by scopes.
    #[must_use]
    pub fn with(identity: Identity, groups: Vec<String>, scopes: Scopes) -> Self {
        Self(Arc::new(Known {
            identity,
            groups,
            scopes,
            person: None,
        }))
    }

    /// The same principal, of which the operator says what person it is. An identity that names one itself goes on naming that.
    #[must_use]
    pub fn of_person(&self, person: Option<Person>) -> Self {
        Self(Arc::new(Known {
            identity: self.0.identity.clone(),
            groups: self.0.groups.clone(),
            scopes: self.0.scopes,
            person,
        }))
    }

    /// What person it is, where that is known: nothing else tells whether two principals are one human.
    #[must_use]
    pub fn person(&self) -> Option<Person> {
        match self.identity() {
            Identity::Subject { issuer, subject } => Some(Person {
                issuer: issuer.clone(),
                subject: subject.clone(),
            }),
            _ => self.0.person.clone(),
        }
    }

    /// How it was identified.
    #[must_use]
    pub fn identity(&self) -> &Identity {
        &self.0.identity
    }

    /// The groups that its issuer says it is in.
    #[must_use]
    pub fn groups(&self) -> &[String] {
        &self.0.groups
    }

    /// What its token lets it do at most.
    #[must_use]
    pub fn scopes(&self) -> Scopes {
        self.0.scopes
    }

    /// The subject of the person that the operator says it is; nothing where its own name says it.
    #[must_use]
    pub fn said_person(&self) -> Option<String> {
        let person = self.0.person.as_ref()?;
        let is_named = matches!(self.identity(), Identity::Subject { .. });
        (!is_named).then(|| name_told_apart(&person.subject))
    }

    /// The name for people, in the audit log and in policies: `stdio`, `cli`, `http`, `token NAME`, `ISSUER SUBJECT`, and the
    /// beginning of the digest of a Neon key. It holds no secret, and no character that isn't seen: two callers never look alike.
    #[must_use]
    pub fn name(&self) -> String {
        match self.identity() {
            Identity::Stdio => "stdio".to_owned(),
            Identity::Cli => "cli".to_owned(),
            Identity::Http(_) => "http".to_owned(),
            Identity::Token { name, .. } => format!("token {name}"),
            Identity::Subject { issuer, subject } => format!("{issuer} {}", name_told_apart(subject)),
            Identity::NeonKey(digest) => format!("neon-key {}", digest.get(..12).unwrap_or(digest)),
        }
    }

    /// What tells it from every other principal. The parts carry their lengths, so that no name can stand for another.
    #[must_use]
    pub fn id(&self) -> String {
        let of = |kind: &str, parts: &[&str]| {
            let parts: Vec<String> = parts.iter().map(|part| format!("{}:{part}", part.len())).collect();
            format!("{kind} {}", parts.join(" "))
        };
        match self.identity() {
            Identity::Stdio => "stdio -".to_owned(),
            Identity::Cli => "cli -".to_owned(),
            Identity::Http(None) => "http -".to_owned(),
            Identity::Http(Some(digest)) => format!("http {digest}"),
            Identity::Token { name, id } if id.is_empty() => of("token", &[name]),
            Identity::Token { name, id } => of("token", &[name, id]),
            Identity::Subject { issuer, subject } => of("subject", &[issuer, subject]),
            Identity::NeonKey(digest) => of("neon-key", &[digest]),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_of_different_principals_differ_whatever_their_names_hold() {
        let subject = |issuer: &str, subject: &str| Identity::Subject {
            issuer: issuer.to_owned(),
            subject: subject.to_owned(),
        };
        let token = |name: &str, id: &str| Identity::Token {
            name: name.to_owned(),
            id: id.to_owned(),
        };
        let all = [
            Identity::Stdio,
            Identity::Cli,
            Identity::Http(None),
            Identity::Http(Some("a".into())),
            token("a", ""),
            token("-", ""),
            token("a", "1"),
            token("a", "2"),
            token("a 1:1", ""),
            Identity::NeonKey("a".into()),
            subject("a", "b c"),
            subject("a b", "c"),
            subject("a 3:b c", ""),
            subject("a", ""),
        ];
        let ids: std::collections::HashSet<String> = all
            .iter()
            .map(|identity| Principal::new(identity.clone()).id())
            .collect();
        assert_eq!(ids.len(), all.len());
    }

    #[test]
    fn names_of_two_callers_never_look_alike() {
        let name = |subject: &str| {
            let (issuer, subject) = ("https://id.example".to_owned(), subject.to_owned());
            Principal::new(Identity::Subject { issuer, subject }).name()
        };
        assert_eq!(name("evilxy"), "https://id.example evilxy");
        let other = name("ev\u{202e}il\u{2066}x\u{200b}y ");
        assert_eq!(other, "https://id.example ev\\u{202e}il\\u{2066}x\\u{200b}y\\u{20}");
        assert_eq!(crate::text::one_line(&other, 1_000), other, "it is shown whole");
    }
}
