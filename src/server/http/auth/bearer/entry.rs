//! One token, as the file has it.

use std::num::NonZeroU32;
use std::path::PathBuf;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::{DateTime, TimeDelta, Utc};
use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::guard::{Identity, Person, Scopes};
use crate::server::http::auth::setup::CallerSettings;

/// What every token begins with: so that people and scanners know it for one.
pub const TOKEN_PREFIX: &str = "nmcp_";

/// The longest name, in characters.
pub const MAX_NAME: usize = 64;

/// The longest name of a person, in characters: as long as a subject of an issuer may be.
const MAX_PERSON: usize = 256;

/// What a new token is made with.
#[derive(Debug, Clone, Default)]
pub struct NewToken {
    /// Whose it is: the name in the audit log.
    pub name: String,
    /// What it may do at most; all where nothing is said.
    pub scopes: Option<Vec<String>>,
    /// The policy file that narrows the server's.
    pub policy: Option<PathBuf>,
    /// The file with the Neon API key of its calls.
    pub api_key_file: Option<PathBuf>,
    /// The profile whose login its calls are made with.
    pub profile: Option<String>,
    /// When it ends.
    pub expires: Option<DateTime<Utc>>,
    /// How many tool calls it may make in a minute.
    pub calls_per_minute: Option<NonZeroU32>,
    /// Whose it is at the issuer where approvers sign in: that tells its calls from theirs.
    pub person: Option<String>,
}

/// A token in the file. It holds a digest, and nothing that lets in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TokenEntry {
    name: String,
    /// What tells it from one that is made under the same name later: sessions, prepared work and approvals are its own. Those of an
    /// earlier version have none.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    id: String,
    /// SHA-256 of the token, in base64url.
    sha256: String,
    created: DateTime<Utc>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    expires: Option<DateTime<Utc>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    scopes: Option<Vec<String>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    policy: Option<PathBuf>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    api_key_file: Option<PathBuf>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    profile: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    calls_per_minute: Option<NonZeroU32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    person: Option<String>,
    /// The token before this one, which counts for a while beside it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    previous: Option<Previous>,
}

/// A token that was replaced.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Previous {
    sha256: String,
    expires: DateTime<Utc>,
}

/// How a token is replaced.
#[derive(Debug, Clone, Copy)]
pub struct Rotation {
    /// How long the earlier one counts beside the new one, if it doesn't end before.
    pub overlap: TimeDelta,
    /// When the new one ends; nothing for as long after now as the earlier one lasted from when it was made.
    pub expires: Option<DateTime<Utc>>,
}

/// What the file has of a token.
pub(super) fn digest(token: &str) -> String {
    URL_SAFE_NO_PAD.encode(Sha256::digest(token.as_bytes()))
}

impl TokenEntry {
    /// A new token of 256 random bits, and its entry.
    pub(super) fn make(new: NewToken, now: DateTime<Utc>) -> (SecretString, Self) {
        let random: [u8; 32] = rand::random();
        let token = format!("{TOKEN_PREFIX}{}", URL_SAFE_NO_PAD.encode(random));
        let entry = Self {
            name: new.name,
            id: URL_SAFE_NO_PAD.encode(rand::random::<[u8; 12]>()),
            sha256: digest(&token),
            created: now,
            expires: new.expires,
            scopes: new.scopes,
            policy: new.policy,
            api_key_file: new.api_key_file,
            profile: new.profile,
            calls_per_minute: new.calls_per_minute,
            person: new.person,
            previous: None,
        };
        (token.into(), entry)
    }

    /// Puts a new token in the place of its own, which counts on for a while. Whose it is and what it may do stays.
    pub(super) fn rotate(&mut self, rotation: Rotation, now: DateTime<Utc>) -> Result<SecretString, String> {
        if self.expires.is_some_and(|end| end <= now) {
            return Err(format!("the token {} has ended: revoke it and make another", self.name));
        }
        let (token, made) = Self::make(NewToken::default(), now);
        let again = self.expires.and_then(|end| now.checked_add_signed(end - self.created));
        let until = now.checked_add_signed(rotation.overlap).unwrap_or(now);
        let until = self.expires.map_or(until, |end| end.min(until));
        self.previous = (until > now).then(|| Previous {
            sha256: std::mem::take(&mut self.sha256),
            expires: until,
        });
        self.sha256 = made.sha256;
        self.created = now;
        self.expires = rotation.expires.or(again);
        Ok(token)
    }

    /// What is wrong with it.
    pub(super) fn problem(&self) -> Option<String> {
        let name = &self.name;
        let is_name = |character: char| character.is_ascii_alphanumeric() || "._-@".contains(character);
        if name.is_empty() || name.len() > MAX_NAME || !name.chars().all(is_name) {
            return Some(format!(
                "the name of a token has 1 to {MAX_NAME} letters, digits or . _ - @"
            ));
        }
        if URL_SAFE_NO_PAD.decode(&self.sha256).map_or(0, |bytes| bytes.len()) != 32 {
            return Some(format!("{name}: sha256 is no SHA-256 in base64url"));
        }
        if self.id.len() > MAX_NAME || !self.id.chars().all(is_name) {
            return Some(format!("{name}: its id is none that `neon-mcp token` writes"));
        }
        let is_digest = |text: &str| URL_SAFE_NO_PAD.decode(text).is_ok_and(|bytes| bytes.len() == 32);
        if self
            .previous
            .as_ref()
            .is_some_and(|previous| !is_digest(&previous.sha256))
        {
            return Some(format!(
                "{name}: sha256 of the previous token is no SHA-256 in base64url"
            ));
        }
        let is_person =
            |text: &str| !text.is_empty() && text.chars().count() <= MAX_PERSON && !text.chars().any(char::is_control);
        if self.person.as_deref().is_some_and(|person| !is_person(person)) {
            return Some(format!(
                "{name}: the person is the subject at the issuer of the approvers, of 1 to {MAX_PERSON} characters"
            ));
        }
        let scopes = self.scopes.iter().flatten();
        let mut unknown = scopes.filter(|scope| Scopes::of([scope.as_str()]) == Scopes::NONE);
        if let Some(unknown) = unknown.next() {
            let unknown = crate::text::one_line(unknown, 60);
            return Some(format!(
                "{name}: there is no scope `{unknown}`: there are {}",
                Scopes::ALL.text()
            ));
        }
        if self.api_key_file.is_some() && self.profile.is_some() {
            return Some(format!("{name}: api_key_file and profile exclude each other: keep one"));
        }
        None
    }

    /// The name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Who shows it. One that is made again under the name of a revoked one is another.
    #[must_use]
    pub fn identity(&self) -> Identity {
        Identity::Token {
            name: self.name.clone(),
            id: self.id.clone(),
        }
    }

    /// When it was made.
    #[must_use]
    pub fn created(&self) -> DateTime<Utc> {
        self.created
    }

    /// When it ends, where it does.
    #[must_use]
    pub fn expires(&self) -> Option<DateTime<Utc>> {
        self.expires
    }

    /// When the token that it replaced ends, where that still counts.
    #[must_use]
    pub fn previous_expires(&self, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
        let previous = self.previous.as_ref()?;
        (previous.expires > now).then_some(previous.expires)
    }

    /// What it may do at most.
    #[must_use]
    pub fn scopes(&self) -> Scopes {
        match &self.scopes {
            None => Scopes::ALL,
            Some(names) => Scopes::of(names.iter().map(String::as_str)),
        }
    }

    /// What its calls are made with, for people: the path of a key's file, a profile, or nothing for the server's own.
    #[must_use]
    pub fn credential(&self) -> Option<String> {
        let file = self.api_key_file.as_ref().map(|path| path.display().to_string());
        file.or_else(|| self.profile.as_ref().map(|name| format!("profile {name}")))
    }

    /// The file with the key of its calls, where one is named.
    #[must_use]
    pub fn api_key_file(&self) -> Option<&std::path::Path> {
        self.api_key_file.as_deref()
    }

    /// The policy file, where one narrows the server's.
    #[must_use]
    pub fn policy(&self) -> Option<&std::path::Path> {
        self.policy.as_deref()
    }

    /// Whose it is at the issuer where approvers sign in, where the operator said it.
    #[must_use]
    pub fn person(&self) -> Option<&str> {
        self.person.as_deref()
    }

    /// The person whose it is, at that issuer of the approvers; nothing where the operator didn't say it, or none sign in.
    #[must_use]
    pub fn person_at(&self, issuer: Option<&str>) -> Option<Person> {
        self.person().zip(issuer).map(|(subject, issuer)| Person {
            issuer: issuer.to_owned(),
            subject: subject.to_owned(),
        })
    }

    /// The digests of its tokens, and when each ends.
    pub(super) fn digests(&self) -> impl Iterator<Item = (&str, Option<DateTime<Utc>>)> {
        let previous = self.previous.as_ref();
        let previous = previous.map(|previous| (&*previous.sha256, Some(previous.expires)));
        std::iter::once((&*self.sha256, self.expires)).chain(previous)
    }

    pub(super) fn settings(&self) -> CallerSettings {
        CallerSettings {
            policy: self.policy.clone(),
            api_key_file: self.api_key_file.clone(),
            profile: self.profile.clone(),
            calls_per_minute: self.calls_per_minute,
        }
    }
}
