//! API keys: who calls, and what the caller can reach.

use serde::{Deserialize, Serialize};

use super::project::Project;
use crate::{
    clock::Timestamp,
    ids,
    options::{ExtraKey, KeyKind},
};

/// The id of the first key.
const FIRST_ID: i64 = 165_001;

/// An API key that exists.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct ApiKey {
    pub(crate) id: i64,
    secret: String,
    pub(crate) name: String,
    pub(crate) kind: KeyKind,
    /// The organization that it acts for, unless it acts for the user.
    pub(crate) org_id: String,
    pub(crate) created_at: Timestamp,
    pub(crate) last_used_at: Option<Timestamp>,
    pub(crate) last_used_from: String,
}

impl std::fmt::Debug for ApiKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ApiKey")
            .field("id", &self.id)
            .field("name", &self.name)
            .field("kind", &self.kind)
            .finish_non_exhaustive()
    }
}

impl ApiKey {
    fn is_bound_to(&self, project: &str) -> bool {
        matches!(&self.kind, KeyKind::Project { project_id } if project_id == project)
    }
}

/// Whom keys act for.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Owner<'a> {
    /// The user.
    User,
    /// The organization with this id.
    Organization(&'a str),
}

impl Owner<'_> {
    fn has(self, key: &ApiKey) -> bool {
        match self {
            Self::User => key.kind == KeyKind::Personal,
            Self::Organization(id) => key.kind != KeyKind::Personal && key.org_id == id,
        }
    }
}

/// Who makes a call.
#[derive(Clone, Debug)]
pub(crate) struct Caller {
    pub(crate) key_id: i64,
    pub(crate) kind: KeyKind,
    /// The organization that the key acts for, unless it acts for the user.
    pub(crate) org_id: String,
}

impl Caller {
    /// Whether the key acts for the user, and not for the organization.
    pub(crate) fn is_personal(&self) -> bool {
        self.kind == KeyKind::Personal
    }

    /// Whom requests count for: all personal keys are the user's, all others their organization's.
    pub(crate) fn account(&self) -> &str {
        if self.is_personal() { "user" } else { &self.org_id }
    }

    /// The one project that the key is bound to.
    pub(crate) fn only_project(&self) -> Option<&str> {
        match &self.kind {
            KeyKind::Project { project_id } => Some(project_id),
            KeyKind::Personal | KeyKind::Organization => None,
        }
    }

    /// Whether the key can see a project.
    pub(crate) fn can_see(&self, project: &Project) -> bool {
        self.can_see_organization(&project.org_id) && self.only_project().is_none_or(|only| only == project.id)
    }

    /// Whether the key can see an organization that exists.
    pub(crate) fn can_see_organization(&self, org_id: &str) -> bool {
        self.is_personal() || self.org_id == org_id
    }
}

/// All API keys.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Keys {
    keys: Vec<ApiKey>,
    next_id: i64,
}

impl Keys {
    pub(crate) fn new(first: &str, extra: &[ExtraKey], org_id: &str, now: Timestamp) -> Self {
        let mut keys = Self {
            keys: Vec::new(),
            next_id: FIRST_ID,
        };
        keys.insert(first.to_owned(), "sandbox".to_owned(), KeyKind::Personal, org_id, now);
        for key in extra {
            keys.insert(key.key.clone(), key.name.clone(), key.kind.clone(), org_id, now);
        }
        keys
    }

    /// The key that a sandbox that starts again hands out: the one that it is told to take, else the user's oldest. Where
    /// there is none any more, one is made.
    pub(crate) fn first(&mut self, given: Option<&str>, org_id: &str, now: Timestamp) -> String {
        let found = {
            let mut personal = self.list(Owner::User);
            match given {
                Some(given) => personal.find(|key| key.secret == given),
                None => personal.min_by_key(|key| key.id),
            }
        };
        if let Some(key) = found {
            return key.secret.clone();
        }
        let secret = given.map_or_else(ids::secret_key, str::to_owned);
        self.insert(secret.clone(), "sandbox".to_owned(), KeyKind::Personal, org_id, now);
        secret
    }

    /// Makes a new key and returns its id and its secret, which nothing shows again.
    pub(crate) fn create(&mut self, name: String, kind: KeyKind, org_id: &str, now: Timestamp) -> (i64, String) {
        let secret = ids::secret_key();
        (self.insert(secret.clone(), name, kind, org_id, now), secret)
    }

    fn insert(&mut self, secret: String, name: String, kind: KeyKind, org_id: &str, now: Timestamp) -> i64 {
        let id = self.next_id;
        self.next_id += 1;
        self.keys.push(ApiKey {
            id,
            secret,
            name,
            kind,
            org_id: org_id.to_owned(),
            created_at: now,
            last_used_at: None,
            last_used_from: String::new(),
        });
        id
    }

    /// Revokes the user's key, or the organization's, with that id: from now on it is unknown.
    pub(crate) fn revoke(&mut self, owner: Owner<'_>, id: i64) -> Option<ApiKey> {
        let position = self.keys.iter().position(|key| key.id == id && owner.has(key))?;
        Some(self.keys.remove(position))
    }

    /// Revokes the keys that are bound to a project.
    pub(crate) fn revoke_of_project(&mut self, project_id: &str) {
        self.keys.retain(|key| !key.is_bound_to(project_id));
    }

    /// Whether keys are bound to a project.
    pub(crate) fn has_of_project(&self, project_id: &str) -> bool {
        self.keys.iter().any(|key| key.is_bound_to(project_id))
    }

    /// Who a key belongs to; notes the use.
    pub(crate) fn authenticate(&mut self, secret: &str, now: Timestamp, from: String) -> Option<Caller> {
        let key = self.keys.iter_mut().find(|key| key.secret == secret)?;
        key.last_used_at = Some(now);
        key.last_used_from = from;
        Some(Caller {
            key_id: key.id,
            kind: key.kind.clone(),
            org_id: key.org_id.clone(),
        })
    }

    /// The keys that act for the user, or those that act for an organization.
    pub(crate) fn list(&self, owner: Owner<'_>) -> impl Iterator<Item = &ApiKey> {
        self.keys.iter().filter(move |key| owner.has(key))
    }
}
