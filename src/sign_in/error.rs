//! Why somebody isn't signed in, or couldn't be.

use std::path::PathBuf;

use crate::guard::{FileError, Untrusted};

/// Why a sign-in didn't come about, or couldn't be renewed. No message holds a token, a code or what proves one.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SignInError {
    /// The authorization server can't be reached, or failed: another try may succeed.
    #[error("the authorization server {host} can't be used now: {why}")]
    Unreachable {
        /// Its host.
        host: String,
        /// Why.
        why: String,
    },
    /// It answered something that can't be used.
    #[error("the authorization server {host} answered something that can't be used: {why}")]
    Answer {
        /// Its host.
        host: String,
        /// What is wrong with it.
        why: String,
    },
    /// It refused: with an error of OAuth's.
    #[error("the authorization server refused: {error}{}", .description.as_ref().map(|text| format!(" ({text})")).unwrap_or_default())]
    Refused {
        /// OAuth's word, as `invalid_grant`.
        error: String,
        /// Its own words.
        description: Option<String>,
    },
    /// What came back to the browser isn't the answer to what was asked.
    #[error("the answer that came to the browser is not taken: {0}")]
    Callback(&'static str),
    /// The identity that came with the tokens isn't one for this program.
    #[error("the identity that came with the tokens is not taken: {0}")]
    Identity(&'static str),
    /// Nobody signed in in time.
    #[error("nobody signed in within {seconds} seconds")]
    TimedOut {
        /// How long was waited.
        seconds: u64,
    },
    /// A file that holds a login can't be used.
    #[error(transparent)]
    File(#[from] FileError),
    /// A file of somebody else's program can't be read.
    #[error(transparent)]
    Untrusted(#[from] Untrusted),
    /// What a file holds is no login.
    #[error("{path} holds no login that can be used: {why}", path = .path.display())]
    Unusable {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        why: String,
    },
    /// There is no profile of that name.
    #[error("there is no profile `{name}`{}", .known.as_ref().map(|known| format!(": the neon command line has {known}")).unwrap_or_default())]
    NoProfile {
        /// The name.
        name: String,
        /// Those that there are.
        known: Option<String>,
    },
    /// The profile's credential lies in the operating system's keyring, under the neon command line's name.
    #[error(
        "the profile `{0}` keeps its credential in the operating system's keyring, which only the neon command line reads"
    )]
    Keyring(String),
    /// The API isn't the one that the issuer's tokens are for.
    #[error("a login of {issuer} isn't sent to {api}: set both addresses, or neither")]
    OtherApi {
        /// The issuer.
        issuer: String,
        /// The API that is set.
        api: String,
    },
    /// A login is of another issuer or for another API than those that are set: it is sent to neither.
    #[error(
        "{path} is a login of {issuer} for {api}, and is sent nowhere else: set both as they were then (--login-issuer, --api-host)",
        path = .path.display()
    )]
    Elsewhere {
        /// The file.
        path: PathBuf,
        /// Its issuer.
        issuer: String,
        /// Its API.
        api: String,
    },
    /// The issuer took the refresh token, and what it answered can't be used: shown again, it would end the sign-in.
    #[error("the authorization server {host} renewed the sign-in and answered something that can't be used: {why}")]
    UsedUp {
        /// Its host.
        host: String,
        /// What is wrong with it.
        why: String,
    },
    /// The person doesn't want what came to be kept.
    #[error("it isn't the right account, and nothing was kept")]
    NotWanted,
    /// Another process holds the lock.
    #[error("{path} is locked by another process that renews the sign-in", path = .0.display())]
    Locked(PathBuf),
    /// The environment names no folder to keep a login in.
    #[error("there is no folder to keep a login in: set HOME or XDG_CONFIG_HOME")]
    NoFolder,
    /// The listener on loopback can't be opened.
    #[error("no port of this machine can be listened on: {0}")]
    Listener(std::io::Error),
}

impl SignInError {
    /// Whether only a person can help: the grant is dead, by what the neon command line takes for one, or there is none.
    #[must_use]
    pub fn is_final(&self) -> bool {
        match self {
            Self::Refused { error, .. } => {
                matches!(error.as_str(), "invalid_grant" | "token_inactive" | "invalid_token")
            }
            Self::Unusable { .. }
            | Self::Elsewhere { .. }
            | Self::UsedUp { .. }
            | Self::NoProfile { .. }
            | Self::Keyring(_)
            | Self::Untrusted(_)
            | Self::File(_) => true,
            _ => false,
        }
    }
}
