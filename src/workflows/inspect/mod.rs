//! What a database holds and what makes it slow: tools that only read.

mod checks;
mod shown;
mod slow;
mod table;
mod tables;

pub(super) use checks::InspectDatabase;
pub(super) use slow::ListSlowQueries;
pub(super) use table::DescribeTableSchema;
pub(super) use tables::GetDatabaseTables;
