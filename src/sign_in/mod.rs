//! Signing in to Neon as a person: OpenID Connect in the browser (PKCE, loopback), what is kept of it, and how it is renewed.
//!
//! A login of our own lies in a folder of ours; what the `neon` command line keeps is read in place, and renewed as that program
//! does it. [`SignIn`] finds either, and gives each request its token.
//!
//! ```
//! use neon_mcp::sign_in::{Issuer, ProfileName};
//!
//! // Neon's own, unless the settings name another one.
//! assert_eq!(Issuer::new(None, None, None)?.address(), "https://oauth2.neon.tech");
//! assert!(ProfileName::parse("work").is_ok());
//! assert!(ProfileName::parse("../work").is_err());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod browser;
mod callback;
mod error;
mod file;
mod find;
mod id_token;
mod issuer;
mod lock;
mod neon_cli;
mod opened;
mod own;
mod page;
mod question;
mod renew;
mod session;
mod source;
mod tokens;
mod web;
mod wire;

pub use browser::Flow;
pub use error::SignInError;
pub use find::{Origin, Places};
pub use issuer::{DEFAULT_ISSUER, InvalidIssuer, Issuer};
pub use opened::{Opened, open_browser};
pub use own::{InvalidProfile, ProfileName};
pub use source::{Revoked, SignIn, Status};
pub use web::{Begun, OfUserinfo, PersonClaims, Signed, SignedInPerson, VerifiesTokens, WebSignIn};
