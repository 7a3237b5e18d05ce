//! An OAuth 2.1 resource server: takes access tokens of one issuer that are made for it. It is no authorization server, and passes no
//! token on.

mod claims;
mod introspection;
mod issuer;
mod jwt;
mod key;
mod key_cache;
mod map;
mod map_file;
mod resource;
mod ring_provider;
mod wire;

use std::net::IpAddr;
use std::sync::Arc;

use axum::Router;
use http::HeaderMap;

use self::claims::{ClaimNames, Claims, Groups};
use self::introspection::Introspection;
use self::issuer::Issuer;
use self::key_cache::KeyCache;
pub use self::map::checked_map;
use self::map::{Found, Map};
pub use self::map_file::{MapEntry, MapFile, MappedKind, Unmapped};
use self::resource::Resource;
use super::callers::OauthSettings;
use super::challenge::Denial;
use super::grant::Grant;
use super::setup::Loader;
use super::shown;
use super::watched::Watched;
use crate::guard::{Identity, Principal, Scopes};
use crate::server::http::reload::Reload;

/// Takes access tokens.
pub(super) struct Oauth {
    keys: Arc<KeyCache>,
    resource: Resource,
    audience: String,
    names: ClaimNames,
    introspection: Option<Introspection>,
    map: Option<Arc<Watched<Map>>>,
}

impl Oauth {
    /// For a server at that origin.
    ///
    /// # Errors
    /// Why the settings can't be used. Whether the issuer is there isn't asked: a server starts without.
    pub(super) fn new(settings: &OauthSettings, loader: Loader, origin: &str, scopes: Scopes) -> Result<Self, String> {
        ring_provider::install();
        let issuer = Issuer::new(&settings.issuer)?;
        let public = settings.public_url.as_deref().unwrap_or(origin);
        let resource = Resource::new(public, issuer.name(), scopes);
        let map = settings.map.clone();
        Ok(Self {
            keys: Arc::new(KeyCache::new(issuer)?),
            audience: settings.audience.clone().unwrap_or_else(|| resource.identifier()),
            resource,
            names: ClaimNames {
                subject: settings.subject_claim.clone(),
                groups: settings.groups_claim.clone(),
            },
            introspection: settings.introspection.as_ref().map(Introspection::new).transpose()?,
            map: map
                .map(|path| Watched::open("map", path, move |path, before| Map::read(path, before, &loader)))
                .transpose()?
                .map(Arc::new),
        })
    }

    /// Whose token a request of that peer shows.
    pub(super) async fn grant(&self, headers: &HeaderMap, peer: IpAddr) -> Result<Arc<Grant>, Denial> {
        let claims = self.claims(shown::token(headers)?, peer).await?;
        let found = match &self.map {
            None => Found::nothing(),
            Some(map) => map.current().await?.find(&claims.subject, &claims.groups)?,
        };
        let (groups, groups_untold) = match claims.groups {
            Groups::Told(groups) => (groups, None),
            Groups::Untold(why) => (Vec::new(), Some(why)),
        };
        let identity = Identity::Subject {
            issuer: self.keys.issuer().to_owned(),
            subject: claims.subject,
        };
        // Of an issuer that has none of these scopes, no more are to be had.
        let (held, issued) = match claims.scopes.is_empty() && !found.granted.is_empty() {
            true => (found.granted, Scopes::ALL),
            false => (claims.scopes, claims.scopes),
        };
        Ok(Arc::new(Grant {
            principal: Principal::with(identity, groups, held.and(found.scopes)),
            issued,
            setup: found.setup,
            groups_untold,
        }))
    }

    async fn claims(&self, token: &str, peer: IpAddr) -> Result<Claims, Denial> {
        match (jwt::head(token), &self.introspection) {
            (Some(head), introspection) => {
                let claims = jwt::verify(token, &head, &self.keys, &self.audience).await?;
                let claims = Claims::of(&claims, &self.names)?;
                match introspection {
                    Some(introspection) if introspection.looks_at_jwts() => {
                        introspection.still_counts(token, &self.keys, claims).await
                    }
                    _ => Ok(claims),
                }
            }
            (None, Some(introspection)) => {
                let asked = introspection.claims((token, peer), &self.keys, &self.audience, &self.names);
                asked.await
            }
            (None, None) => Err(Denial::Invalid("the token is no JWT")),
        }
    }

    /// Asks the issuer for its metadata, and says in the log where they can't be used: whoever calls first isn't to find that out.
    pub(super) async fn begin(&self) {
        self.keys.look().await;
    }

    /// What says which subjects and groups get what, and is read again when that is asked for.
    pub(super) fn reloads(&self) -> Option<Arc<dyn Reload>> {
        self.map.clone().map(|map| map as Arc<dyn Reload>)
    }

    /// Where the metadata of this server are, for clients.
    pub(super) fn metadata_url(&self) -> String {
        self.resource.metadata_url()
    }

    /// Serves the metadata.
    pub(super) fn metadata(&self) -> Router {
        self.resource.router()
    }

    /// Lets go of what no longer counts.
    pub(super) fn tidy(&self) {
        if let Some(introspection) = &self.introspection {
            introspection.tidy();
        }
    }
}
