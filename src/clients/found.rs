//! What is found of a client's file, and why one is left alone.

use std::path::PathBuf;

use local_files::in_a_shell;

/// The largest file that is read, in bytes: some clients keep their history beside their servers.
pub(super) const MAX_BYTES: u64 = 64 * 1024 * 1024;

/// Why a file isn't read or written.
#[derive(Debug, thiserror::Error)]
pub enum FileProblem {
    /// It is marked as not to be written.
    #[error("it is read-only: `chmod u+w` it, where it may be changed")]
    ReadOnly,
    /// It is another user's.
    #[error("it belongs to another user")]
    NotOurs,
    /// A link in a project leads elsewhere: whoever made the project would say what is written where.
    #[error("{0} is a symbolic link, which in a project may lead anywhere")]
    Link(PathBuf),
    /// Others could change a project's folder while something is written there.
    #[error("{path} belongs to another user, or others can write to it: they could have anything written over. Run `chmod go-w {folder}`, where it is yours", path = .0.display(), folder = in_a_shell(&.0.to_string_lossy()))]
    Shared(PathBuf),
    /// It is a link that leads nowhere.
    #[error("it is a symbolic link to {0}, which isn't there: make that, or remove the link")]
    LeadsNowhere(PathBuf),
    /// Something else than a file stands there.
    #[error("it is no file")]
    NoFile,
    /// It isn't text.
    #[error("it isn't UTF-8")]
    NotText,
    /// Somebody changed it since it was read.
    #[error("it, or a folder above it, was changed or removed meanwhile: run the command again")]
    Changed,
    /// The operating system said no.
    #[error("{0}")]
    Io(#[from] std::io::Error),
}

/// A file as it is on the disk.
#[derive(Debug, Clone)]
pub(super) struct Found {
    /// Where the client looks for it.
    pub(super) path: PathBuf,
    /// Where it really is, behind links.
    pub(super) real: PathBuf,
    /// What stands in it; none where there is no file.
    pub(super) text: Option<String>,
}
