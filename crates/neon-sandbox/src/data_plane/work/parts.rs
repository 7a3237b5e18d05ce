//! What a project is made of where it runs: its timelines and its computes.

use crate::data_plane::desired_state::DesiredCompute;
use crate::data_plane::server::Server;
use crate::data_plane::timeline::{self, Folder, Note};
use crate::state::data::{Cluster, Lsn};

/// A timeline that is there.
pub(super) struct Timeline {
    pub(super) folder: Folder,
    pub(super) note: Note,
    pub(super) server: Option<Server>,
    /// Settings that the server was started with.
    pub(super) settings: Vec<(String, String)>,
    /// The port of the server that ran last. The next one gets it again, so that standbys go on following.
    pub(super) port: Option<u16>,
    /// What was last made in it.
    pub(super) applied: Option<Cluster>,
    /// The run of the masking that was last made in it.
    pub(super) masked: Option<u64>,
    /// How far its log had come when it was last looked at.
    pub(super) reached: Option<Lsn>,
    /// Why it couldn't be made. It isn't tried again.
    pub(super) broken: Option<String>,
    /// Nobody asks for it any more, but others came off it: its log is kept.
    pub(super) gone: bool,
}

impl Timeline {
    /// Notes how far its log has come, if it runs.
    pub(super) async fn look(&mut self) {
        if let Some(server) = &self.server
            && let Ok(lsn) = timeline::position(server).await
        {
            self.reached = Some(lsn);
        }
    }

    /// Stops its server, if it runs.
    pub(super) async fn stop(&mut self) {
        self.look().await;
        if let Some(server) = self.server.take() {
            server.stop().await;
        }
    }
}

/// A compute that runs.
pub(super) struct Compute {
    pub(super) goal: DesiredCompute,
    /// For one that only reads: its own server, a standby of the timeline's.
    pub(super) replica: Option<Server>,
}
