//! What the work on all projects shares: the PostgreSQL, the folders, the template, and where computes are reached.

use std::{
    collections::{BTreeSet, HashMap},
    path::PathBuf,
    sync::{Mutex, MutexGuard, PoisonError},
};

use rcgen::{CertifiedKey, generate_simple_self_signed};
use tokio::sync::OnceCell;

use super::{
    DataPlaneError, Target, copy,
    directories::{Directories, Leftovers},
    server::{Common, Dying},
    template,
    timeline::Folder,
};
use local_files::leftover;
use local_postgres::Install;

/// What all work shares.
pub(crate) struct Base {
    pub(crate) common: Common,
    pub(crate) place: Directories,
    template: OnceCell<()>,
    targets: Mutex<HashMap<String, Target>>,
    refused: Mutex<HashMap<String, String>>,
}

impl Base {
    /// Finds PostgreSQL and makes the folders. Starts nothing.
    pub(crate) fn open(
        bin: Option<&std::path::Path>,
        temporary: Option<&std::path::Path>,
        kept: Option<&std::path::Path>,
    ) -> Result<(Self, Leftovers), DataPlaneError> {
        let install = local_postgres::find(bin)?;
        let (place, mut left) = Directories::open(&install, temporary, kept)?;
        let (certificate, key) = certificate(&place, &install)?;
        let tls = install.has_tls();
        if !tls {
            tracing::info!("this PostgreSQL was built without TLS: connections to branches aren't encrypted");
        }
        let base = Self {
            common: Common {
                install,
                tls,
                sockets: place.sockets(),
                certificate,
                key,
                dying: Dying::default(),
            },
            place,
            template: OnceCell::new(),
            targets: Mutex::default(),
            refused: Mutex::default(),
        };
        left.unfinished += base.remove_unfinished();
        Ok((base, left))
    }

    /// Timelines without a note were being made when a sandbox before this one ended. Returns how many there were.
    fn remove_unfinished(&self) -> usize {
        let mut removed = 0;
        for id in self.place.timelines() {
            let folder = Folder(self.place.timeline(&id));
            if folder.note().is_none() && leftover::remove(&folder.0).is_ok() {
                removed += 1;
            }
        }
        removed
    }

    /// Removes timelines that nobody asks for: what is left of a removal that wasn't finished. The logs of those that
    /// others came off stay.
    pub(crate) fn keep_only(&self, asked_for: &BTreeSet<String>) {
        let mut needed = BTreeSet::new();
        let mut waiting: Vec<String> = asked_for.iter().cloned().collect();
        while let Some(id) = waiting.pop() {
            let note = Folder(self.place.timeline(&id)).note();
            waiting.extend(note.and_then(|note| note.ancestor).map(|ancestor| ancestor.id));
            needed.insert(id);
        }
        for id in self.place.timelines() {
            if !needed.contains(&id) {
                let _ = leftover::remove(&self.place.timeline(&id));
            }
        }
    }

    /// Makes the template, once.
    pub(crate) async fn prepare(&self) -> Result<(), DataPlaneError> {
        self.template
            .get_or_try_init(|| template::prepare(&self.place, &self.common))
            .await?;
        Ok(())
    }

    fn targets(&self) -> MutexGuard<'_, HashMap<String, Target>> {
        self.targets.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn refusals(&self) -> MutexGuard<'_, HashMap<String, String>> {
        self.refused.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes why a compute can't run as long as its branch is what it is, or that it can.
    pub(crate) fn refuse(&self, compute: &str, reason: Option<&str>) {
        match reason {
            Some(reason) => self.refusals().insert(compute.to_owned(), reason.to_owned()),
            None => self.refusals().remove(compute),
        };
    }

    /// Why a compute can't run, if it can't.
    pub(crate) fn refused(&self, compute: &str) -> Option<String> {
        self.refusals().get(compute).cloned()
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
fn certificate(place: &Directories, install: &Install) -> Result<(PathBuf, PathBuf), DataPlaneError> {
    let names = vec![
        "localhost".to_owned(),
        "127.0.0.1".to_owned(),
        "*.sandbox.localhost".to_owned(),
    ];
    let CertifiedKey { cert, signing_key } = generate_simple_self_signed(names)
        .map_err(|error| DataPlaneError::new(format!("no certificate could be made: {error}")))?;
    let (certificate, key) = (place.sockets().join("server.crt"), place.sockets().join("server.key"));
    copy::write(&certificate, cert.pem(), install.owner)?;
    copy::write(&key, signing_key.serialize_pem(), install.owner)?;
    Ok((certificate, key))
}
