//! What decides and what is noted, through the library's public face.

mod audit;
mod audit_command;
mod policy;
mod policy_command;
