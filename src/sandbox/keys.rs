//! API keys: who calls, and what the caller can reach.

use super::{
    clock::Moment,
    ids,
    options::{ExtraKey, KeyKind},
};

/// An API key that exists.
#[derive(Clone)]
pub(crate) struct ApiKey {
    pub(crate) id: i64,
    secret: String,
    pub(crate) name: String,
    pub(crate) kind: KeyKind,
    pub(crate) created_at: Moment,
    pub(crate) last_used_at: Option<Moment>,
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

/// Who makes a call.
#[derive(Clone, Debug)]
pub(crate) struct Caller {
    pub(crate) key_id: i64,
    pub(crate) kind: KeyKind,
}

impl Caller {
    /// Whether the key acts for the user, and not for the organization.
    pub(crate) fn is_personal(&self) -> bool {
        self.kind == KeyKind::Personal
    }

    /// The one project that the key is bound to.
    pub(crate) fn only_project(&self) -> Option<&str> {
        match &self.kind {
            KeyKind::Project { project_id } => Some(project_id),
            KeyKind::Personal | KeyKind::Organization => None,
        }
    }

    /// Whether the key can see a project.
    pub(crate) fn can_see(&self, project_id: &str) -> bool {
        self.only_project().is_none_or(|only| only == project_id)
    }
}

/// All API keys.
#[derive(Debug)]
pub(crate) struct Keys {
    keys: Vec<ApiKey>,
}

impl Keys {
    pub(crate) fn new(first: &str, extra: &[ExtraKey], now: Moment) -> Self {
        let mut keys = Self { keys: Vec::new() };
        keys.insert(first.to_owned(), "sandbox".to_owned(), KeyKind::Personal, now);
        for key in extra {
            keys.insert(key.key.clone(), key.name.clone(), key.kind.clone(), now);
        }
        keys
    }

    /// Makes a new key and returns its secret, which nothing shows again.
    pub(crate) fn create(&mut self, name: String, kind: KeyKind, now: Moment) -> String {
        let secret = ids::secret_key();
        self.insert(secret.clone(), name, kind, now);
        secret
    }

    fn insert(&mut self, secret: String, name: String, kind: KeyKind, now: Moment) {
        let id = 165_001 + i64::try_from(self.keys.len()).unwrap_or_default();
        self.keys.push(ApiKey {
            id,
            secret,
            name,
            kind,
            created_at: now,
            last_used_at: None,
            last_used_from: String::new(),
        });
    }

    /// Who a key belongs to; notes the use.
    pub(crate) fn authenticate(&mut self, secret: &str, now: Moment, from: String) -> Option<Caller> {
        let key = self.keys.iter_mut().find(|key| key.secret == secret)?;
        key.last_used_at = Some(now);
        key.last_used_from = from;
        Some(Caller {
            key_id: key.id,
            kind: key.kind.clone(),
        })
    }

    /// The keys that act for the user, or those that act for the organization.
    pub(crate) fn list(&self, personal: bool) -> impl Iterator<Item = &ApiKey> {
        self.keys
            .iter()
            .filter(move |key| (key.kind == KeyKind::Personal) == personal)
    }
}
