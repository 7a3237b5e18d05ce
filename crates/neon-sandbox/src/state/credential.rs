//! Credentials of a branch, for its object storage, AI gateway and functions.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{clock::Timestamp, ids};

/// What a credential may do, of Neon's scopes those that can be asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Scope {
    #[serde(rename = "storage:read")]
    StorageRead,
    #[serde(rename = "storage:write")]
    StorageWrite,
    #[serde(rename = "ai_gateway:invoke")]
    AiGatewayInvoke,
    #[serde(rename = "functions:invoke")]
    FunctionsInvoke,
}

/// Whom a credential is for, of Neon's kinds the one that can be asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Principal {
    User,
}

/// The two secrets of a credential. They never show in debug output.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Secrets {
    pub(crate) api_token: String,
    pub(crate) s3_secret_access_key: String,
}

impl Secrets {
    /// New random ones.
    pub(crate) fn random() -> Self {
        Self {
            api_token: ids::credential_secret("nbt"),
            s3_secret_access_key: ids::credential_secret("s3"),
        }
    }
}

impl fmt::Debug for Secrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secrets(hidden)")
    }
}

/// A credential that works. A revoked one is gone.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Credential {
    pub(crate) token_id: String,
    pub(crate) name: Option<String>,
    pub(crate) scopes: Vec<Scope>,
    pub(crate) principal: Principal,
    pub(crate) secrets: Secrets,
    pub(crate) created_at: Timestamp,
}
