//! Files of this machine, opened so that nobody can make a program wait, follow or read what it didn't mean to.
//!
//! [`leftover`] is for what another process left: nothing is followed through a link. [`open_given`] is for what whoever starts the
//! program names: links are followed, pipes aren't waited for.
//!
//! ```
//! use std::fs;
//!
//! let folder = std::env::temp_dir().join(format!("local-files-{}", std::process::id()));
//! fs::create_dir_all(&folder)?;
//! fs::write(folder.join("policy.toml"), "read_only = true")?;
//! assert!(local_files::leftover::is_file(&folder.join("policy.toml")));
//! assert_eq!(local_files::read_given(&folder.join("policy.toml"))?, b"read_only = true");
//! // A folder is no file that could be read, and isn't waited for.
//! assert!(local_files::read_given(&folder).is_err());
//! fs::remove_dir_all(&folder)?;
//! # Ok::<(), std::io::Error>(())
//! ```

mod given;
pub mod leftover;
mod shell;

pub use shell::in_a_shell;

pub use given::{LARGEST_GIVEN, is_handed_over, open_given, read_given};
