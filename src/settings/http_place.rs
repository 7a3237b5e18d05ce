//! How a server over HTTP is reached, as the settings say it.

use url::Url;

use super::error::SettingsError;
use super::http::{AuthMode, HttpLayer};
use crate::server::http::{Hops, Listen, Reach, Tls, TlsFiles};

impl HttpLayer {
    /// How a server is reached that listens there. The certificates are read.
    ///
    /// # Errors
    /// When settings can't be used, or one is missing beside another. What is missing for the address itself is said when it is
    /// listened on.
    pub fn reach(&self, listen: Listen) -> Result<Reach, SettingsError> {
        let conflict = |text: &str| SettingsError::Conflict(text.to_owned());
        let public = self.public_url.as_deref().map(public).transpose()?;
        let hops = self.behind_proxy.as_deref().unwrap_or_default();
        let hops = Hops::parse(hops).map_err(|why| SettingsError::Conflict(format!("--behind-proxy: {why}")))?;
        if !hops.is_empty() && public.is_none() {
            return Err(conflict(
                "--behind-proxy wants --public-url: what clients see as this server's address is that of the proxy",
            ));
        }
        let tls = match (&self.tls_cert, &self.tls_key) {
            (Some(cert), Some(key)) => Some(Tls::load(TlsFiles {
                cert: cert.clone(),
                key: key.clone(),
            })?),
            (None, None) => None,
            (Some(_), None) => {
                return Err(conflict(
                    "--tls-cert wants --tls-key, the private key of the certificate",
                ));
            }
            (None, Some(_)) => return Err(conflict("--tls-key wants --tls-cert, the certificate of the key")),
        };
        if self.listen_mode.is_some() && !matches!(listen, Listen::Unix(_)) {
            return Err(conflict("--listen-mode is for --listen unix:/PATH: give both, or none"));
        }
        Ok(Reach {
            listen,
            socket_mode: self.listen_mode.unwrap_or_default(),
            callers_are_known: matches!(self.auth, Some(AuthMode::Bearer | AuthMode::Oauth | AuthMode::NeonKey)),
            public,
            hops,
            tls,
        })
    }
}

/// What clients see as the server's address.
fn public(text: &str) -> Result<Url, SettingsError> {
    let wrong =
        |why: &str| SettingsError::Conflict(format!("--public-url {why}; it looks like https://mcp.example.com"));
    let url = Url::parse(text).map_err(|_| wrong("is no URL"))?;
    let name = url.host_str().unwrap_or_default();
    let is_here = matches!(name, "localhost" | "127.0.0.1" | "[::1]");
    match url.scheme() {
        "https" => {}
        "http" if is_here => {}
        _ => return Err(wrong("must be https: clients send their credentials there")),
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(wrong("must hold no credentials"));
    }
    if url.path() != "/" || url.query().is_some() || url.fragment().is_some() {
        return Err(wrong(
            "must be an address without a path: clients find the server at /mcp there",
        ));
    }
    Ok(url)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn public_address_is_one_of_https_without_a_path() {
        for right in [
            "https://mcp.example.com",
            "https://mcp.example.com:8443/",
            "http://localhost:7373",
        ] {
            assert!(public(right).is_ok(), "{right}");
        }
        for wrong in [
            "mcp.example.com",
            "http://mcp.example.com",
            "http://localhost.example.com",
            "https://mcp.example.com/mcp",
            "https://mcp.example.com/?a=b",
            "https://mcp.example.com/#a",
            "https://ann:secret@mcp.example.com",
            "ftp://mcp.example.com",
        ] {
            assert!(public(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn half_a_setting_names_the_other_half() {
        let listen: Listen = "127.0.0.1:0".parse().unwrap();
        let why = |layer: HttpLayer| layer.reach(listen.clone()).unwrap_err().to_string();
        #[cfg(feature = "http-server")]
        {
            let proxy = HttpLayer {
                behind_proxy: Some(vec!["127.0.0.1".to_owned()]),
                ..HttpLayer::default()
            };
            assert!(why(proxy).contains("--public-url"));
            let network = HttpLayer {
                behind_proxy: Some(vec!["proxy.example.com".to_owned()]),
                public_url: Some("https://mcp.example.com".to_owned()),
                ..HttpLayer::default()
            };
            assert!(why(network).contains("proxy.example.com"));
        }
        let cert = HttpLayer {
            tls_cert: Some("cert.pem".into()),
            ..HttpLayer::default()
        };
        assert!(why(cert).contains("--tls-key"));
        let key = HttpLayer {
            tls_key: Some("key.pem".into()),
            ..HttpLayer::default()
        };
        assert!(why(key).contains("--tls-cert"));
    }

    #[test]
    fn only_modes_that_tell_callers_apart_count_as_known() {
        let listen: Listen = "127.0.0.1:0".parse().unwrap();
        for (auth, known) in [
            (None, false),
            (Some(AuthMode::None), false),
            (Some(AuthMode::Token), false),
            (Some(AuthMode::Bearer), true),
            (Some(AuthMode::Oauth), true),
            (Some(AuthMode::NeonKey), true),
        ] {
            let layer = HttpLayer {
                auth,
                ..HttpLayer::default()
            };
            assert_eq!(
                layer.reach(listen.clone()).unwrap().callers_are_known,
                known,
                "{auth:?}"
            );
        }
    }
}
