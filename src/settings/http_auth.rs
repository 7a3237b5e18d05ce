//! Who is let in over HTTP, of the settings that say it.

use std::path::{Path, PathBuf};

use super::error::SettingsError;
use super::http::{AuthMode, HttpLayer};
#[cfg(feature = "http-server")]
use crate::base_url::BaseUrl;
use crate::server::http::OauthSettings;
#[cfg(feature = "http-server")]
use crate::server::http::{IntrospectionSettings, IssuerClient};

/// The claim that names the person of a caller or an approver.
pub(super) fn subject_claim(layer: &HttpLayer) -> &str {
    layer.oauth_subject_claim.as_deref().unwrap_or("sub")
}

/// The claim that holds the groups of a caller or an approver.
pub(super) fn groups_claim(layer: &HttpLayer) -> &str {
    layer.oauth_groups_claim.as_deref().unwrap_or("groups")
}

/// Who is let in over HTTP.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HttpAuth {
    /// Who shows a token that is made at the start.
    Made,
    /// Who shows the token in this file.
    File(PathBuf),
    /// Whoever reaches the port.
    Nobody,
    /// Who shows one of the tokens in a file; nothing where no place for it is known.
    Bearer(Option<PathBuf>),
    /// Who shows an access token of an OAuth issuer.
    Oauth(OauthSettings),
    /// Who shows a Neon API key of its own.
    NeonKey,
}

fn conflict<T>(text: &str) -> Result<T, SettingsError> {
    Err(SettingsError::Conflict(text.to_owned()))
}

/// Who is let in, of the settings that say it.
pub(super) fn of(
    layer: &HttpLayer,
    token: Option<PathBuf>,
    nobody: bool,
    state: Option<&Path>,
) -> Result<HttpAuth, SettingsError> {
    let auth = match (layer.auth, token, nobody) {
        (_, Some(_), true) => return conflict("--auth-token-file and --no-auth exclude each other: keep one"),
        (Some(AuthMode::None) | None, None, true) => HttpAuth::Nobody,
        (Some(_), _, true) => return conflict("--no-auth and --auth exclude each other: keep one"),
        (None | Some(AuthMode::Token), Some(file), false) => HttpAuth::File(file),
        (Some(_), Some(_), false) => {
            return conflict("--auth-token-file is for --auth token: leave one of both out");
        }
        (None | Some(AuthMode::Token), None, false) => HttpAuth::Made,
        (Some(AuthMode::None), None, false) => HttpAuth::Nobody,
        (Some(AuthMode::Bearer), None, false) => HttpAuth::Bearer(tokens_file(layer, state)),
        (Some(AuthMode::Oauth), None, false) => HttpAuth::Oauth(oauth(layer)?),
        (Some(AuthMode::NeonKey), None, false) => HttpAuth::NeonKey,
    };
    // Of what is named for it alone, approvers can sign in whatever callers show.
    let approvers_sign_in = layer.oauth_issuer.is_some() && layer.oauth_client_id.is_some();
    let alone = |is_given: bool| is_given && !approvers_sign_in;
    let of_oauth = [
        ("--oauth-issuer", alone(layer.oauth_issuer.is_some())),
        ("--oauth-audience", layer.oauth_audience.is_some()),
        ("--oauth-introspection", layer.oauth_introspection.is_some()),
        ("--oauth-introspect-jwts", layer.oauth_introspect_jwts.is_some()),
        ("--oauth-client-id", alone(layer.oauth_client_id.is_some())),
        (
            "--oauth-client-secret-file",
            alone(layer.oauth_client_secret_file.is_some()),
        ),
        ("--oauth-subject-claim", alone(layer.oauth_subject_claim.is_some())),
        ("--oauth-groups-claim", alone(layer.oauth_groups_claim.is_some())),
        ("--oauth-map", layer.oauth_map.is_some()),
    ];
    claim_names(layer)?;
    let given = of_oauth.iter().find(|(_, is_given)| *is_given);
    match (&auth, given) {
        // Whoever names an issuer means that its tokens are looked at.
        (HttpAuth::Oauth(_), _) | (_, None) => {}
        (_, Some((name, _))) => return conflict(&format!("{name} is for --auth oauth: give both, or none")),
    }
    match (&auth, &layer.tokens_file) {
        (HttpAuth::Bearer(_), _) | (_, None) => Ok(auth),
        (_, Some(_)) => conflict("--tokens-file is for --auth bearer: give both, or none"),
    }
}

/// Refuses claims that can't be names of any: those of approvers, whatever callers show.
fn claim_names(layer: &HttpLayer) -> Result<(), SettingsError> {
    for (name, text) in [
        ("--oauth-subject-claim", &layer.oauth_subject_claim),
        ("--oauth-groups-claim", &layer.oauth_groups_claim),
    ] {
        if text.as_deref().is_some_and(|text| !is_name(text)) {
            return conflict(&format!("{name}: write visible characters, without blanks"));
        }
    }
    Ok(())
}

fn is_name(text: &str) -> bool {
    !text.is_empty() && text.len() <= 2_048 && text.bytes().all(|byte| byte.is_ascii_graphic())
}

/// Where the tokens are.
pub(super) fn tokens_file(layer: &HttpLayer, state: Option<&Path>) -> Option<PathBuf> {
    let kept = || state.map(|state| state.join("tokens.toml"));
    layer.tokens_file.clone().or_else(kept)
}

#[cfg(not(feature = "http-server"))]
fn oauth(_: &HttpLayer) -> Result<OauthSettings, SettingsError> {
    conflict("this neon-mcp was built without OAuth: the build with default features has it")
}

#[cfg(feature = "http-server")]
fn oauth(layer: &HttpLayer) -> Result<OauthSettings, SettingsError> {
    let Some(issuer) = layer.oauth_issuer.clone() else {
        return conflict("--auth oauth wants --oauth-issuer URL: whose tokens are taken");
    };
    if let Err(why) = BaseUrl::parse(&issuer) {
        return conflict(&format!("--oauth-issuer: {why}"));
    }
    for (name, text) in [
        ("--oauth-audience", &layer.oauth_audience),
        ("--oauth-client-id", &layer.oauth_client_id),
    ] {
        if text.as_deref().is_some_and(|text| !is_name(text)) {
            return conflict(&format!("{name}: write visible characters, without blanks"));
        }
    }
    let client = match (&layer.oauth_client_id, &layer.oauth_client_secret_file) {
        (Some(id), Some(secret_file)) => Some(IssuerClient {
            id: id.clone(),
            secret_file: secret_file.clone(),
        }),
        _ => None,
    };
    let introspects = layer.oauth_introspection.unwrap_or(false);
    if introspects && client.is_none() {
        return conflict(
            "--oauth-introspection wants --oauth-client-id and --oauth-client-secret-file: as whom the issuer is asked",
        );
    }
    if layer.oauth_introspect_jwts.is_some() && !introspects {
        return conflict("--oauth-introspect-jwts is for --oauth-introspection: give both, or none");
    }
    let introspection = client.filter(|_| introspects).map(|client| IntrospectionSettings {
        client,
        // Whoever has the issuer asked means that a token which was revoked there ends here.
        jwts: layer.oauth_introspect_jwts.unwrap_or(true),
    });
    Ok(OauthSettings {
        issuer,
        public_url: layer.public_url.as_deref().map(public_url).transpose()?,
        audience: layer.oauth_audience.clone(),
        introspection,
        subject_claim: subject_claim(layer).to_owned(),
        groups_claim: groups_claim(layer).to_owned(),
        map: layer.oauth_map.clone(),
    })
}

#[cfg(feature = "http-server")]
fn public_url(text: &str) -> Result<String, SettingsError> {
    match BaseUrl::parse(text) {
        Ok(url) => Ok(url.as_str().to_owned()),
        Err(why) => conflict(&format!("--public-url: {why}; it looks like https://mcp.example.com")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn layer(auth: AuthMode) -> HttpLayer {
        HttpLayer {
            auth: Some(auth),
            ..HttpLayer::default()
        }
    }

    #[test]
    fn tokens_are_in_the_file_that_is_named_or_in_the_state_directory() {
        let named = HttpLayer {
            tokens_file: Some("/etc/tokens".into()),
            ..layer(AuthMode::Bearer)
        };
        let state = Some(Path::new("/state"));
        assert_eq!(
            of(&named, None, false, state).unwrap(),
            HttpAuth::Bearer(Some("/etc/tokens".into()))
        );
        let kept = of(&layer(AuthMode::Bearer), None, false, state).unwrap();
        assert_eq!(kept, HttpAuth::Bearer(Some("/state/tokens.toml".into())));
        let elsewhere = HttpLayer { auth: None, ..named };
        assert!(of(&elsewhere, None, false, state).is_err());
    }

    #[cfg(feature = "http-server")]
    #[test]
    fn oauth_wants_an_issuer_and_its_settings_want_oauth() {
        assert!(of(&layer(AuthMode::Oauth), None, false, None).is_err());
        let right = HttpLayer {
            oauth_issuer: Some("https://id.example".to_owned()),
            ..layer(AuthMode::Oauth)
        };
        assert!(matches!(of(&right, None, false, None), Ok(HttpAuth::Oauth(_))));
        let for_approvers = HttpLayer {
            auth: None,
            oauth_client_id: Some("us".to_owned()),
            ..right.clone()
        };
        assert_eq!(of(&for_approvers, None, false, None).unwrap(), HttpAuth::Made);
        for wrong in [
            HttpLayer {
                auth: None,
                ..right.clone()
            },
            HttpLayer {
                auth: None,
                oauth_client_id: Some("us".to_owned()),
                oauth_map: Some("map.toml".into()),
                ..right.clone()
            },
            HttpLayer {
                auth: None,
                oauth_issuer: None,
                oauth_client_id: Some("us".to_owned()),
                ..right.clone()
            },
            HttpLayer {
                oauth_issuer: Some("http://id.example".to_owned()),
                ..right.clone()
            },
            HttpLayer {
                oauth_introspect_jwts: Some(true),
                ..right.clone()
            },
            HttpLayer {
                oauth_introspection: Some(true),
                ..right.clone()
            },
            HttpLayer {
                public_url: Some("mcp.example.com".to_owned()),
                ..right.clone()
            },
            HttpLayer {
                oauth_audience: Some("a b".to_owned()),
                ..right.clone()
            },
            HttpLayer {
                oauth_subject_claim: Some("the person".to_owned()),
                ..right.clone()
            },
        ] {
            assert!(of(&wrong, None, false, None).is_err(), "{wrong:?}");
        }
    }
}
