//! Who may call, as the operator set it up.

use std::path::PathBuf;
use std::sync::Arc;

use super::setup::CallerAccounts;

/// Callers that are told apart.
#[derive(Debug, Clone)]
pub enum Callers {
    /// Whoever shows one of the tokens of a file, which [`super::TokenList`] makes.
    Bearer {
        /// The file.
        tokens: PathBuf,
        /// The issuer where approvers sign in, which knows the persons that entries name; nothing where they don't sign in.
        issuer: Option<String>,
        /// What makes the accounts that its entries name.
        accounts: Arc<dyn CallerAccounts>,
    },
    /// Whoever shows an access token of an OAuth issuer.
    Oauth {
        /// Which issuer, and what its tokens must be.
        settings: OauthSettings,
        /// What makes the accounts that the mapping file names.
        accounts: Arc<dyn CallerAccounts>,
    },
    /// Whoever shows a Neon API key of its own.
    NeonKey(Arc<dyn CallerAccounts>),
}

/// Whose access tokens are taken, and what they must be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OauthSettings {
    /// The issuer, exactly as it writes itself.
    pub issuer: String,
    /// What clients see as this server's address, without a slash at its end; nothing for the address that it listens on.
    pub public_url: Option<String>,
    /// For whom tokens must be made; nothing for the address with `/mcp`.
    pub audience: Option<String>,
    /// How the issuer is asked about tokens; nothing where it isn't.
    pub introspection: Option<IntrospectionSettings>,
    /// The claim that names the person of a caller.
    pub subject_claim: String,
    /// The claim that holds the groups of a caller.
    pub groups_claim: String,
    /// The file that says what is set up for whom.
    pub map: Option<PathBuf>,
}

/// How the issuer is asked about tokens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IntrospectionSettings {
    /// As whom.
    pub client: IssuerClient,
    /// Whether it is asked about JWTs, too: whether they still count.
    pub jwts: bool,
}

/// This server's own client at the issuer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IssuerClient {
    /// Its id.
    pub id: String,
    /// The file with its secret.
    pub secret_file: PathBuf,
}
