//! The audit log: one line for each call that changed something, may have, or was refused.
//!
//! Lines of JSON in a file that only its owner can read. A call that changes something is noted before its
//! request is sent, so that a crash leaves a trace too, and where that note can't be written the call is refused.
//!
//! Several processes may write to one log. What they share lies beside it: `<log>.lock` is held while a line is
//! written, and `<log>.pending/` has a file for each call under way, locked by the process that makes the call. A
//! lock ends with its process, so a file there that nobody holds is what a crash left. (Process ids would lie:
//! they are used again, and mean nothing in another container.)
//!
//! The files are bounded, so refusals, of which a caller can have any number at no cost, have a share: beyond it one line says how many
//! more there were. Who may change much can still fill the files: how long they last is for the operator to size, or to ship elsewhere.
//!
//! A line survives the end of the process as soon as it is written, but not a power cut: nothing is synced.

mod disk;
mod entry;
mod line;
mod log;
mod note;
mod read;
mod share;
mod tidy;

pub use disk::AuditLimits;
pub use entry::{AuditOutcome, Entry};
pub use log::{AuditLog, Pending};
pub use read::LogReader;
