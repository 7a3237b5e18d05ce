//! Access tokens that are no JWT: the issuer is asked about them (RFC 7662), and what it said counts for a minute.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::HeaderValue;
use quick_cache::sync::Cache;
use ring::hmac;
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::{Map, Value};
use tokio::sync::Semaphore;

use super::claims::{Claims, LEEWAY, seconds, texts};
use super::key_cache::KeyCache;
use crate::guard::read_trusted_text;
use crate::server::http::auth::callers::IssuerClient;
use crate::server::http::auth::challenge::Denial;

/// How long an answer counts, a yes as a no.
const COUNTS: Duration = Duration::from_secs(60);

/// How many answers are kept of each kind: whoever tries tokens out drives no good one out.
const MAX_KEPT: usize = 10_000;

/// How many tokens the issuer is asked about at once.
const MAX_ASKED: usize = 32;

const INACTIVE: Denial = Denial::Invalid("the token does not count at its issuer");

/// What asks the issuer.
pub(super) struct Introspection {
    authorization: HeaderValue,
    /// New for each server: what is kept tells nothing of any token.
    key: hmac::Key,
    good: Cache<Vec<u8>, (Claims, Instant)>,
    bad: Cache<Vec<u8>, (Denial, Instant)>,
    asking: Semaphore,
}

impl Introspection {
    /// As that client.
    ///
    /// # Errors
    /// Why its secret can't be used.
    pub(super) fn new(client: &IssuerClient) -> Result<Self, String> {
        let random: [u8; 32] = rand::random();
        Ok(Self {
            authorization: basic(&client.id, &secret(&client.secret_file)?)?,
            key: hmac::Key::new(hmac::HMAC_SHA256, &random),
            good: Cache::new(MAX_KEPT),
            bad: Cache::new(MAX_KEPT),
            asking: Semaphore::new(MAX_ASKED),
        })
    }

    /// What the issuer says of a token.
    ///
    /// # Errors
    /// The answer to a request with a token that doesn't count, or about which the issuer can't be asked.
    pub(super) async fn claims(
        &self,
        token: &str,
        keys: &Arc<KeyCache>,
        audience: &str,
        groups_claim: &str,
    ) -> Result<Claims, Denial> {
        let tag = hmac::sign(&self.key, token.as_bytes()).as_ref().to_vec();
        if let Some(known) = self.known(&tag) {
            return known;
        }
        let Ok(_turn) = self.asking.try_acquire() else {
            return Err(Denial::Away(
                "The issuer is being asked about too many tokens: try again.",
            ));
        };
        let endpoint = keys.introspection().await?;
        let fields = [("token", token), ("token_type_hint", "access_token")];
        let answer = keys.wire().post(endpoint, self.authorization.clone(), &fields).await;
        let told: Map<String, Value> = answer.map_err(|error| {
            tracing::warn!("the issuer {} can't be asked about a token: {error}", keys.issuer());
            Denial::Away("The issuer of tokens can't be asked now: try again.")
        })?;
        let checked = check(&told, keys.issuer(), audience).and_then(|()| Claims::of(&told, groups_claim));
        match &checked {
            Ok(claims) => self.good.insert(tag, (claims.clone(), Instant::now())),
            Err(denial) => self.bad.insert(tag, (*denial, Instant::now())),
        }
        checked
    }

    /// What the issuer said not long ago.
    fn known(&self, tag: &[u8]) -> Option<Result<Claims, Denial>> {
        if let Some((denial, at)) = self.bad.get(tag)
            && at.elapsed() < COUNTS
        {
            return Some(Err(denial));
        }
        let (claims, at) = self.good.get(tag)?;
        let is_over = claims.expires.is_some_and(|end| end.saturating_add(LEEWAY) < now());
        match at.elapsed() < COUNTS {
            true if is_over => Some(Err(Denial::Invalid("the token expired"))),
            true => Some(Ok(claims)),
            false => None,
        }
    }

    /// Lets go of what no longer counts.
    pub(super) fn tidy(&self) {
        self.good.retain(|_, (_, at)| at.elapsed() < COUNTS);
        self.bad.retain(|_, (_, at)| at.elapsed() < COUNTS);
    }
}

/// Whether what the issuer says of a token lets it in.
fn check(told: &Map<String, Value>, issuer: &str, audience: &str) -> Result<(), Denial> {
    if told.get("active") != Some(&Value::Bool(true)) {
        return Err(INACTIVE);
    }
    if told.get("iss").is_some_and(|named| named.as_str() != Some(issuer)) {
        return Err(Denial::Invalid("the token is of another issuer"));
    }
    if !texts(told.get("aud")).any(|named| named == audience) {
        return Err(Denial::Invalid("the token is for another audience"));
    }
    let time = |name: &str| told.get(name).map(|value| seconds(value).ok_or(INACTIVE)).transpose();
    if time("exp")?
        .ok_or(Denial::Invalid("the token has no end (exp)"))?
        .saturating_add(LEEWAY)
        < now()
    {
        return Err(Denial::Invalid("the token expired"));
    }
    if time("nbf")?.is_some_and(|begin| begin > now().saturating_add(LEEWAY)) {
        return Err(Denial::Invalid("the token is not valid yet"));
    }
    Ok(())
}

fn now() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(u64::MAX, |since| since.as_secs())
}

/// The secret in a file, without blanks at its ends.
fn secret(path: &Path) -> Result<SecretString, String> {
    let text = SecretString::from(read_trusted_text(path).map_err(|error| error.to_string())?);
    let secret = text.expose_secret().trim();
    match secret.is_empty() {
        true => Err(format!(
            "{}: the secret of the client at the issuer is empty",
            path.display()
        )),
        false => Ok(secret.into()),
    }
}

/// The header that says which client asks (RFC 6749, 2.3.1).
fn basic(id: &str, secret: &SecretString) -> Result<HeaderValue, String> {
    let encoded = |text: &str| url::form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
    let both = SecretString::from(format!("{}:{}", encoded(id), encoded(secret.expose_secret())));
    let text = SecretString::from(format!("Basic {}", STANDARD.encode(both.expose_secret())));
    let mut value = HeaderValue::from_str(text.expose_secret())
        .map_err(|_| "the client at the issuer has an id or a secret that no header holds".to_owned())?;
    value.set_sensitive(true);
    Ok(value)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn token_counts_only_where_it_is_active_for_this_server_and_in_time() {
        let right = json!({"active": true, "iss": "i", "aud": ["x", "a"], "exp": now() + 60, "sub": "s"});
        let check = |name: &str, value: Value| {
            let mut told = right.as_object().unwrap().clone();
            told.insert(name.to_owned(), value);
            check(&told, "i", "a")
        };
        assert_eq!(check("aud", json!("a")), Ok(()));
        assert_eq!(check("exp", json!(now() - 20)), Ok(()), "clocks may be apart");
        for (name, value) in [
            ("active", json!(false)),
            ("active", json!("true")),
            ("iss", json!("other")),
            ("aud", json!("b")),
            ("aud", json!(null)),
            ("exp", json!(now() - 60)),
            ("exp", json!("soon")),
            ("nbf", json!(now() + 60)),
        ] {
            assert!(check(name, value.clone()).is_err(), "{name}: {value}");
        }
    }

    #[test]
    fn client_says_who_it_is_in_the_way_that_forms_are_written() {
        let value = basic("a:b", &"p ü%".to_owned().into()).unwrap();
        assert_eq!(
            value.to_str().unwrap(),
            format!("Basic {}", STANDARD.encode("a%3Ab:p+%C3%BC%25"))
        );
    }
}
