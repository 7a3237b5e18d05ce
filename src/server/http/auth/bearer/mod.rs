//! Tokens of our own: each has a name, and what the operator set up for it. The file holds their digests alone.

mod entry;
mod file;

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use http::HeaderMap;
use ring::hmac;

pub use entry::{MAX_NAME, NewToken, Rotation, TOKEN_PREFIX, TokenEntry};
pub use file::{TokenList, TokenListError};

use super::challenge::Denial;
use super::grant::Grant;
use super::setup::{Loader, Setup, UNUSABLE};
use super::shown;
use super::watched::{Loaded, Watched};
use crate::guard::{Identity, Person, Principal, Scopes};
use crate::server::http::reload::Reload;

/// The tokens that let in.
pub(in crate::server::http) struct Bearer {
    tokens: Arc<Watched<HashMap<Vec<u8>, Known>>>,
    /// New for each server: how long a look-up takes tells nothing of any token.
    key: hmac::Key,
}

struct Known {
    identity: Identity,
    expires: Option<DateTime<Utc>>,
    scopes: Scopes,
    /// Whose it is at the issuer of the approvers, where that is known.
    person: Option<Person>,
    /// Nothing where what it names can't be used: it is refused then, and what it was before counts no more.
    setup: Option<Arc<Setup>>,
}

impl Bearer {
    /// Reads the file, and all that it names. The issuer knows the persons that it names.
    ///
    /// # Errors
    /// Why it can't be used.
    pub(in crate::server::http) fn open(path: PathBuf, loader: Loader, issuer: Option<String>) -> Result<Self, String> {
        let random: [u8; 32] = rand::random();
        let key = hmac::Key::new(hmac::HMAC_SHA256, &random);
        let tags = key.clone();
        let tokens = Watched::open("tokens", path, move |path| {
            let list = TokenList::read(path).map_err(|error| error.to_string())?;
            let mut known = HashMap::new();
            let (mut others, mut unusable) = (Vec::new(), Vec::new());
            for entry in list.entries() {
                let settings = entry.settings();
                let setup = loader.load(entry.name(), &settings, path);
                let setup = setup.map_err(|error| unusable.push(format!("the token {}: {error}", entry.name())));
                let person = entry.person_at(issuer.as_deref());
                others.extend(Loader::files(&settings, path));
                let setup = setup.ok();
                for (digest, expires) in entry.digests() {
                    let tag = hmac::sign(&tags, digest.as_bytes()).as_ref().to_vec();
                    let token = Known {
                        identity: entry.identity(),
                        expires,
                        scopes: entry.scopes(),
                        person: person.clone(),
                        setup: setup.clone(),
                    };
                    known.insert(tag, token);
                }
            }
            Ok(Loaded {
                value: known,
                others,
                unusable,
            })
        })?;
        Ok(Self {
            tokens: Arc::new(tokens),
            key,
        })
    }

    /// The tokens, which are read again when that is asked for.
    pub(super) fn reloads(&self) -> Arc<dyn Reload> {
        self.tokens.clone()
    }

    /// Whose token a request shows.
    pub(super) fn grant(&self, headers: &HeaderMap) -> Result<Arc<Grant>, Denial> {
        let token = shown::token(headers)?;
        let tag = hmac::sign(&self.key, entry::digest(token).as_bytes());
        let tokens = self.tokens.current();
        let known = tokens
            .get(tag.as_ref())
            .ok_or(Denial::Invalid("the token is unknown, or was revoked"))?;
        if known.expires.is_some_and(|expires| expires <= Utc::now()) {
            return Err(Denial::Invalid("the token expired"));
        }
        let setup = known.setup.clone().ok_or(UNUSABLE)?;
        let principal = Principal::with(known.identity.clone(), Vec::new(), known.scopes);
        Ok(Arc::new(Grant {
            principal: principal.of_person(known.person.clone()),
            issued: known.scopes,
            setup: Some(setup),
            groups_untold: None,
        }))
    }
}
