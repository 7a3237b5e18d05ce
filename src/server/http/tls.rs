//! TLS of the server's own: its certificate and key, read again when they change.

use std::path::PathBuf;

use crate::guard::Untrusted;

/// The files that TLS needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsFiles {
    /// The certificate chain, PEM, the server's own first.
    pub cert: PathBuf,
    /// The private key of the first certificate, PEM.
    pub key: PathBuf,
}

/// Why TLS can't be spoken.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file can't be read, or somebody else could change it.
    #[error(transparent)]
    Untrusted(#[from] Untrusted),
    /// What is in a file can't be used.
    #[error("{path}: {reason}", path = .path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
}

#[cfg(feature = "http-server")]
mod spoken {
    use std::sync::{Arc, PoisonError, RwLock};

    use tokio::io::{AsyncRead, AsyncWrite};
    use tokio_rustls::TlsAcceptor;
    use tokio_rustls::rustls::pki_types::pem::PemObject as _;
    use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
    use tokio_rustls::rustls::{ServerConfig, crypto, version};
    use tokio_rustls::server::TlsStream;

    use super::{TlsError, TlsFiles};
    use crate::guard::{read_trusted, warn_if_readable_by_others};
    use crate::server::http::reload::Reload;

    /// TLS with the certificate that was read last.
    #[derive(Debug)]
    pub struct Tls {
        files: TlsFiles,
        current: RwLock<Arc<ServerConfig>>,
    }

    impl Tls {
        /// Reads the files.
        ///
        /// # Errors
        /// When one can't be read or used, or the key isn't that of the certificate.
        pub fn load(files: TlsFiles) -> Result<Self, TlsError> {
            let current = RwLock::new(read(&files)?);
            Ok(Self { files, current })
        }

        /// Shakes hands with a client, with the certificate of this moment.
        ///
        /// # Errors
        /// When the client speaks no TLS 1.2 or 1.3, or breaks off.
        pub(in crate::server::http) async fn accept<S>(&self, stream: S) -> std::io::Result<TlsStream<S>>
        where
            S: AsyncRead + AsyncWrite + Unpin,
        {
            let current = self.current.read().unwrap_or_else(PoisonError::into_inner).clone();
            TlsAcceptor::from(current).accept(stream).await
        }
    }

    impl Reload for Tls {
        fn name(&self) -> &'static str {
            "tls"
        }

        fn reload(&self) -> Result<(), String> {
            let read = read(&self.files).map_err(|error| error.to_string())?;
            *self.current.write().unwrap_or_else(PoisonError::into_inner) = read;
            Ok(())
        }
    }

    fn read(files: &TlsFiles) -> Result<Arc<ServerConfig>, TlsError> {
        let wrong = |path: &std::path::Path, reason: String| TlsError::File {
            path: path.to_owned(),
            reason,
        };
        let cert = read_trusted(&files.cert)?;
        let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&cert).collect();
        let chain = chain.map_err(|error| wrong(&files.cert, error.to_string()))?;
        if chain.is_empty() {
            return Err(wrong(&files.cert, "it holds no certificate in PEM".to_owned()));
        }
        let key = read_trusted(&files.key)?;
        warn_if_readable_by_others(&files.key);
        // What a parser says of a key isn't told: it may quote it.
        let no_key = |_| wrong(&files.key, "it holds no private key in PEM".to_owned());
        let key = PrivateKeyDer::from_pem_slice(&key).map_err(no_key)?;
        let provider = Arc::new(crypto::ring::default_provider());
        let versions = [&version::TLS13, &version::TLS12];
        let builder = ServerConfig::builder_with_provider(provider).with_protocol_versions(&versions);
        let builder = builder.map_err(|error| wrong(&files.cert, error.to_string()))?;
        let config = builder.with_no_client_auth().with_single_cert(chain, key);
        let mut config =
            config.map_err(|error| wrong(&files.cert, format!("with {}: {error}", files.key.display())))?;
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Arc::new(config))
    }
}

#[cfg(feature = "http-server")]
pub use spoken::Tls;

/// TLS, which this build doesn't speak.
#[cfg(not(feature = "http-server"))]
#[derive(Debug)]
pub enum Tls {}

#[cfg(not(feature = "http-server"))]
impl Tls {
    /// Says that this build has none.
    ///
    /// # Errors
    /// Always.
    pub fn load(files: TlsFiles) -> Result<Self, TlsError> {
        Err(TlsError::File {
            path: files.cert,
            reason: "this build speaks no TLS: take one with the feature `http-server`".to_owned(),
        })
    }

    /// Never called: there is none.
    pub(super) async fn accept<S>(&self, _: S) -> std::io::Result<S> {
        match *self {}
    }
}

#[cfg(not(feature = "http-server"))]
impl super::reload::Reload for Tls {
    fn name(&self) -> &'static str {
        match *self {}
    }

    fn reload(&self) -> Result<(), String> {
        match *self {}
    }
}
