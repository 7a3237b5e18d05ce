//! What kind of key this is, as far as Neon tells.

use serde_json::Value;

use super::client::Client;
use super::context::Context;
use super::error::{Error, ErrorKind};
use super::path_segment::PathSegment;
use super::request::Read;

/// The kind of an API key, from the narrowest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeyKind {
    /// For one project: can't delete it, can't see another.
    Project,
    /// For an organization, with an administrator's rights.
    Organization,
    /// A person's: everything that the person may do, in every organization.
    Personal,
    /// Something else than an API key, in Neon's own word.
    Other(String),
}

impl KeyKind {
    /// Whether the key reaches more than one project.
    #[must_use]
    pub fn is_account_wide(&self) -> bool {
        !matches!(self, Self::Project)
    }

    /// The name for people.
    #[must_use]
    pub fn name(&self) -> &str {
        match self {
            Self::Project => "project-scoped key",
            Self::Organization => "organization key",
            Self::Personal => "personal key",
            Self::Other(method) => method,
        }
    }
}

/// Asks Neon what kind of key the client has: one request, or two.
///
/// Neon says `api_key_org` of project-scoped keys too. What tells them apart is that only an organization's own key may list
/// the organization's keys.
///
/// # Errors
/// When Neon can't be asked. The key may still be good for other calls.
pub async fn key_kind(client: &Client, context: &Context) -> Result<KeyKind, Error> {
    let setup = |error: String| Error::malformed(format!("Neon's answer about the key can't be used: {error}."));
    let auth = Read::new("/auth", &[]).map_err(|error| setup(error.to_string()))?;
    let answer = client.read(auth, context).await?.body.unwrap_or_default();
    let text = |name: &str| answer.get(name).and_then(Value::as_str).unwrap_or_default();
    match text("auth_method") {
        "api_key_user" => Ok(KeyKind::Personal),
        "api_key_org" => {
            let organization = PathSegment::id(text("account_id")).map_err(|error| setup(error.to_string()))?;
            let keys = Read::new("/organizations/{org_id}/api_keys", &[("org_id", organization)])
                .map_err(|error| setup(error.to_string()))?;
            match client.read(keys, context).await {
                Ok(_) => Ok(KeyKind::Organization),
                Err(error)
                    if matches!(
                        error.kind(),
                        ErrorKind::Forbidden | ErrorKind::NotFound | ErrorKind::Unauthorized
                    ) =>
                {
                    Ok(KeyKind::Project)
                }
                Err(error) => Err(error),
            }
        }
        other => Ok(KeyKind::Other(super::text::one_line(other, 40))),
    }
}
