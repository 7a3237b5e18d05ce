//! Signing people in on a page of a server of ours: the same code flow, with the answer at an address of that server's own.

use std::fmt::Debug;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::FutureExt as _;
use futures::future::BoxFuture;
use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use sha2::{Digest as _, Sha256};
use tokio::sync::Mutex;
use url::Url;

use super::callback;
use super::error::SignInError;
use super::id_token::Person;
use super::issuer::{Issuer, Metadata};
use super::question::{Asked, Question};
use super::wire::Wire;
use crate::guard::OwnKey;

/// The most groups that are taken of a person, and the longest name of one in bytes.
const MAX_GROUPS: usize = 200;
const MAX_GROUP_BYTES: usize = 256;

/// How long what the issuer says of itself is kept.
const KEPT: Duration = Duration::from_mins(10);

/// How long it isn't asked again after it couldn't be.
const NOT_ASKED_AGAIN: Duration = Duration::from_secs(3);

/// The longest name of a person, in characters.
const MAX_SUBJECT: usize = 256;

/// Signs people in on pages of this server.
#[derive(Debug, Clone)]
pub struct WebSignIn {
    issuer: Issuer,
    secret: Option<Arc<SecretString>>,
    claims: Arc<PersonClaims>,
    verifies: Arc<dyn VerifiesTokens>,
    told: Arc<Told>,
}

/// What the issuer says of itself. One asks at a time, and what was said is kept for a while: anybody can begin a sign-in.
#[derive(Debug, Default)]
struct Told(Mutex<Option<(Instant, Option<Metadata>)>>);

impl Told {
    /// What it says, or said not long ago.
    async fn of(&self, issuer: &Issuer, wire: &Wire) -> Result<Metadata, SignInError> {
        let mut told = self.0.lock().await;
        match &*told {
            Some((at, Some(metadata))) if at.elapsed() < KEPT => return Ok(metadata.clone()),
            Some((at, None)) if at.elapsed() < NOT_ASKED_AGAIN => {
                return Err(issuer.away("its metadata couldn't be read a moment ago"));
            }
            _ => {}
        }
        let asked = issuer.discover(wire).await;
        *told = Some((Instant::now(), asked.as_ref().ok().cloned()));
        asked
    }

    /// Has it asked again: what it said led nowhere.
    async fn forget(&self) {
        *self.0.lock().await = None;
    }
}

/// Which claims say who a person is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PersonClaims {
    /// The one that names them.
    pub subject: String,
    /// The one that holds their groups.
    pub groups: String,
}

/// Says whose tokens are that came with a sign-in.
///
/// They came from the token endpoint itself, over TLS or from this machine, and the identity among them was checked against what was
/// asked: its issuer, client, time and nonce.
pub trait VerifiesTokens: Send + Sync + Debug {
    /// What the issuer says of the person, the identity's own claims aside; nothing where it says no more.
    ///
    /// # Errors
    /// When they aren't the person's.
    fn verify<'a>(&'a self, signed: Signed<'a>) -> BoxFuture<'a, Result<Map<String, Value>, SignInError>>;
}

/// What came with a sign-in.
#[derive(Clone, Copy)]
pub struct Signed<'a> {
    /// The issuer.
    pub issuer: &'a Issuer,
    /// Where it says more of whoever signed in, where it does.
    pub userinfo: Option<&'a Url>,
    /// Whom the identity names (`sub`).
    pub subject: &'a str,
    /// The identity, as it came.
    pub identity: &'a SecretString,
    /// The access token.
    pub access: &'a SecretString,
}

impl Debug for Signed<'_> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Signed([hidden])")
    }
}

/// A sign-in that began: what the browser must bring back with it, sealed.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Begun {
    state: String,
    nonce: String,
    verifier: String,
}

impl Begun {
    /// What tells this sign-in from every other, and shows nothing of it.
    #[must_use]
    pub fn digest(&self) -> [u8; 32] {
        Sha256::digest(&self.state).into()
    }
}

impl Debug for Begun {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Begun([hidden])")
    }
}

/// Who signed in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SignedInPerson {
    /// The issuer, as it writes itself.
    pub issuer: String,
    /// Its name for them, which never changes, by the claim that the operator chose.
    pub subject: String,
    /// What people call them, where it is told.
    pub name: Option<String>,
    /// The groups that the issuer says they are in.
    pub groups: Vec<String>,
}

impl WebSignIn {
    /// At this issuer, as its client with that secret.
    #[must_use]
    pub fn new(
        issuer: Issuer,
        secret: Option<Arc<SecretString>>,
        claims: PersonClaims,
        verifies: Arc<dyn VerifiesTokens>,
    ) -> Self {
        Self {
            issuer,
            secret,
            claims: claims.into(),
            verifies,
            told: Arc::default(),
        }
    }

    /// The issuer's address.
    #[must_use]
    pub fn issuer(&self) -> &str {
        self.issuer.address()
    }

    /// Which claims say who a person is.
    #[must_use]
    pub fn claims(&self) -> &PersonClaims {
        &self.claims
    }

    /// Asks the issuer where people sign in: that address, and what is needed when the browser comes back.
    ///
    /// # Errors
    /// When the issuer can't be used.
    pub async fn begin(&self, redirect: &str) -> Result<(String, Begun), SignInError> {
        let wire = self.issuer.wire(OwnKey::default())?;
        let metadata = self.told.of(&self.issuer, &wire).await?;
        let asked = Asked::new();
        let address = asked.address(&self.issuer, &metadata, redirect);
        let begun = Begun {
            state: asked.state,
            nonce: asked.nonce,
            verifier: asked.verifier.expose_secret().to_owned(),
        };
        Ok((address.into(), begun))
    }

    /// Who signed in, by the query that the browser came back with.
    ///
    /// # Errors
    /// When it is no answer to what was asked, or the issuer says no.
    pub async fn finish(&self, begun: Begun, query: &str, redirect: &str) -> Result<SignedInPerson, SignInError> {
        let answer = callback::read_for(query, &begun.state)?;
        let finished = self.judge(answer, begun, redirect).await;
        if let Err(SignInError::Unreachable { .. } | SignInError::Answer { .. }) = &finished {
            self.told.forget().await;
        }
        finished
    }

    async fn judge(
        &self,
        answer: callback::Answer,
        begun: Begun,
        redirect: &str,
    ) -> Result<SignedInPerson, SignInError> {
        let wire = self.issuer.wire(OwnKey::default())?;
        let metadata = self.told.of(&self.issuer, &wire).await?;
        let asked = Asked {
            state: begun.state,
            nonce: begun.nonce,
            verifier: SecretString::from(begun.verifier),
        };
        let question = Question {
            issuer: &self.issuer,
            metadata: &metadata,
            wire: &wire,
            asked: &asked,
            redirect,
            secret: self.secret.as_deref(),
        };
        let signed_in = question.judge(answer).await?;
        let person = signed_in.person;
        let identity = signed_in.tokens.identity.as_ref();
        let identity = identity.ok_or(SignInError::Identity("there is none"))?;
        let more = self
            .verifies
            .verify(Signed {
                issuer: &self.issuer,
                userinfo: metadata.userinfo.as_ref(),
                subject: &person.subject,
                identity,
                access: &signed_in.tokens.access,
            })
            .await?;
        let groups = more.get(&self.claims.groups).or(person.claims.get(&self.claims.groups));
        Ok(SignedInPerson {
            issuer: metadata.issuer,
            groups: groups.map(names).unwrap_or_default(),
            subject: subject(&self.claims.subject, &person, &more)?,
            name: person.name.or(person.email),
        })
    }
}

/// What a person is named by the claim of that name: in their identity, or in what the issuer says beside it. Both must say the same.
fn subject(claim: &str, person: &Person, more: &Map<String, Value>) -> Result<String, SignInError> {
    let in_identity = match claim {
        "sub" => Some(person.subject.as_str()),
        "email" => person.email.as_deref(),
        "name" => person.name.as_deref(),
        other => person.claims.get(other).and_then(Value::as_str),
    };
    let said = match (in_identity, more.get(claim)) {
        (Some(one), Some(other)) if other.as_str() != Some(one) => {
            return Err(SignInError::Identity("the issuer gives two subjects for one person"));
        }
        (Some(one), _) => Some(one),
        (None, other) => other.and_then(Value::as_str),
    };
    let is_name =
        |text: &&str| !text.is_empty() && text.chars().count() <= MAX_SUBJECT && !text.chars().any(char::is_control);
    let said = said.filter(is_name).ok_or(SignInError::Identity(
        "it lacks the claim that names a person (--oauth-subject-claim)",
    ))?;
    Ok(said.to_owned())
}

/// The groups that a claim holds: a list of texts, or one.
fn names(claim: &Value) -> Vec<String> {
    let texts: Vec<&str> = match claim {
        Value::String(one) => vec![one],
        Value::Array(items) => items.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    };
    let usable = texts
        .into_iter()
        .filter(|name| !name.is_empty() && name.len() <= MAX_GROUP_BYTES);
    usable.take(MAX_GROUPS).map(str::to_owned).collect()
}

/// Asks the issuer whose an access token is (OpenID Connect Core 1.0, 5.3), where it has an endpoint for that.
#[derive(Debug, Clone, Copy)]
pub struct OfUserinfo;

impl VerifiesTokens for OfUserinfo {
    fn verify<'a>(&'a self, signed: Signed<'a>) -> BoxFuture<'a, Result<Map<String, Value>, SignInError>> {
        async move {
            let Some(userinfo) = signed.userinfo else {
                return Ok(Map::new());
            };
            let wire = signed.issuer.wire(OwnKey::default())?;
            let told: Map<String, Value> = wire.get_with(userinfo.clone(), signed.access).await?;
            // Section 5.3.2: what it says of another isn't used.
            match told.get("sub").and_then(Value::as_str) {
                Some(subject) if subject == signed.subject => Ok(told),
                _ => Err(SignInError::Identity(
                    "the issuer says that its access token is another's",
                )),
            }
        }
        .boxed()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn groups_are_texts_within_bounds() {
        assert_eq!(names(&json!(["a", "b"])), ["a", "b"]);
        assert_eq!(names(&json!("a b")), ["a b"]);
        assert_eq!(names(&json!(["", 5, null, "x".repeat(257), "a"])), ["a"]);
        assert!(names(&json!({"a": 1})).is_empty());
        assert_eq!(names(&json!(vec!["a"; 500])).len(), MAX_GROUPS);
    }

    #[test]
    fn person_is_named_by_the_claim_that_the_operator_chose_and_by_no_other() {
        let claims = |value: Value| value.as_object().unwrap().clone();
        let person = Person {
            subject: "pairwise".to_owned(),
            email: Some("a@b".to_owned()),
            name: None,
            claims: claims(json!({"oid": "o-1", "odd": 5, "long": "x".repeat(257)})),
        };
        let none = Map::new();
        assert_eq!(subject("sub", &person, &none).unwrap(), "pairwise");
        assert_eq!(subject("oid", &person, &none).unwrap(), "o-1");
        assert_eq!(subject("email", &person, &none).unwrap(), "a@b");
        assert_eq!(subject("uid", &person, &claims(json!({"uid": "u-1"}))).unwrap(), "u-1");
        assert_eq!(subject("oid", &person, &claims(json!({"oid": "o-1"}))).unwrap(), "o-1");
        for (claim, more) in [
            ("uid", json!({})),
            ("name", json!({})),
            ("odd", json!({})),
            ("long", json!({})),
            ("uid", json!({"uid": ""})),
            ("uid", json!({"uid": ["u-1"]})),
            ("oid", json!({"oid": "o-2"})),
            ("oid", json!({"oid": null})),
        ] {
            assert!(
                subject(claim, &person, &claims(more.clone())).is_err(),
                "{claim} {more}"
            );
        }
    }

    #[test]
    fn what_is_hidden_is_in_no_debug_text() {
        let begun = Begun {
            state: "canary".to_owned(),
            nonce: "canary".to_owned(),
            verifier: "canary".to_owned(),
        };
        assert!(!format!("{begun:?}").contains("canary"));
    }
}
