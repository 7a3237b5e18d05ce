//! SQL over HTTP, the protocol of Neon's proxy: statements out, rows in.
//!
//! Two ways lead out, as for the API: [`Reads`], which Postgres itself keeps from changing anything (a batch that is
//! READ ONLY), and [`Statements`] that the guard has let through.

mod address;
mod alone;
mod answer;
mod measure;
mod parameters;
mod query;
mod run;
mod statements;
mod turns;
mod value;

pub use address::{InvalidConnection, InvalidSuffix, SqlAddress, SqlHosts};
pub use answer::{Column, Found, ResultSet, SqlEnd, SqlError};
pub(super) use measure::Catalogues;
pub use measure::{
    Allowance, Baseline, Batch, CommitRule, Grade, INDEX_CODE, Loss, Measured, Reaching, Stop, TableImpact, Unasked,
    large_share,
};
pub use parameters::{Expected, depend_on_types, is_array_literal, texts};
pub use query::{Connection, Identity, Isolation, MAX_ANSWER, MAX_REQUEST, Query};
pub use statements::{Builds, Executed, Numbers, Reads, Statements};
pub(super) use turns::Databases;
