//! Settings that can't be used.

use std::path::PathBuf;

use thiserror::Error;

use crate::base_url::InvalidBaseUrl;
use crate::docs::DEFAULT_DOCS;
use crate::guard::Untrusted;
use crate::neon::{DEFAULT_BASE, InvalidCredential, InvalidId};

/// What every variable of ours begins with, but for `NEON_API_KEY` and `NEON_API_HOST`, which are the field's own.
pub(super) const PREFIX: &str = "NEON_MCP_";

/// The longest time that can be set, in seconds: a day.
pub(super) const MAX_SECONDS: u64 = 86_400;

/// The shortest secret of approval pages, in characters.
pub(super) const MIN_SECRET: usize = 16;

/// Settings that can't be used.
#[derive(Debug, Error)]
pub enum SettingsError {
    /// A file can't be read, or somebody else could change it.
    #[error(transparent)]
    Untrusted(#[from] Untrusted),
    /// The settings file isn't TOML, or a value has the wrong type.
    #[error("{path}: {message}", path = .path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What is wrong, and where.
        message: String,
    },
    /// A key of the settings file, or a variable, that doesn't exist.
    #[error("{place}: there is no setting `{name}`{}", .nearest.as_ref().map(|name| format!(": did you mean `{name}`?")).unwrap_or_else(|| ": take it out; `neon-mcp stdio --help` and `neon-mcp http --help` list those that there are".to_owned()))]
    Unknown {
        /// The file, or the environment.
        place: String,
        /// What was given.
        name: String,
        /// What was probably meant.
        nearest: Option<String>,
    },
    /// A variable with a value that can't be read.
    #[error("{variable} is `{value}`: {message}")]
    Variable {
        /// The variable.
        variable: String,
        /// Its value.
        value: String,
        /// What it should be.
        message: String,
    },
    /// A variable whose value is no text. It isn't told: it may be a secret.
    #[error("{variable} isn't UTF-8: write it anew")]
    NotText {
        /// The variable.
        variable: String,
    },
    /// A time that is none.
    #[error("{setting} is {seconds}: write {least} to {MAX_SECONDS} seconds, e.g. 120")]
    Seconds {
        /// The setting.
        setting: &'static str,
        /// What was given.
        seconds: u64,
        /// The shortest that is taken.
        least: u64,
    },
    /// A number that is none of those that make sense.
    #[error("{setting} is {value}: write {least} to {most}")]
    Number {
        /// The setting.
        setting: &'static str,
        /// What was given.
        value: u64,
        /// The smallest that is taken.
        least: u64,
        /// The largest.
        most: u64,
    },
    /// Two settings that exclude each other.
    #[error("{0}")]
    Conflict(String),
    /// The address can't be used.
    #[error("API host: {0}; it looks like {DEFAULT_BASE}")]
    Base(InvalidBaseUrl),
    /// The key can't be used.
    #[error("API key: {0}")]
    Credential(#[from] InvalidCredential),
    /// An id that isn't one.
    #[error("{setting}: {source}; it looks like {example}")]
    Id {
        /// The setting.
        setting: &'static str,
        /// One that is right.
        example: &'static str,
        /// What is wrong.
        source: InvalidId,
    },
    /// A name that isn't one.
    #[error("{setting} {why}; it looks like {example}")]
    Name {
        /// The setting.
        setting: &'static str,
        /// One that is right.
        example: &'static str,
        /// What is wrong, as the end of a sentence.
        why: &'static str,
    },
    /// The context file that the operator named can't be used.
    #[error("context file: {path}: {message}", path = .path.display())]
    Context {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        message: String,
    },
    /// A suffix that isn't one.
    #[error("SQL host suffix: {0}")]
    SqlHost(#[from] crate::neon::sql::InvalidSuffix),
    /// The address of the documentation can't be used.
    #[error("docs URL: {0}; it looks like {DEFAULT_DOCS}, or is `off`")]
    Docs(InvalidBaseUrl),
    /// The policy can't be used.
    #[error(transparent)]
    Policy(#[from] crate::guard::PolicyError),
    /// The key of the seals can't be used.
    #[error("{path}: {source}", path = .path.display())]
    SealKey {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        source: crate::guard::ShortKey,
    },
    /// The folder that files may come from can't be used.
    #[error("files dir: {path}: {source}", path = .path.display())]
    FilesDir {
        /// The folder.
        path: PathBuf,
        /// What the operating system said.
        source: std::io::Error,
    },
    /// The secret of approval pages can't be used.
    #[error("{path}: the secret of approval pages has at least {MIN_SECRET} characters", path = .path.display())]
    PageSecret {
        /// The file.
        path: PathBuf,
    },
    /// The bearer token of clients over HTTP can't be used.
    #[error("{path}: {source}", path = .path.display())]
    Token {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        source: crate::server::http::InvalidToken,
    },
    /// TLS can't be spoken.
    #[error("TLS: {0}")]
    Tls(#[from] crate::server::http::TlsError),
    /// What replicas share is kept nowhere.
    #[error("store: {0}")]
    Store(#[from] crate::guard::InvalidStore),
    /// The store that replicas share says no.
    #[error(transparent)]
    StoreRefuses(#[from] crate::guard::StoreError),
    /// Who signs people in can't be used.
    #[error(transparent)]
    Issuer(#[from] crate::sign_in::InvalidIssuer),
}
