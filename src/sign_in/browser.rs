//! Signing in with the browser: OpenID Connect's code flow with PKCE, and an answer on loopback (RFC 8252).

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use secrecy::{ExposeSecret as _, SecretString};
use sha2::{Digest as _, Sha256};
use tokio::sync::oneshot;

use super::callback::{Answer, Became, Callback, Came};
use super::error::SignInError;
use super::id_token::{self, Person};
use super::issuer::{Issuer, Metadata};
use super::tokens::Tokens;
use super::wire::Wire;
use crate::guard::OwnKey;

/// How long the last page may take to arrive.
const LAST_PAGE: Duration = Duration::from_secs(2);

/// A sign-in that waits for a person.
pub struct Flow {
    issuer: Issuer,
    metadata: Metadata,
    wire: Wire,
    callback: Callback,
    address: String,
    state: String,
    nonce: String,
    verifier: SecretString,
}

impl std::fmt::Debug for Flow {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Flow([hidden])")
    }
}

/// Who signed in, with the tokens.
#[derive(Debug)]
pub(super) struct SignedIn {
    pub(super) tokens: Tokens,
    pub(super) person: Person,
}

/// 256 random bits, as text that can stand in an address.
fn random() -> String {
    let bytes: [u8; 32] = rand::random();
    URL_SAFE_NO_PAD.encode(bytes)
}

impl Flow {
    /// Asks the issuer where people sign in, and listens for the answer. What is sent to it is added to `hidden`.
    ///
    /// # Errors
    /// When the issuer can't be used, or no port be listened on.
    pub(super) async fn begin(issuer: Issuer, hidden: OwnKey) -> Result<Self, SignInError> {
        let wire = issuer.wire(hidden)?;
        let metadata = issuer.discover(&wire).await?;
        let callback = Callback::listen().await?;
        let (state, nonce, verifier) = (random(), random(), SecretString::from(random()));
        let challenge = URL_SAFE_NO_PAD.encode(Sha256::digest(verifier.expose_secret().as_bytes()));
        let mut address = metadata.authorization.clone();
        address.query_pairs_mut().extend_pairs([
            ("response_type", "code"),
            ("client_id", &issuer.client_id),
            ("redirect_uri", &callback.redirect()),
            ("scope", &issuer.scopes),
            ("state", &state),
            ("nonce", &nonce),
            ("code_challenge", &challenge),
            ("code_challenge_method", "S256"),
        ]);
        Ok(Self {
            address: address.into(),
            issuer,
            metadata,
            wire,
            callback,
            state,
            nonce,
            verifier,
        })
    }

    /// The page that a person is to open. It holds no secret.
    #[must_use]
    pub fn address(&self) -> &str {
        &self.address
    }

    /// Waits until the browser comes back, and takes what it brings. `keep` puts it where it stays: only then the person reads that
    /// it worked. Where it asks the person first (`asks`), they read that.
    ///
    /// # Errors
    /// When nobody comes in time, or what comes isn't the answer to this question; or as `keep`.
    pub(super) async fn finish<T, K>(
        self,
        time: Duration,
        asks: bool,
        keep: impl FnOnce(SignedIn) -> K + Send,
    ) -> Result<T, SignInError>
    where
        K: Future<Output = Result<T, SignInError>> + Send,
    {
        let redirect = self.callback.redirect();
        let (end, ended) = oneshot::channel();
        let (comes, serving) = self.callback.serve(&self.state, ended);
        let came = match tokio::time::timeout(time, comes).await {
            Ok(Ok(came)) => came,
            Ok(Err(_)) | Err(_) => {
                drop(end);
                return Err(SignInError::TimedOut {
                    seconds: time.as_secs(),
                });
            }
        };
        let Came { answer, reply } = came;
        let question = Question {
            issuer: &self.issuer,
            metadata: &self.metadata,
            wire: &self.wire,
            nonce: &self.nonce,
            verifier: &self.verifier,
            redirect: &redirect,
        };
        // A page that is on its way arrives before this ends, or isn't waited for.
        let tell = async move |told: Result<Became, String>| {
            let _ = reply.send(told);
            drop(end);
            let _ = tokio::time::timeout(LAST_PAGE, serving).await;
        };
        let judged = match answer {
            Ok(answer) => question.judge(answer).await,
            Err(error) => Err(error),
        };
        match judged {
            Ok(signed_in) if asks => {
                tell(Ok(Became::Asked)).await;
                keep(signed_in).await
            }
            judged => {
                let became = match judged {
                    Ok(signed_in) => keep(signed_in).await,
                    Err(error) => Err(error),
                };
                let told = became.as_ref().map(|_| Became::Kept);
                tell(told.map_err(|error| sentence(&error.to_string()))).await;
                became
            }
        }
    }
}

/// What was asked: an answer must fit.
struct Question<'a> {
    issuer: &'a Issuer,
    metadata: &'a Metadata,
    wire: &'a Wire,
    nonce: &'a str,
    verifier: &'a SecretString,
    redirect: &'a str,
}

impl Question<'_> {
    async fn judge(&self, answer: Answer) -> Result<SignedIn, SignInError> {
        match &answer.issuer {
            Some(issuer) if *issuer != self.metadata.issuer => {
                return Err(SignInError::Callback("it is from another issuer (iss)"));
            }
            None if self.metadata.says_issuer => {
                return Err(SignInError::Callback("it doesn't say which issuer it is from (iss)"));
            }
            _ => {}
        }
        let code = answer
            .result
            .map_err(|(error, description)| SignInError::Refused { error, description })?;
        let given = (&code, self.verifier, self.redirect);
        let tokens = Tokens::of_code(self.wire, self.issuer, self.metadata, given).await?;
        let expected = (self.metadata.issuer.as_str(), self.issuer.client_id.as_str());
        let person = id_token::check(tokens.identity.as_ref(), expected, self.nonce)?;
        Ok(SignedIn { tokens, person })
    }
}

fn sentence(text: &str) -> String {
    let mut characters = text.chars();
    let first = characters.next().map(|first| first.to_uppercase().to_string());
    format!("{}{}.", first.unwrap_or_default(), characters.as_str())
}
