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

/// Whose account it is, as far as Neon tells.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AccountInfo {
    /// The person, where the credential is one's.
    pub person: Option<Person>,
    /// The organizations that the credential reaches: ids and names.
    pub organizations: Vec<(String, String)>,
}

/// A person. Texts are on one line.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Person {
    /// Neon's id of them.
    pub id: String,
    /// Their address.
    pub email: String,
    /// Their name.
    pub name: String,
}

/// Asks Neon whose account it is: two requests for a person's, one for any other.
///
/// # Errors
/// When Neon can't be asked, or doesn't take the credential.
pub async fn account(client: &Client, context: &Context) -> Result<AccountInfo, Error> {
    let setup = |error: String| Error::malformed(format!("Neon's answer about the account can't be used: {error}."));
    let read = |path: &'static str| Read::new(path, &[]).map_err(|error| setup(error.to_string()));
    let line = |value: &Value, name: &str| {
        let text = value.get(name).and_then(Value::as_str).unwrap_or_default();
        super::text::one_line(text, 200)
    };
    match client.read(read("/users/me")?, context).await {
        Ok(answer) => {
            let user = answer.body.unwrap_or_default();
            let name = format!("{} {}", line(&user, "name"), line(&user, "last_name"));
            let person = Person {
                id: line(&user, "id"),
                email: line(&user, "email"),
                name: name.trim().to_owned(),
            };
            let answer = client
                .read(read("/users/me/organizations")?, context)
                .await?
                .body
                .unwrap_or_default();
            let list = answer.get("organizations").and_then(Value::as_array);
            let organizations = list
                .into_iter()
                .flatten()
                .map(|one| (line(one, "id"), line(one, "name")));
            Ok(AccountInfo {
                person: Some(person),
                organizations: organizations.collect(),
            })
        }
        // A route of users alone: the key is an organization's or a project's.
        Err(error)
            if matches!(
                error.kind(),
                ErrorKind::NotFound | ErrorKind::Forbidden | ErrorKind::Refused
            ) =>
        {
            let answer = client.read(read("/auth")?, context).await?.body.unwrap_or_default();
            let id = line(&answer, "account_id");
            Ok(AccountInfo {
                person: None,
                organizations: [(id, String::new())]
                    .into_iter()
                    .filter(|(id, _)| !id.is_empty())
                    .collect(),
            })
        }
        Err(error) => Err(error),
    }
}

/// Asks Neon whether the client's credential is an API key that it takes: one request. An access token of a sign-in is none.
///
/// # Errors
/// When Neon can't be asked.
pub async fn is_api_key(client: &Client, context: &Context) -> Result<bool, Error> {
    let auth = Read::new("/auth", &[])
        .map_err(|error| Error::malformed(format!("Neon's answer about the key can't be used: {error}.")))?;
    match client.read(auth, context).await {
        Ok(answer) => {
            let body = answer.body.unwrap_or_default();
            let method = body.get("auth_method").and_then(Value::as_str).unwrap_or_default();
            Ok(method.starts_with("api_key"))
        }
        Err(error) if matches!(error.kind(), ErrorKind::Unauthorized | ErrorKind::Forbidden) => Ok(false),
        Err(error) => Err(error),
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
