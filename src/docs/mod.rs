//! The documentation: an index and pages of Markdown, read from the operator's docs host.
//!
//! It is another way out than the one to Neon, and shares nothing with it: no key is ever sent, nothing waits for it at the
//! start, and when it fails, nothing else does.
//!
//! ```
//! use neon_mcp::docs::{Docs, Slug, default_docs};
//!
//! let docs = Docs::new(default_docs().ok_or("the address is no address")?);
//! let slug = Slug::parse("introduction/branching", docs.base())?;
//! assert!(docs.address(&slug).contains("introduction/branching"));
//! // Only a page of this host has a slug.
//! assert!(Slug::parse("https://elsewhere.example/introduction", docs.base()).is_err());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod base;
mod cache;
mod error;
mod index;
mod read;
mod slug;

pub use base::{DEFAULT_DOCS, default_docs};
pub use error::DocsError;
pub use index::Entry;
pub use read::{Docs, DocsTimes};
pub use slug::{InvalidSlug, Slug};
