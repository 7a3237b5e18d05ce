//! Who makes a request: looked at before anything of its body is read.

mod asking;
mod bearer;
mod callers;
mod challenge;
mod door;
mod grant;
mod neon_key;
#[cfg(feature = "http-server")]
mod oauth;
mod pieces;
mod setup;
mod shown;
mod token;
mod watched;

pub use bearer::{MAX_NAME, NewToken, Rotation, TOKEN_PREFIX, TokenEntry, TokenList, TokenListError};
pub use callers::{Callers, IntrospectionSettings, IssuerClient, OauthSettings};
pub(super) use challenge::Denial;
pub(super) use door::{Door, checked};
pub(super) use grant::Grant;
#[cfg(feature = "http-server")]
pub use oauth::{MapEntry, MapFile, MappedKind, Unmapped, checked_map};
pub use setup::CallerAccounts;
pub(super) use setup::Setup;
pub use token::{BearerToken, InvalidToken, MIN_TOKEN_CHARS, TokenFile};
