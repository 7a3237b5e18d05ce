//! The values of a setting of the sandbox, in a lean build.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The values of `sandbox_postgres`, as the sandbox spells them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema, clap::ValueEnum)]
#[serde(rename_all = "snake_case")]
pub enum Postgres {
    /// Without data.
    Off,
    /// With data where a PostgreSQL is found.
    Auto,
    /// With data, or not at all.
    Required,
}
