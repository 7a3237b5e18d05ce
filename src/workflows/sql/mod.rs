//! SQL that callers send: what it does, how it runs, and what is told of it.

mod answer;
mod assess;
mod call;
mod explain;
pub(super) mod failing;
mod index_code;
pub(super) mod losses;
pub(super) mod outside;
pub(super) mod parameters;
mod placing;
pub(super) mod plan;
mod query;
pub(super) mod readable;
mod rows;
mod run;
pub(super) mod statements;
pub(super) mod undo;

pub(super) use assess::{completed, completing, tried};
pub(super) use call::SqlCall;
pub(super) use explain::ExplainSqlStatement;
pub(super) use index_code::index_code_after;
pub(super) use query::QueryDatabase;
pub(super) use run::{RunSql, RunSqlTransaction};
