//! One account's credential, wherever it lies: read at each request, renewed when it must be, and there once somebody signs in.

use std::fmt;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use futures::FutureExt as _;
use futures::future::{BoxFuture, Shared};
use secrecy::ExposeSecret as _;

use super::browser::Flow;
use super::error::SignInError;
use super::file::Place;
use super::find::{Found, Origin, Places, Reach, belong_together};
use super::issuer::Issuer;
use super::own::ProfileName;
use super::question::SignedIn;
use super::renew::renew;
use super::session::{Held, Session};
use super::tokens::revoke;
use crate::base_url::BaseUrl;
use crate::guard::{OwnKey, digest};
use crate::neon::{Bearer, Credential, CredentialSource, NoCredential};

/// How long a page that a server offers can be signed in on.
const OFFERED: Duration = Duration::from_secs(600);

/// How long the login before is being ended, when another one takes its place.
const ENDING: Duration = Duration::from_secs(15);

/// How much of that must be left for the page to be offered once more.
const LEAST_LEFT: Duration = Duration::from_secs(120);

/// The credential of one account. Clones are the same one.
#[derive(Clone)]
pub struct SignIn {
    inner: Arc<Inner>,
}

struct Inner {
    profile: ProfileName,
    places: Places,
    reach: Reach,
    key: OwnKey,
    /// Held while the credential is looked for and renewed: of several requests one does it.
    known: tokio::sync::Mutex<Known>,
    /// The page that waits for a person.
    offered: Mutex<Option<Offer>>,
}

/// What is known beside what the files say.
#[derive(Default)]
struct Known {
    /// The sign-in that the issuer refused to renew, as a digest of its refresh token: it isn't asked twice.
    dead: Option<(String, String)>,
    /// Whose token the last one was, where the file doesn't tell: renewed here, it stays that account's.
    unnamed: Option<(String, String)>,
}

/// A page that a person can sign in on, and its end.
#[derive(Clone)]
struct Offer {
    address: String,
    since: Instant,
    ends: Shared<BoxFuture<'static, Result<(), String>>>,
}

impl fmt::Debug for SignIn {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("SignIn")
            .field("profile", &self.inner.profile)
            .finish_non_exhaustive()
    }
}

/// What is there of an account, without a secret.
#[derive(Debug, Clone)]
pub struct Status {
    /// Where it was found.
    pub origin: Origin,
    /// Whether it is a key, which stays.
    pub is_key: bool,
    /// Until when its token is good; it is renewed then.
    pub expires_at: Option<DateTime<Utc>>,
    /// Whether it can be renewed.
    pub is_renewed: bool,
    /// What people call the account.
    pub label: Option<String>,
}

/// A login of ours that was ended.
#[derive(Debug)]
pub struct Revoked {
    /// The file that it was in.
    pub path: PathBuf,
    /// Whether the issuer ended it, too.
    pub at_issuer: Result<(), SignInError>,
}

impl SignIn {
    /// The credential of that profile, for that API.
    #[must_use]
    pub fn new(profile: ProfileName, places: Places, issuer: Issuer, api: BaseUrl) -> Self {
        let key = OwnKey::default();
        key.keep_out_of_logs();
        Self {
            inner: Arc::new(Inner {
                profile,
                reach: places.reach(api, issuer),
                places,
                key,
                known: tokio::sync::Mutex::default(),
                offered: Mutex::default(),
            }),
        }
    }

    /// Which profile it is.
    #[must_use]
    pub fn profile(&self) -> &ProfileName {
        &self.inner.profile
    }

    /// Its tokens, which nothing that is told or kept holds.
    #[must_use]
    pub fn key(&self) -> &OwnKey {
        &self.inner.key
    }

    /// The command that signs in.
    #[must_use]
    pub fn command(&self) -> String {
        match self.inner.profile.is_default() {
            true => "neon-mcp login".to_owned(),
            false => format!("neon-mcp login --profile {}", self.inner.profile),
        }
    }

    /// What is there now.
    ///
    /// # Errors
    /// When what is there can't be used.
    pub fn status(&self) -> Result<Option<Status>, SignInError> {
        let Some(found) = self.find()? else {
            return Ok(None);
        };
        Ok(Some(match found.held {
            Held::ApiKey(_) => Status {
                origin: found.origin,
                is_key: true,
                expires_at: None,
                is_renewed: false,
                label: None,
            },
            Held::Session(session) => Status {
                origin: found.origin,
                is_key: false,
                expires_at: session.expires_at(),
                is_renewed: session.refresh().is_some(),
                label: session.label(),
            },
        }))
    }

    fn find(&self) -> Result<Option<Found>, SignInError> {
        let found = self.inner.places.find(&self.inner.profile)?;
        if let Some(found) = &found {
            self.inner.reach.takes(&found.place, &found.held)?;
        }
        Ok(found)
    }

    /// Begins a sign-in, which a person ends in a browser.
    ///
    /// # Errors
    /// When the issuer can't be used, or there is no place to keep the login.
    pub async fn begin(&self) -> Result<Flow, SignInError> {
        let Reach { issuer, api, .. } = &self.inner.reach;
        if !belong_together(api, issuer) {
            return Err(SignInError::OtherApi {
                issuer: issuer.address().to_owned(),
                api: api.as_str().to_owned(),
            });
        }
        // Before anybody goes to a page for nothing.
        let place = self.inner.places.own(&self.inner.profile)?;
        let held = place.lock().await?;
        place.can_be_replaced()?;
        drop(held);
        Flow::begin(issuer.clone(), self.inner.key.clone()).await
    }

    /// Waits for the person, and keeps the login. What people call the account is given back, where that is told.
    ///
    /// # Errors
    /// When nobody comes in time, the answer isn't taken, or the login can't be kept.
    pub async fn finish(&self, flow: Flow, time: Duration) -> Result<Option<String>, SignInError> {
        flow.finish(time, false, |signed_in| self.keep(self.begun(&signed_in)))
            .await
    }

    /// The same, where `ask` says whether that is whom the person meant to sign in as: somebody else on the machine may have been
    /// faster.
    ///
    /// # Errors
    /// As [`Self::finish`], and when it isn't: what came is ended then.
    pub async fn finish_asking<A>(
        &self,
        flow: Flow,
        time: Duration,
        ask: impl FnOnce(String) -> A + Send,
    ) -> Result<Option<String>, SignInError>
    where
        A: Future<Output = bool> + Send,
    {
        flow.finish(time, true, async |signed_in: SignedIn| {
            let session = self.begun(&signed_in);
            let who = signed_in.person.shown();
            if tokio::time::timeout(time, ask(who)).await.unwrap_or(false) {
                return self.keep(session).await;
            }
            if let Err(error) = self.revoke(&session).await {
                tracing::warn!("what wasn't kept couldn't be ended at the issuer either: {error}");
            }
            Err(SignInError::NotWanted)
        })
        .await
    }

    fn begun(&self, SignedIn { tokens, person }: &SignedIn) -> Session {
        let Reach { issuer, api, .. } = &self.inner.reach;
        let session = Session::begun(tokens, person, issuer, api.as_str());
        session.keep_out(&self.inner.key);
        session
    }

    async fn keep(&self, session: Session) -> Result<Option<String>, SignInError> {
        let place = self.inner.places.own(&self.inner.profile)?;
        let held = place.lock().await?;
        let former = place.read();
        place.replace(&session)?;
        drop(held);
        if let Ok(Some(former)) = former {
            self.end(&place, &former).await;
        }
        Ok(session.label())
    }

    /// Ends a login in whose place another one is now, as far as its issuer can be reached.
    async fn end(&self, place: &Place, former: &Held) {
        let ended = match (self.inner.reach.takes(place, former), former) {
            (Ok(()), Held::Session(session)) => {
                let revoked = tokio::time::timeout(ENDING, self.revoke(session)).await;
                revoked.map_or_else(
                    |_| Err("it doesn't answer".to_owned()),
                    |it| it.map_err(|error| error.to_string()),
                )
            }
            (Ok(()), Held::ApiKey(_)) => Ok(()),
            (Err(error), _) => Err(error.to_string()),
        };
        if let Err(why) = ended {
            tracing::warn!(
                "the login before it couldn't be ended at its issuer, where it goes on until it expires: {why}"
            );
        }
    }

    /// Ends our own login: at the issuer, as far as it can be reached, and here. The neon command line's stays as it is.
    ///
    /// # Errors
    /// When the file can't be used or removed; or it is a login of another issuer than the one that is set, and stays.
    pub async fn sign_out(&self) -> Result<Option<Revoked>, SignInError> {
        let place = self.inner.places.own(&self.inner.profile)?;
        if !place.path.exists() {
            return Ok(None);
        }
        let _held = place.lock().await?;
        let at_issuer = match place.read() {
            Ok(Some(held)) => match (self.inner.reach.takes(&place, &held), &held) {
                (Ok(()), Held::Session(session)) => self.revoke(session).await,
                (Ok(()), Held::ApiKey(_)) => Ok(()),
                (Err(error @ SignInError::Elsewhere { .. }), _) => return Err(error),
                (Err(error), _) => Err(error),
            },
            Ok(None) => Ok(()),
            // What can't be read can't be ended at the issuer, and goes all the same.
            Err(error) => Err(error),
        };
        place.remove()?;
        Ok(Some(Revoked {
            path: place.path,
            at_issuer,
        }))
    }

    async fn revoke(&self, session: &Session) -> Result<(), SignInError> {
        session.keep_out(&self.inner.key);
        let issuer = &self.inner.reach.issuer;
        let wire = issuer.wire(self.inner.key.clone())?;
        let metadata = issuer.discover(&wire).await?;
        if let Some(refresh) = session.refresh() {
            revoke(&wire, issuer, &metadata, (&refresh, "refresh_token")).await?;
        }
        if let Some(access) = session.access() {
            let access = access.expose().to_owned().into();
            revoke(&wire, issuer, &metadata, (&access, "access_token")).await?;
        }
        Ok(())
    }

    /// The page on which a person can sign in now, and what tells when one did: one for all who ask.
    ///
    /// # Errors
    /// Why there is none, as a sentence without its end.
    pub async fn offer(&self) -> Result<(String, BoxFuture<'static, Result<(), String>>), String> {
        let still = |offer: &Offer| offer.ends.peek().is_none() && offer.since.elapsed() + LEAST_LEFT < OFFERED;
        let offered = self
            .inner
            .offered
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        if let Some(offer) = offered.filter(still) {
            return Ok((offer.address, offer.ends.boxed()));
        }
        let flow = self.begin().await.map_err(|error| error.to_string())?;
        let address = flow.address().to_owned();
        let own = self.clone();
        // In a task of its own: the person may take longer than whoever asked waits.
        let ends = tokio::spawn(async move { own.finish(flow, OFFERED).await });
        let ends = async move {
            match ends.await {
                Ok(Ok(_)) => Ok(()),
                Ok(Err(error)) => Err(error.to_string()),
                Err(_) => Err("the sign-in broke off".to_owned()),
            }
        };
        let offer = Offer {
            address: address.clone(),
            since: Instant::now(),
            ends: ends.boxed().shared(),
        };
        *self.inner.offered.lock().unwrap_or_else(PoisonError::into_inner) = Some(offer.clone());
        Ok((address, offer.ends.boxed()))
    }

    /// What a person is told to do.
    fn next(&self) -> String {
        format!(
            "Ask the user to sign in: `{}` in a terminal, or a key in NEON_API_KEY. Then call again; no restart is needed after a login.",
            self.command()
        )
    }

    fn not_signed_in(&self, why: String) -> NoCredential {
        NoCredential::NotSignedIn { why, next: self.next() }
    }

    /// Nobody is signed in, as far as this machine knows.
    fn nobody(&self) -> NoCredential {
        let profile = &self.inner.profile;
        self.not_signed_in(match profile.is_default() {
            true => "Nobody is signed in to Neon here.".to_owned(),
            false => format!("Nobody is signed in to Neon here as the profile `{profile}`."),
        })
    }

    fn failed(&self, error: &SignInError) -> NoCredential {
        match error.is_final() {
            // What is wrong says itself what helps.
            true if matches!(
                error,
                SignInError::File(_) | SignInError::Untrusted(_) | SignInError::Elsewhere { .. }
            ) =>
            {
                NoCredential::NotSignedIn {
                    why: format!("The sign-in to Neon can't be used: {error}."),
                    next: format!(
                        "Ask the user to do what that says; or, where there is nothing to be mended, to sign in anew with `{}` in a terminal. \
                         Then call again.",
                        self.command()
                    ),
                }
            }
            true => self.not_signed_in(format!("The sign-in to Neon can't be used: {error}.")),
            false => NoCredential::NotRenewed { why: error.to_string() },
        }
    }

    fn bearer(&self, session: &Session, known: &mut Known) -> Result<Bearer, NoCredential> {
        session.keep_out(&self.inner.key);
        let credential = session.access().ok_or_else(|| self.nobody())?;
        let account = session.account().unwrap_or_else(|| {
            let token = digest(&credential.expose().into());
            match &known.unnamed {
                Some((last, account)) if *last == token => account.clone(),
                _ => {
                    let account = format!("unnamed {token}");
                    known.unnamed = Some((token, account.clone()));
                    account
                }
            }
        });
        Ok(Bearer {
            credential,
            account: Some(account),
            refused: Some(format!(
                "Neon doesn't take the sign-in, though it was renewed: ask the user to sign in again with `{}`.",
                self.command()
            )),
        })
    }

    async fn renew(&self, place: Place, session: Session, known: &mut Known) -> Result<Bearer, NoCredential> {
        let Some(refresh) = session.refresh() else {
            return Err(self.not_signed_in("The sign-in to Neon has expired.".to_owned()));
        };
        let refresh = digest(&refresh.expose_secret().into());
        if let Some((dead, why)) = &known.dead
            && *dead == refresh
        {
            return Err(self.not_signed_in(why.clone()));
        }
        let before = session.access().map(|token| digest(&token.expose().into()));
        let task = renew(place, self.inner.reach.clone(), session, self.inner.key.clone());
        let renewed = match tokio::spawn(task).await {
            Ok(Ok(renewed)) => renewed,
            Ok(Err(error)) => {
                let failed = self.failed(&error);
                let is_dead = matches!(error, SignInError::Refused { .. } | SignInError::UsedUp { .. });
                if let (NoCredential::NotSignedIn { why, .. }, true) = (&failed, is_dead) {
                    known.dead = Some((refresh, why.clone()));
                }
                return Err(failed);
            }
            Err(_) => {
                return Err(NoCredential::NotRenewed {
                    why: "the renewal broke off".to_owned(),
                });
            }
        };
        if let (Some((last, account)), Some(before), Some(now)) = (&known.unnamed, before, renewed.access())
            && *last == before
        {
            known.unnamed = Some((digest(&now.expose().into()), account.clone()));
        }
        self.bearer(&renewed, known)
    }

    async fn now(&self) -> Result<Bearer, NoCredential> {
        let mut known = self.inner.known.lock().await;
        match self.find() {
            Ok(None) | Err(SignInError::NoProfile { known: None, .. }) => Err(self.nobody()),
            Err(error) => Err(self.failed(&error)),
            Ok(Some(Found { held, place, .. })) => match held {
                Held::ApiKey(key) => Ok(self.of_key(key)),
                Held::Session(session) if session.is_good(Utc::now()) => self.bearer(&session, &mut known),
                Held::Session(session) => self.renew(place, session, &mut known).await,
            },
        }
    }

    fn of_key(&self, key: Credential) -> Bearer {
        self.inner.key.add(key.expose());
        Bearer::of_key(key)
    }

    async fn after(&self, refused: &Bearer) -> Result<Option<Bearer>, NoCredential> {
        let mut known = self.inner.known.lock().await;
        let (place, session) = match self.find() {
            Ok(Some(Found {
                held: Held::Session(session),
                place,
                ..
            })) => (place, session),
            Ok(Some(_)) => return Ok(None),
            Ok(None) => return Err(self.nobody()),
            Err(error) => return Err(self.failed(&error)),
        };
        let is_other = session
            .access()
            .is_some_and(|token| token.expose() != refused.credential.expose());
        if is_other && session.is_good(Utc::now()) {
            return self.bearer(&session, &mut known).map(Some);
        }
        self.renew(place, session, &mut known).await.map(Some)
    }
}

impl CredentialSource for SignIn {
    fn current(&self) -> BoxFuture<'_, Result<Bearer, NoCredential>> {
        self.now().boxed()
    }

    fn renewed<'a>(&'a self, refused: &'a Bearer) -> BoxFuture<'a, Result<Option<Bearer>, NoCredential>> {
        self.after(refused).boxed()
    }

    fn is_there(&self) -> bool {
        matches!(self.find(), Ok(Some(_)))
    }
}
