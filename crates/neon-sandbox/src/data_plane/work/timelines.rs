//! Making, filling and forgetting timelines.

use std::collections::BTreeSet;
use std::fs;

use super::Work;
use super::parts::Timeline;
use crate::data_plane::desired_state::{DesiredMasking, DesiredState, DesiredTimeline, Origin};
use crate::data_plane::server::{Server, Start};
use crate::data_plane::timeline::{self, Ancestor, Folder, Note, Step};
use crate::data_plane::{DataPlaneError, contents, dump, masking};
use crate::state::data::{Lsn, Point};

impl Work {
    pub(super) async fn stop_timeline(&mut self, id: &str) {
        if let Some(timeline) = self.timelines.get_mut(id) {
            timeline.stop().await;
        }
    }

    /// Makes the timelines that are missing, each after the one that it comes off.
    pub(super) async fn make_timelines(&mut self, goal: &DesiredState, failures: &mut Vec<String>) {
        loop {
            let next = goal.timelines.iter().find(|(id, wanted)| {
                let there = self.timelines.get(*id).is_some_and(|timeline| !timeline.gone);
                let ready = match &wanted.origin {
                    Origin::Template => true,
                    Origin::Copy { from, .. } | Origin::Schema { from, .. } => {
                        self.timelines.contains_key(from) || !goal.timelines.contains_key(from)
                    }
                };
                !there && ready
            });
            let Some((id, wanted)) = next else { break };
            let folder = Folder(self.base.place.timeline(id));
            let known = folder.note().filter(|_| folder.data().is_dir());
            let mut timeline = Timeline {
                folder: folder.clone(),
                note: Note {
                    ancestor: None,
                    postgres_timeline: 1,
                },
                server: None,
                settings: Vec::new(),
                port: None,
                applied: None,
                masked: None,
                reached: None,
                broken: None,
                gone: false,
            };
            if let Some(note) = known {
                self.load_ancestors(note.ancestor.as_ref());
                timeline.note = note;
                // What was there before this sandbox started had been brought about, unless it was in the middle of that.
                if !self.before.interrupted {
                    timeline.applied.clone_from(&wanted.contents);
                    timeline.masked = wanted.masking.as_ref().map(|masking| masking.run);
                }
            } else if self.before.made.contains(id) {
                let reason = format!("its data is missing from {}", folder.0.display());
                tracing::warn!("a branch or snapshot has no data any more: {reason}");
                timeline.broken = Some(reason);
            } else {
                match self.make(wanted, &folder).await {
                    Ok(note) => {
                        // A cluster of its own has all of its log to itself.
                        let began = note.ancestor.as_ref().map_or(Lsn(0), |ancestor| ancestor.lsn);
                        self.came_off.push((id.clone(), began));
                        timeline.note = note;
                        // A copy of the present has what its origin was last given: nothing has to be made in it for that.
                        if let Origin::Copy { from, at: Point::Head } = &wanted.origin {
                            timeline.applied = self.timelines.get(from).and_then(|from| from.applied.clone());
                        }
                    }
                    Err(error) => {
                        tracing::warn!(%error, "a branch's data can't be made");
                        let _ = fs::remove_dir_all(&folder.0);
                        failures.push(error.to_string());
                        timeline.broken = Some(error.to_string());
                    }
                }
            }
            self.timelines.insert(id.clone(), timeline);
        }
    }

    /// Those that a timeline from before this sandbox came off.
    pub(super) fn load_ancestors(&mut self, ancestor: Option<&Ancestor>) {
        let mut next = ancestor.cloned();
        while let Some(ancestor) = next.take() {
            let folder = Folder(self.base.place.timeline(&ancestor.id));
            if self.timelines.contains_key(&ancestor.id) || folder.data().is_dir() {
                break;
            }
            let Some(note) = folder.note() else { break };
            next = note.ancestor.clone();
            self.timelines.insert(
                ancestor.id,
                Timeline {
                    folder,
                    note,
                    server: None,
                    settings: Vec::new(),
                    port: None,
                    applied: None,
                    masked: None,
                    reached: None,
                    broken: None,
                    gone: true,
                },
            );
        }
    }

    pub(super) async fn make(&mut self, wanted: &DesiredTimeline, folder: &Folder) -> Result<Note, DataPlaneError> {
        match &wanted.origin {
            Origin::Template => timeline::from_template(&self.base.common, &self.base.place.template(), folder).await,
            Origin::Copy { from, at } => self.copy(from, *at, folder).await,
            Origin::Schema { from, at } => {
                let statements = self.whole_schema(from, *at).await?;
                let note = timeline::from_template(&self.base.common, &self.base.place.template(), folder).await?;
                let server = Server::start(&self.base.common, folder.start(Vec::new())).await?;
                let filled = dump::restore_schemas(&self.base.common.install, &server, &statements, wanted).await;
                server.stop().await;
                filled.map(|()| note)
            }
        }
    }

    /// Makes a folder's timeline that is another one at a place.
    pub(super) async fn copy(&mut self, from: &str, at: Point, folder: &Folder) -> Result<Note, DataPlaneError> {
        let target = match at {
            Point::Head => None,
            Point::Lsn(lsn) => Some(timeline::Target::Lsn(lsn)),
            Point::Time(time) => Some(timeline::Target::Time(time)),
        };
        if let Some(target) = target {
            self.serve(from).await?;
            let source = self.timeline(from)?;
            if let Some(server) = &source.server {
                timeline::mark(server).await?;
            }
            let lineage = self.lineage(from);
            return timeline::recover(
                &self.base.common,
                &self.base.place.template(),
                &lineage,
                &target,
                &self.base.place.work(),
                folder,
            )
            .await;
        }
        let source = self.timeline(from)?;
        timeline::copy_head(
            &self.base.common,
            from,
            &source.folder,
            &source.note,
            source.server.as_ref(),
            folder,
        )
        .await
    }

    /// The steps that lead to a timeline, oldest first.
    pub(super) fn lineage(&self, id: &str) -> Vec<Step> {
        let mut steps = Vec::new();
        let mut next = Some(id.to_owned());
        while let Some(id) = next {
            let Some(timeline) = self.timelines.get(&id) else { break };
            next = timeline.note.ancestor.as_ref().map(|ancestor| ancestor.id.clone());
            steps.push(Step {
                id,
                folder: timeline.folder.clone(),
                note: timeline.note.clone(),
            });
        }
        steps.reverse();
        steps
    }

    pub(super) fn timeline(&self, id: &str) -> Result<&Timeline, DataPlaneError> {
        let timeline = self
            .timelines
            .get(id)
            .filter(|timeline| !timeline.gone)
            .ok_or_else(|| DataPlaneError::new("the data that this comes from is gone"))?;
        match &timeline.broken {
            None => Ok(timeline),
            Some(reason) => Err(DataPlaneError::new(format!("the branch has no data: {reason}"))),
        }
    }

    /// Sees to it that a timeline's server runs.
    pub(super) async fn serve(&mut self, id: &str) -> Result<(), DataPlaneError> {
        self.timeline(id)?;
        let Some(timeline) = self.timelines.get_mut(id) else {
            return Ok(());
        };
        if timeline.server.as_mut().is_some_and(Server::runs) {
            return Ok(());
        }
        if let Some(dead) = timeline.server.take() {
            dead.abort().await;
        }
        let start = Start {
            port: timeline.port,
            ..timeline.folder.start(timeline.settings.clone())
        };
        let server = Server::start(&self.base.common, start).await?;
        timeline.port = Some(server.port);
        timeline.server = Some(server);
        Ok(())
    }

    /// Makes roles and databases in the timelines, and masks what is to be masked.
    pub(super) async fn fill_timelines(&mut self, goal: &DesiredState, failures: &mut Vec<String>) {
        for (id, wanted) in &goal.timelines {
            if let Err(error) = self.fill(id, wanted).await {
                tracing::warn!(%error, "what a branch holds can't be made");
                failures.push(error.to_string());
            }
        }
    }

    pub(super) async fn fill(&mut self, id: &str, wanted: &DesiredTimeline) -> Result<(), DataPlaneError> {
        let Some(known) = self.timelines.get(id).filter(|timeline| timeline.broken.is_none()) else {
            return Ok(());
        };
        let contents = wanted
            .contents
            .as_ref()
            .filter(|contents| known.applied.as_ref() != Some(*contents));
        let masking = wanted
            .masking
            .as_ref()
            .filter(|masking| known.masked != Some(masking.run));
        if contents.is_none() && masking.is_none() {
            return Ok(());
        }
        self.serve(id).await?;
        let Some(timeline) = self.timelines.get_mut(id) else {
            return Ok(());
        };
        let Some(server) = &timeline.server else { return Ok(()) };
        if let Some(contents) = contents {
            // Noted even where it fails: a statement that Postgres refuses is refused the next time too.
            let before = timeline.applied.replace(contents.clone());
            contents::apply(server, contents).await?;
            if before.is_some_and(|before| contents.has_new_logins(&before)) {
                contents::cut_connections(server).await?;
            }
        }
        if let Some(DesiredMasking { run, rules }) = masking {
            timeline.masked = Some(*run);
            masking::apply(server, rules).await?;
        }
        Ok(())
    }

    /// Timelines that couldn't be made. Nothing that is asked for later fails because of them.
    pub(super) fn broken(&self) -> BTreeSet<String> {
        self.timelines
            .iter()
            .filter(|(_, timeline)| timeline.broken.is_some())
            .map(|(id, _)| id.clone())
            .collect()
    }

    /// Removes the data that nobody asks for any more, and the logs that nobody comes from.
    pub(crate) async fn forget_timelines(&mut self, goal: &DesiredState) {
        let gone: Vec<String> = self
            .timelines
            .iter()
            .filter(|(id, timeline)| !timeline.gone && !goal.timelines.contains_key(*id))
            .map(|(id, _)| id.clone())
            .collect();
        for id in gone {
            self.stop_timeline(&id).await;
            if let Some(timeline) = self.timelines.get_mut(&id) {
                timeline.gone = true;
                keep_log(&timeline.folder);
                let _ = fs::remove_dir_all(timeline.folder.data());
            }
        }
        loop {
            let needed: BTreeSet<String> = self
                .timelines
                .values()
                .filter_map(|timeline| timeline.note.ancestor.as_ref())
                .map(|ancestor| ancestor.id.clone())
                .collect();
            let Some(id) = self
                .timelines
                .iter()
                .find(|(id, timeline)| timeline.gone && !needed.contains(*id))
                .map(|(id, _)| id.clone())
            else {
                break;
            };
            if let Some(timeline) = self.timelines.remove(&id) {
                let _ = fs::remove_dir_all(&timeline.folder.0);
            }
        }
    }
}

/// Links what of the log isn't in the archive yet.
fn keep_log(folder: &Folder) {
    for entry in fs::read_dir(folder.data().join("pg_wal"))
        .into_iter()
        .flatten()
        .flatten()
    {
        if entry.file_type().is_ok_and(|kind| kind.is_file()) {
            let kept = folder.archive().join(entry.file_name());
            if !kept.exists() {
                let _ = fs::hard_link(entry.path(), kept);
            }
        }
    }
}
