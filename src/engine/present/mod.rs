//! From an answer to a result: cut, masked, and with the texts of others delimited.

pub(in crate::engine) mod advice;
mod approval;
pub(in crate::engine) mod content;
pub(in crate::engine) mod done;
pub(in crate::engine) mod dotenv;
pub(in crate::engine) mod errors;
pub(in crate::engine) mod figures;
pub(in crate::engine) mod list;
pub(in crate::engine) mod offered;
pub(in crate::engine) mod shape;
pub(in crate::engine) mod sql;
pub(in crate::engine) mod text;
pub(in crate::engine) mod undo;
pub(in crate::engine) mod untrusted;
