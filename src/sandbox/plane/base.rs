//! What the work on all projects shares: the PostgreSQL, the folders, the template, and where computes are reached.

use std::{
    collections::HashMap,
    fs,
    path::PathBuf,
    sync::{Mutex, MutexGuard, PoisonError},
};

use rcgen::{CertifiedKey, generate_simple_self_signed};
use tokio::sync::OnceCell;

use super::{
    PlaneError, Target, copy,
    install::Install,
    place::{Leftovers, Place},
    server::Common,
    template,
};

/// What all work shares.
pub(crate) struct Base {
    pub(crate) common: Common,
    pub(crate) place: Place,
    template: OnceCell<()>,
    targets: Mutex<HashMap<String, Target>>,
}

impl Base {
    /// Finds PostgreSQL and makes the folders. Starts nothing.
    pub(crate) fn open(
        bin: Option<&std::path::Path>,
        kept: Option<&std::path::Path>,
    ) -> Result<(Self, Leftovers), PlaneError> {
        let install = Install::find(bin)?;
        let (place, left) = Place::open(&install, kept)?;
        let (certificate, key) = certificate(&place, &install)?;
        let base = Self {
            common: Common {
                install,
                sockets: place.sockets(),
                certificate,
                key,
            },
            place,
            template: OnceCell::new(),
            targets: Mutex::default(),
        };
        base.remove_unfinished();
        Ok((base, left))
    }

    /// Timelines without a note were being made when a sandbox before this one ended.
    fn remove_unfinished(&self) {
        for id in self.place.timelines() {
            let folder = super::timeline::Folder(self.place.timeline(&id));
            if folder.note().is_none() {
                let _ = fs::remove_dir_all(&folder.0);
            }
        }
    }

    /// Makes the template, once.
    pub(crate) async fn prepare(&self) -> Result<(), PlaneError> {
        self.template
            .get_or_try_init(|| template::prepare(&self.place, &self.common))
            .await
            .map(|()| ())
    }

    fn targets(&self) -> MutexGuard<'_, HashMap<String, Target>> {
        self.targets.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Where a compute's server is, if it runs.
    pub(crate) fn target(&self, compute: &str) -> Option<Target> {
        self.targets().get(compute).cloned()
    }

    pub(crate) fn set_target(&self, compute: &str, target: Target) {
        self.targets().insert(compute.to_owned(), target);
    }

    pub(crate) fn forget_target(&self, compute: &str) {
        self.targets().remove(compute);
    }
}

/// A certificate of our own, for clients that insist on TLS. It proves nothing.
fn certificate(place: &Place, install: &Install) -> Result<(PathBuf, PathBuf), PlaneError> {
    let names = vec![
        "localhost".to_owned(),
        "127.0.0.1".to_owned(),
        "*.sandbox.localhost".to_owned(),
    ];
    let CertifiedKey { cert, signing_key } = generate_simple_self_signed(names)
        .map_err(|error| PlaneError::new(format!("no certificate could be made: {error}")))?;
    let (certificate, key) = (place.sockets().join("server.crt"), place.sockets().join("server.key"));
    copy::write(&certificate, &cert.pem(), install.owner)?;
    copy::write(&key, &signing_key.serialize_pem(), install.owner)?;
    Ok((certificate, key))
}
