//! The values of settings of the sandbox, in a lean build.

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

/// The values of `fetch_postgres`, as the sandbox spells them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema, clap::ValueEnum)]
#[serde(rename_all = "snake_case")]
pub enum FetchPostgres {
    /// Never.
    #[default]
    #[serde(alias = "false")]
    #[value(aliases = ["false", "no", "off", "0"])]
    Never,
    /// Where there is none.
    #[serde(alias = "true")]
    #[value(aliases = ["true", "yes", "on", "1"])]
    Missing,
    /// In place of one that there is.
    Always,
}
