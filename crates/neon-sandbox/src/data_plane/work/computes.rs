//! Starting and stopping computes.

use std::collections::BTreeSet;
use std::fs;

use super::Work;
use super::parts::Compute;
use crate::data_plane::desired_state::{DesiredCompute, DesiredState};
use crate::data_plane::server::{Server, Start};
use crate::data_plane::timeline;
use crate::data_plane::{DataPlaneError, Target, copy};

impl Work {
    /// Stops computes that are not to run, or not as they do.
    pub(super) async fn stop_computes(&mut self, goal: &DesiredState) {
        let mut stopping = Vec::new();
        for (id, compute) in &mut self.computes {
            let stays = goal
                .computes
                .get(id)
                .is_some_and(|wanted| wanted.running && *wanted == compute.goal);
            let runs = match &mut compute.replica {
                Some(replica) => replica.runs(),
                None => self
                    .timelines
                    .get_mut(&compute.goal.timeline)
                    .and_then(|timeline| timeline.server.as_mut())
                    .is_some_and(Server::runs),
            };
            if !stays || !runs {
                stopping.push(id.clone());
            }
        }
        for id in stopping {
            self.base.forget_target(&id);
            let Some(compute) = self.computes.remove(&id) else {
                continue;
            };
            match compute.replica {
                Some(replica) => {
                    replica.abort().await;
                    let _ = fs::remove_dir_all(self.base.place.compute(&id));
                }
                None => self.stop_timeline(&compute.goal.timeline).await,
            }
        }
    }

    pub(super) async fn start_computes(
        &mut self,
        goal: &DesiredState,
        broken: &BTreeSet<String>,
        failures: &mut Vec<String>,
    ) {
        // Those that write first: the others follow them.
        let mut wanted: Vec<_> = goal
            .computes
            .iter()
            .filter(|(id, compute)| {
                compute.running && !self.computes.contains_key(*id) && !broken.contains(&compute.timeline)
            })
            .collect();
        wanted.sort_by_key(|(_, compute)| compute.read_only);
        for (id, compute) in &goal.computes {
            let timeline = self.timelines.get(&compute.timeline);
            let reason = timeline.and_then(|timeline| timeline.broken.as_ref());
            let reason = reason.map(|reason| format!("the branch has no data: {reason}"));
            self.base.refuse(id, reason.as_deref());
        }
        for (id, compute) in wanted {
            if let Err(error) = self.start_compute(id, compute).await {
                tracing::warn!(%error, compute = %id, "a compute can't be started");
                failures.push(error.to_string());
            }
        }
    }

    pub(super) async fn start_compute(&mut self, id: &str, wanted: &DesiredCompute) -> Result<(), DataPlaneError> {
        if !wanted.read_only {
            let settings_differ = self
                .timelines
                .get(&wanted.timeline)
                .is_some_and(|timeline| timeline.settings != wanted.settings);
            if settings_differ {
                self.stop_timeline(&wanted.timeline).await;
                if let Some(timeline) = self.timelines.get_mut(&wanted.timeline) {
                    timeline.settings.clone_from(&wanted.settings);
                }
            }
        }
        self.serve(&wanted.timeline).await?;
        let replica = if wanted.read_only {
            Some(self.start_replica(id, wanted).await?)
        } else {
            None
        };
        let timeline = self.timeline(&wanted.timeline)?;
        if let Some(server) = replica.as_ref().or(timeline.server.as_ref()) {
            self.base.set_target(
                id,
                Target {
                    socket: server.socket(),
                    port: server.port,
                },
            );
        }
        self.computes.insert(
            id.to_owned(),
            Compute {
                goal: wanted.clone(),
                replica,
            },
        );
        Ok(())
    }

    /// A standby that follows the timeline's server.
    pub(super) async fn start_replica(&self, id: &str, wanted: &DesiredCompute) -> Result<Server, DataPlaneError> {
        let timeline = self.timeline(&wanted.timeline)?;
        let Some(primary) = &timeline.server else {
            return Err(DataPlaneError::new("the branch's own server doesn't run"));
        };
        let folder = self.base.place.compute(id);
        let _ = fs::remove_dir_all(&folder);
        let owner = self.base.common.install.owner;
        copy::folder(&folder, owner)?;
        let data = folder.join("data");
        timeline::copy_running(
            &self.base.common,
            primary,
            &timeline.folder.data(),
            Some(&timeline.folder.archive()),
            &data,
        )
        .await?;
        copy::write(&data.join("standby.signal"), "", owner)?;
        let mut settings = vec![
            (
                "primary_conninfo".to_owned(),
                format!(
                    "host='{}' port={} user={} application_name=replica",
                    primary.socket_folder.display(),
                    primary.port,
                    crate::data_plane::server::SUPERUSER
                ),
            ),
            ("hot_standby".to_owned(), "on".to_owned()),
        ];
        settings.extend(wanted.settings.iter().cloned());
        Server::start(
            &self.base.common,
            Start {
                data,
                archive: None,
                settings,
                standby: true,
                port: None,
            },
        )
        .await
    }

    /// Stops servers that ran for our own work only.
    pub(super) async fn rest(&mut self, goal: &DesiredState) {
        let needed: BTreeSet<&str> = goal
            .computes
            .values()
            .filter(|compute| compute.running)
            .map(|compute| compute.timeline.as_str())
            .collect();
        for (id, timeline) in &mut self.timelines {
            if !needed.contains(id.as_str()) {
                timeline.stop().await;
            }
        }
    }
}
