//! Signing in with the browser: OpenID Connect's code flow with PKCE, and an answer on loopback (RFC 8252).

use std::time::Duration;

use tokio::sync::oneshot;

use super::callback::{Became, Callback, Came};
use super::error::SignInError;
use super::issuer::{Issuer, Metadata};
use super::question::{Asked, Question, SignedIn};
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
    asked: Asked,
}

impl std::fmt::Debug for Flow {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Flow([hidden])")
    }
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
        let asked = Asked::new();
        Ok(Self {
            address: asked.address(&issuer, &metadata, &callback.redirect()).into(),
            issuer,
            metadata,
            wire,
            callback,
            asked,
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
        let (comes, serving) = self.callback.serve(&self.asked.state, ended);
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
            asked: &self.asked,
            redirect: &redirect,
            secret: None,
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

fn sentence(text: &str) -> String {
    let mut characters = text.chars();
    let first = characters.next().map(|first| first.to_uppercase().to_string());
    format!("{}{}.", first.unwrap_or_default(), characters.as_str())
}
