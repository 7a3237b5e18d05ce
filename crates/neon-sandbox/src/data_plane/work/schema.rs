//! The schema of a branch, now or at a point of its history.

use std::fs;

use super::Work;
use crate::data_plane::desired_state::DesiredState;
use crate::data_plane::server::Server;
use crate::data_plane::timeline::Folder;
use crate::data_plane::{DataPlaneError, dump};
use crate::state::data::Point;

impl Work {
    /// The schema of a database at a place, as SQL or as a description of its tables.
    pub(crate) async fn schema(
        &mut self,
        goal: &DesiredState,
        wanted: &dump::Wanted,
    ) -> Result<dump::Schema, DataPlaneError> {
        let result = self.schema_at(wanted).await;
        self.rest(goal).await;
        result
    }

    pub(super) async fn schema_at(&mut self, wanted: &dump::Wanted) -> Result<dump::Schema, DataPlaneError> {
        let install = self.base.common.install.clone();
        if wanted.at == Point::Head {
            self.serve(&wanted.timeline).await?;
            return match &self.timeline(&wanted.timeline)?.server {
                Some(server) => dump::schema(&install, server, wanted).await,
                None => Err(DataPlaneError::new("the branch's server doesn't run")),
            };
        }
        let folder = Folder(self.base.place.work());
        let dumped = match self.copy(&wanted.timeline, wanted.at, &folder).await {
            Ok(_) => self.dump_folder(&folder, wanted).await,
            Err(error) => Err(error),
        };
        let _ = fs::remove_dir_all(&folder.0);
        dumped
    }

    pub(super) async fn dump_folder(
        &self,
        folder: &Folder,
        wanted: &dump::Wanted,
    ) -> Result<dump::Schema, DataPlaneError> {
        let server = Server::start(&self.base.common, folder.start(Vec::new())).await?;
        let dumped = dump::schema(&self.base.common.install, &server, wanted).await;
        server.stop().await;
        dumped
    }

    /// The statements that make everything but rows of a timeline at a place.
    pub(super) async fn whole_schema(&mut self, from: &str, at: Point) -> Result<dump::Schemas, DataPlaneError> {
        if at == Point::Head {
            self.serve(from).await?;
            return match &self.timeline(from)?.server {
                Some(server) => dump::all_schemas(&self.base.common.install, server).await,
                None => Err(DataPlaneError::new("the branch's server doesn't run")),
            };
        }
        let folder = Folder(self.base.place.work());
        let dumped = match self.copy(from, at, &folder).await {
            Ok(_) => match Server::start(&self.base.common, folder.start(Vec::new())).await {
                Ok(server) => {
                    let dumped = dump::all_schemas(&self.base.common.install, &server).await;
                    server.stop().await;
                    dumped
                }
                Err(error) => Err(error),
            },
            Err(error) => Err(error),
        };
        let _ = fs::remove_dir_all(&folder.0);
        dumped
    }
}
