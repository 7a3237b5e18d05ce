//! Tokens of our own: each has a name, and what the operator set up for it. The file holds their digests alone.

mod entry;
mod file;

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use chrono::{DateTime, Utc};
use http::HeaderMap;
use ring::hmac;

pub use entry::{MAX_NAME, NewToken, Rotation, TOKEN_PREFIX, TokenEntry};
pub use file::{TokenList, TokenListError};

use super::challenge::Denial;
use super::grant::Grant;
use super::pieces::{self, Text};
use super::setup::{Loader, Setup, UNUSABLE};
use super::shown;
use super::watched::{Loaded, Unread, Watched};
use crate::guard::{Identity, Person, Principal, Scopes};
use crate::server::http::reload::Reload;

/// The tokens that let in.
pub(in crate::server::http) struct Bearer {
    tokens: Arc<Watched<Tokens>>,
    /// New for each server: how long a look-up takes tells nothing of any token.
    key: hmac::Key,
}

/// What a file says of its tokens.
struct Tokens {
    known: HashMap<Vec<u8>, Known>,
    /// The list that could be used last.
    list: TokenList,
}

struct Known {
    identity: Identity,
    expires: Option<DateTime<Utc>>,
    scopes: Scopes,
    /// Whose it is at the issuer of the approvers, where that is known.
    person: Option<Person>,
    /// Nothing where what it names can't be used, or what the file says of it: it is refused then, and what it was before counts no more.
    setup: Option<Arc<Setup>>,
}

/// What a file says now.
enum Said<'a> {
    /// What a list says.
    List(TokenList),
    /// There is no file, so there is no token.
    Nothing,
    /// It can't be understood.
    Broken {
        text: String,
        why: String,
        /// The list that could be used last.
        before: &'a TokenList,
    },
}

impl<'a> Said<'a> {
    /// Reads a file. At a start, where there is nothing before, it says a list or why it can't be used.
    fn of(path: &Path, before: Option<&'a TokenList>) -> Result<Self, Unread> {
        let Some(before) = before else {
            let list = TokenList::read(path).map(Self::List);
            return list.map_err(|error| Unread::Nothing(error.to_string()));
        };
        let (text, list) = match pieces::text(path)? {
            Text::Absent => return Ok(Self::Nothing),
            Text::Whole(text) => {
                let list = TokenList::parse(&text);
                (text, list)
            }
            Text::Marked(text) => (text, Err(pieces::NO_UTF_8.to_owned())),
        };
        Ok(match list {
            Ok(list) => Self::List(list),
            Err(why) => Self::Broken { text, why, before },
        })
    }
}

/// What makes tokens of a file.
struct Reader {
    loader: Loader,
    issuer: Option<String>,
    key: hmac::Key,
}

impl Reader {
    fn read(&self, path: &Path, before: Option<&Tokens>) -> Result<Loaded<Tokens>, Unread> {
        let mut loaded = Loaded {
            value: Tokens {
                known: HashMap::new(),
                list: TokenList::default(),
            },
            others: Vec::new(),
            unusable: Vec::new(),
            broken: None,
        };
        match Said::of(path, before.map(|before| &before.list))? {
            Said::List(list) => {
                for entry in list.entries() {
                    self.add(&mut loaded, path, entry);
                }
                loaded.value.list = list;
            }
            Said::Nothing => {
                loaded.broken = Some(format!(
                    "{} isn't there, so there is no token: all are refused until there is a list again",
                    path.display()
                ));
            }
            Said::Broken { text, why, before } => {
                let standing = before.standing_in(&text);
                let is_standing = |entry: &&TokenEntry| standing.contains(entry.name());
                let (stay, end): (Vec<_>, Vec<_>) = before.entries().iter().partition(is_standing);
                for entry in stay {
                    self.add(&mut loaded, path, entry);
                }
                for entry in &end {
                    // The owner of one that stands there in pieces is told that there is something to mend; any other was revoked.
                    let told = entry.digests().filter(|(digest, _)| text.contains(digest));
                    let refused = told.map(|(digest, expires)| (self.tag(digest), self.known(entry, expires, None)));
                    loaded.value.known.extend(refused);
                }
                loaded.broken = Some(format!(
                    "{} can't be used: {why}. Until that is mended, those tokens go on that stand in it whole and as they were. Refused are \
                     those that it adds, and of those before: {}",
                    path.display(),
                    pieces::named(end.iter().map(|entry| entry.name()))
                ));
                loaded.value.list = before.clone();
            }
        }
        Ok(loaded)
    }

    /// Adds a token, with what is set up for it.
    fn add(&self, loaded: &mut Loaded<Tokens>, path: &Path, entry: &TokenEntry) {
        let prepared = self.loader.load(entry.name(), &entry.settings(), path);
        loaded.others.extend(prepared.files);
        let setup = prepared.setup.map_err(|error| {
            let why = format!("the token {}: {error}", entry.name());
            loaded.unusable.push(why);
        });
        let setup = setup.ok();
        for (digest, expires) in entry.digests() {
            let token = self.known(entry, expires, setup.clone());
            loaded.value.known.insert(self.tag(digest), token);
        }
    }

    fn known(&self, entry: &TokenEntry, expires: Option<DateTime<Utc>>, setup: Option<Arc<Setup>>) -> Known {
        Known {
            identity: entry.identity(),
            expires,
            scopes: entry.scopes(),
            person: entry.person_at(self.issuer.as_deref()),
            setup,
        }
    }

    fn tag(&self, digest: &str) -> Vec<u8> {
        hmac::sign(&self.key, digest.as_bytes()).as_ref().to_vec()
    }
}

impl Bearer {
    /// Reads the file, and all that it names. The issuer knows the persons that it names.
    ///
    /// # Errors
    /// Why it can't be used.
    pub(in crate::server::http) fn open(path: PathBuf, loader: Loader, issuer: Option<String>) -> Result<Self, String> {
        let random: [u8; 32] = rand::random();
        let key = hmac::Key::new(hmac::HMAC_SHA256, &random);
        let reader = Reader {
            loader,
            issuer,
            key: key.clone(),
        };
        let tokens = Watched::open("tokens", path, move |path, before| reader.read(path, before))?;
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
    pub(super) async fn grant(&self, headers: &HeaderMap) -> Result<Arc<Grant>, Denial> {
        let token = shown::token(headers)?;
        let tag = hmac::sign(&self.key, entry::digest(token).as_bytes());
        let tokens = self.tokens.current().await?;
        let known = tokens
            .known
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

#[cfg(test)]
mod tests {
    use secrecy::{ExposeSecret as _, SecretString};

    use super::*;

    fn made(path: &Path, new: NewToken) -> SecretString {
        TokenList::create(path, new, Utc::now()).unwrap()
    }

    fn shown(token: &SecretString) -> HeaderMap {
        let mut headers = HeaderMap::new();
        let value = format!("Bearer {}", token.expose_secret());
        headers.insert(http::header::AUTHORIZATION, value.parse().unwrap());
        headers
    }

    fn named(name: &str) -> NewToken {
        NewToken {
            name: name.to_owned(),
            ..NewToken::default()
        }
    }

    #[tokio::test]
    async fn policy_that_becomes_stricter_while_the_list_is_read_counts_at_once() {
        let directory = tempfile::tempdir().unwrap();
        let (path, policy) = (
            directory.path().join("tokens.toml"),
            directory.path().join("policy.toml"),
        );
        std::fs::write(&policy, "# end\n").unwrap();
        let token = made(
            &path,
            NewToken {
                policy: Some(policy.clone()),
                ..named("a")
            },
        );
        made(
            &path,
            NewToken {
                api_key_file: Some("key".into()),
                ..named("b")
            },
        );
        let loader = Loader::hooked(move || std::fs::write(&policy, "read_only = true\n# end\n").unwrap());
        let bearer = Bearer::open(path, loader, None).unwrap();
        let grant = bearer.grant(&shown(&token)).await.unwrap();
        let policy = grant.setup.as_ref().unwrap().policy.as_ref().unwrap();
        assert!(policy.is_read_only());
    }

    #[tokio::test]
    async fn file_that_is_gone_is_an_empty_list_and_a_broken_one_takes_away_and_gives_nothing() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("tokens.toml");
        let open = || Bearer::open(path.clone(), Loader::hooked(|| {}), None);
        assert!(open().is_err());
        let first = made(&path, named("a"));
        let whole = std::fs::read_to_string(&path).unwrap();
        let second = made(&path, named("b"));
        let both = std::fs::read_to_string(&path).unwrap();
        let cut = |text: &str| text.replace("# end\n", "");
        let bearer = open().unwrap();
        let said = async || {
            let said = [bearer.grant(&shown(&first)).await, bearer.grant(&shown(&second)).await];
            said.map(|said| match said {
                Ok(_) => "yes",
                Err(Denial::Invalid(_)) => "unknown",
                Err(Denial::Away(_)) => "refused",
                Err(other) => panic!("{other:?}"),
            })
        };
        assert_eq!(said().await, ["yes", "yes"]);
        for (text, is) in [
            (Some(format!("{whole}x")), ["refused", "unknown"]),
            (Some(format!("x\n{both}")), ["yes", "yes"]),
            (Some(format!("x\n{whole}")), ["yes", "unknown"]),
            // What was in force last, and not what was broken, is what it is compared with.
            (Some(format!("{both}x")), ["yes", "refused"]),
            (Some(whole.clone()), ["yes", "unknown"]),
            (Some(format!("x\n{both}")), ["yes", "unknown"]),
            (None, ["unknown", "unknown"]),
            (Some(format!("x\n{both}")), ["unknown", "unknown"]),
            // Left empty, as by a disk that is full, or up to a line: as it was, or new. The last one may be narrower.
            (Some(both.clone()), ["yes", "yes"]),
            (Some(String::new()), ["unknown", "unknown"]),
            (Some(cut(&both)), ["yes", "refused"]),
            (Some(whole.clone()), ["yes", "unknown"]),
            (Some(cut(&both)), ["yes", "unknown"]),
            (Some(both.clone()), ["yes", "yes"]),
        ] {
            match &text {
                Some(text) => std::fs::write(&path, text).unwrap(),
                None => std::fs::remove_file(&path).unwrap(),
            }
            assert_eq!(said().await, is, "{text:?}");
            let is_right = TokenList::read(&path).is_ok();
            let reloads = bearer.reloads();
            let reloaded = tokio::task::spawn_blocking(move || reloads.reload()).await.unwrap();
            assert_eq!(reloaded.is_ok(), is_right, "{text:?}");
            assert_eq!(open().is_ok(), is_right, "{text:?}");
        }
    }
}
