//! Changes that are tried on a throwaway branch, shown, and then applied exactly so: migrations, and what makes a query faster.

mod apply;
mod complete;
mod fingerprint;
mod halted;
mod prepare;
mod query_plan;
mod script;
mod trial;
mod tuning;

pub(super) use complete::{Completion, MigrationHandle, TuningHandle};
pub(super) use prepare::PrepareDatabaseMigration;
pub(super) use tuning::PrepareQueryTuning;
