//! The approval page of an HTTP server: where it is, and its secrets.

/// The approval page of an HTTP server.
#[derive(Debug, Clone)]
pub struct Page {
    /// Where it is: the address in front of `/approve/CODE`.
    pub origin: String,
    /// The secret that the operator gave, for every approval. Without one, each gets its own, which goes to the log.
    pub secret: Option<std::sync::Arc<secrecy::SecretString>>,
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
    pub(super) fn tell(&self, code: &str, tool: &str, secret: &str) {
        let origin = &self.origin;
        if self.secret.is_some() {
            tracing::warn!("{tool} waits for a human's approval: {origin}/approve/{code}, with the operator's secret");
        } else {
            tracing::warn!("{tool} waits for a human's approval: {origin}/approve/{code}, one-time secret {secret}");
        }
    }
}
