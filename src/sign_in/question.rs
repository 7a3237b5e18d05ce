//! What is asked of an issuer when somebody signs in, and whether an answer is one to it: OpenID Connect's code flow with PKCE.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use secrecy::{ExposeSecret as _, SecretString};
use sha2::{Digest as _, Sha256};
use url::Url;

use super::callback::Answer;
use super::error::SignInError;
use super::id_token::{self, Person};
use super::issuer::{Issuer, Metadata};
use super::tokens::{Shown, Tokens};
use super::wire::Wire;

/// What makes a question one of a kind.
pub(super) struct Asked {
    pub(super) state: String,
    pub(super) nonce: String,
    pub(super) verifier: SecretString,
}

/// What was asked: an answer must fit.
pub(super) struct Question<'a> {
    pub(super) issuer: &'a Issuer,
    pub(super) metadata: &'a Metadata,
    pub(super) wire: &'a Wire,
    pub(super) asked: &'a Asked,
    pub(super) redirect: &'a str,
    /// That of the client, where it has one.
    pub(super) secret: Option<&'a SecretString>,
}

/// Who signed in, with the tokens.
#[derive(Debug)]
pub(super) struct SignedIn {
    pub(super) tokens: Tokens,
    pub(super) person: Person,
}

/// 256 random bits, as text that can stand in an address.
fn random() -> String {
    let bytes: [u8; 32] = rand::random();
    URL_SAFE_NO_PAD.encode(bytes)
}

impl Asked {
    pub(super) fn new() -> Self {
        Self {
            state: random(),
            nonce: random(),
            verifier: SecretString::from(random()),
        }
    }

    /// Where the person is sent. It holds no secret.
    pub(super) fn address(&self, issuer: &Issuer, metadata: &Metadata, redirect: &str) -> Url {
        let challenge = URL_SAFE_NO_PAD.encode(Sha256::digest(self.verifier.expose_secret().as_bytes()));
        let mut address = metadata.authorization.clone();
        address.query_pairs_mut().extend_pairs([
            ("response_type", "code"),
            ("client_id", &issuer.client_id),
            ("redirect_uri", redirect),
            ("scope", &issuer.scopes),
            ("state", &self.state),
            ("nonce", &self.nonce),
            ("code_challenge", &challenge),
            ("code_challenge_method", "S256"),
        ]);
        address
    }
}

impl Question<'_> {
    /// Who signed in, by an answer that has this question's state.
    pub(super) async fn judge(&self, answer: Answer) -> Result<SignedIn, SignInError> {
        match &answer.issuer {
            Some(issuer) if *issuer != self.metadata.issuer => {
                return Err(SignInError::Callback("it is from another issuer (iss)"));
            }
            None if self.metadata.says_issuer => {
                return Err(SignInError::Callback("it doesn't say which issuer it is from (iss)"));
            }
            _ => {}
        }
        let code = answer
            .result
            .map_err(|(error, description)| SignInError::Refused { error, description })?;
        let given = Shown {
            code: &code,
            verifier: &self.asked.verifier,
            redirect: self.redirect,
            secret: self.secret,
        };
        let tokens = Tokens::of_code(self.wire, self.issuer, self.metadata, given).await?;
        let expected = (self.metadata.issuer.as_str(), self.issuer.client_id.as_str());
        let person = id_token::check(tokens.identity.as_ref(), expected, &self.asked.nonce)?;
        Ok(SignedIn { tokens, person })
    }
}
