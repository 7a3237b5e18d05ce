//! Signing in with the browser: OpenID Connect's code flow with PKCE, and an answer on loopback (RFC 8252).

use std::time::Duration;

use tokio::sync::oneshot;

use super::callback::{Callback, Came};
use super::error::SignInError;
use super::issuer::{Issuer, Metadata};
use super::question::{Asked, Question, SignedIn};
use super::wire::Wire;

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
    /// Asks the issuer where people sign in, and listens for the answer.
    ///
    /// # Errors
    /// When the issuer can't be used, or no port be listened on.
    pub async fn begin(issuer: Issuer) -> Result<Self, SignInError> {
        let wire = issuer.wire()?;
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
    /// it worked.
    ///
    /// # Errors
    /// When nobody comes in time, or what comes isn't the answer to this question; or as `keep`.
    pub(super) async fn finish<T, K>(
        self,
        time: Duration,
        keep: impl FnOnce(SignedIn) -> K + Send,
    ) -> Result<T, SignInError>
    where
        K: Future<Output = Result<T, SignInError>> + Send,
    {
        let redirect = self.callback.redirect();
        let (end, ended) = oneshot::channel();
        let (comes, serving) = self.callback.serve(ended);
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
        let became = match answer {
            Ok(answer) => match question.judge(answer).await {
                Ok(signed_in) => keep(signed_in).await,
                Err(error) => Err(error),
            },
            Err(error) => Err(error),
        };
        let told = became
            .as_ref()
            .map(|_| ())
            .map_err(|error| sentence(&error.to_string()));
        let _ = reply.send(told);
        // A page that is on its way arrives before this ends, or isn't waited for.
        drop(end);
        let _ = tokio::time::timeout(LAST_PAGE, serving).await;
        became
    }
}

fn sentence(text: &str) -> String {
    let mut characters = text.chars();
    let first = characters.next().map(|first| first.to_uppercase().to_string());
    format!("{}{}.", first.unwrap_or_default(), characters.as_str())
}

/// Opens the page in the person's browser, where this machine has a screen.
#[must_use]
pub fn open_browser(address: &str) -> bool {
    let has_screen = cfg!(any(windows, target_os = "macos"))
        || ["DISPLAY", "WAYLAND_DISPLAY", "WSL_DISTRO_NAME"]
            .iter()
            .any(|name| std::env::var_os(name).is_some_and(|value| !value.is_empty()));
    has_screen && open::that_detached(address).is_ok()
}
