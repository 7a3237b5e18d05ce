//! The programs that agents live in, and where each keeps its MCP servers: which they are is data (`clients.json`), how a file is
//! changed depends on its format alone.
//!
//! No credential comes in here: [`Server`] has no place for one. What is written is a *reference* to where the client or this
//! machine holds it.

mod diff;
mod edit;
mod file;
mod format;
mod found;
#[cfg(unix)]
mod in_project;
mod machine;
mod ours;
mod plan;
mod probe;
mod reference;
mod scope;
mod server;
mod table;
mod variables;

pub use edit::{Entry, NotEdited};
pub use found::FileProblem;
pub use machine::Machine;
pub use plan::{Change, Outcome, Place, Plan, entries, entry_alone, files, install, own_entry, uninstall};
pub use probe::{Answer, ask_at, ask_program};
pub use reference::clients_reference;
pub use scope::Scope;
pub use server::{Credential, InvalidName, Server, ServerName, Transport};
pub use table::{Client, clients, find};
pub use variables::{KEY_VARIABLE, TOKEN_VARIABLE};
