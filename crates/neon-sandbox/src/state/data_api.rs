//! The Data API of a database: REST over HTTPS.

use serde::{Deserialize, Serialize};

use crate::clock::Timestamp;

/// Who signs the tokens that the Data API takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum AuthProvider {
    NeonAuth,
    External,
}

/// How the Data API behaves. What is not set is not shown.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct DataApiSettings {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) db_aggregates_enabled: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) db_anon_role: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) db_extra_search_path: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) db_max_rows: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) db_schemas: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) jwt_role_claim_key: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) jwt_cache_max_lifetime: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) openapi_mode: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) server_cors_allowed_origins: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) server_timing_enabled: Option<bool>,
}

impl DataApiSettings {
    /// What holds where nothing is asked for.
    pub(crate) fn standard() -> Self {
        Self {
            db_aggregates_enabled: Some(true),
            db_anon_role: Some("anonymous".to_owned()),
            db_schemas: Some(vec!["public".to_owned()]),
            jwt_role_claim_key: Some(".role".to_owned()),
            openapi_mode: Some("disabled".to_owned()),
            ..Self::default()
        }
    }

    /// These, with what is asked for in their place.
    pub(crate) fn changed_by(self, asked: Self) -> Self {
        Self {
            db_aggregates_enabled: asked.db_aggregates_enabled.or(self.db_aggregates_enabled),
            db_anon_role: asked.db_anon_role.or(self.db_anon_role),
            db_extra_search_path: asked.db_extra_search_path.or(self.db_extra_search_path),
            db_max_rows: asked.db_max_rows.or(self.db_max_rows),
            db_schemas: asked.db_schemas.or(self.db_schemas),
            jwt_role_claim_key: asked.jwt_role_claim_key.or(self.jwt_role_claim_key),
            jwt_cache_max_lifetime: asked.jwt_cache_max_lifetime.or(self.jwt_cache_max_lifetime),
            openapi_mode: asked.openapi_mode.or(self.openapi_mode),
            server_cors_allowed_origins: asked.server_cors_allowed_origins.or(self.server_cors_allowed_origins),
            server_timing_enabled: asked.server_timing_enabled.or(self.server_timing_enabled),
        }
    }
}

/// The Data API of one database. It follows the database through a rename and ends with it, because it knows it by its id.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct DataApi {
    pub(crate) database_id: i64,
    pub(crate) url: String,
    pub(crate) auth_provider: Option<AuthProvider>,
    pub(crate) jwks_url: Option<String>,
    pub(crate) settings: DataApiSettings,
    /// When clients last got a fresh picture of the schema.
    pub(crate) schema_read_at: Timestamp,
}
