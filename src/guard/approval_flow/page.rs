//! The approval page of an HTTP server: where it is, its secrets, and what browsers keep for it.

/// The approval page of an HTTP server.
#[derive(Debug, Clone)]
pub struct Page {
    /// Where it is: the address in front of `/approve/CODE`.
    pub origin: String,
    /// The secret that the operator gave, for every approval. Without one, each gets its own, which goes to the log.
    pub secret: Option<std::sync::Arc<secrecy::SecretString>>,
    /// Who signs approvers in, as it writes itself in tokens. Then no secret is asked for.
    pub issuer: Option<String>,
    /// Whether the operator says which claim names a human in access tokens and at sign-ins alike. Without that, two subjects may be one
    /// human's.
    pub names_claim: bool,
    /// The claim that names humans, in access tokens and at sign-ins. Who is called so by another claim is somebody else, as far as
    /// anybody can tell.
    pub claim: String,
    /// Whether others than who runs the server may call it: what is in its terminal, its log and its files isn't theirs.
    pub is_shared: bool,
}

impl Page {
    /// The secret of one approval.
    pub(super) fn secret_for_one(&self) -> String {
        use secrecy::ExposeSecret as _;
        match &self.secret {
            Some(secret) => secret.expose_secret().to_owned(),
            None => {
                const LETTERS: &[u8; 32] = b"abcdefghijkmnpqrstuvwxyz23456789";
                let random: [u8; 20] = rand::random();
                random
                    .iter()
                    .filter_map(|byte| LETTERS.get(usize::from(byte % 32)))
                    .map(|letter| char::from(*letter))
                    .collect()
            }
        }
    }

    /// Tells the operator, on standard error, what waits. The log of a server is where its operator looks.
    pub(super) fn tell(&self, code: &str, tool: &str, secret: Option<&str>) {
        let origin = &self.origin;
        let how = match secret {
            None => "where approvers sign in".to_owned(),
            Some(_) if self.secret.is_some() => "with the operator's secret".to_owned(),
            Some(secret) => format!("one-time secret {secret}"),
        };
        tracing::warn!("{tool} waits for a human's approval: {origin}/approve/{code}, {how}");
    }
}

/// What the page has a browser keep, sealed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PageSeal {
    /// A sign-in that began.
    SignIn,
    /// Who signed in.
    Approver,
}

impl PageSeal {
    /// The name of what is kept.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::SignIn => "sign-in",
            Self::Approver => "approver",
        }
    }
}
