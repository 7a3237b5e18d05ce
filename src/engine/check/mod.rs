//! From what a caller gives to what later steps take: arguments, references, files, what was prepared, SQL.

pub(in crate::engine) mod aliases;
pub(in crate::engine) mod arguments;
pub(in crate::engine) mod bind;
pub(in crate::engine) mod defaults;
pub(in crate::engine) mod files;
pub(in crate::engine) mod known;
pub(in crate::engine) mod linked;
pub(in crate::engine) mod lookup;
pub(in crate::engine) mod organizations;
pub(in crate::engine) mod prepared;
pub(in crate::engine) mod reference;
pub(in crate::engine) mod resolve;
pub(in crate::engine) mod sql;
pub(in crate::engine) mod time;
