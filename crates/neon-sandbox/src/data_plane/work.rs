//! The work on one project: from the goals that the control plane sets to directories and processes.
//!
//! One task does all of a project's work, one thing after the other, so nothing has to be locked against itself.

use std::{
    collections::{BTreeSet, HashMap},
    fs,
    sync::Arc,
};

use super::{
    DataPlaneError, Target,
    base::Base,
    contents, copy,
    desired_state::{DesiredCompute, DesiredMasking, DesiredState, DesiredTimeline, Origin},
    dump, masking,
    server::{Server, Start},
    timeline::{self, Ancestor, Folder, Note, Step},
};
use crate::state::{
    data::{Cluster, Lsn, Point},
    pending::WorkResult,
};

/// A timeline that is there.
struct Timeline {
    folder: Folder,
    note: Note,
    server: Option<Server>,
    /// Settings that the server was started with.
    settings: Vec<(String, String)>,
    /// The port of the server that ran last. The next one gets it again, so that standbys go on following.
    port: Option<u16>,
    /// What was last made in it.
    applied: Option<Cluster>,
    /// The run of the masking that was last made in it.
    masked: Option<u64>,
    /// How far its log had come when it was last looked at.
    reached: Option<Lsn>,
    /// Why it couldn't be made. It isn't tried again.
    broken: Option<String>,
    /// Nobody asks for it any more, but others came off it: its log is kept.
    gone: bool,
}

impl Timeline {
    /// Notes how far its log has come, if it runs.
    async fn look(&mut self) {
        if let Some(server) = &self.server
            && let Ok(lsn) = timeline::position(server).await
        {
            self.reached = Some(lsn);
        }
    }

    /// Stops its server, if it runs.
    async fn stop(&mut self) {
        self.look().await;
        if let Some(server) = self.server.take() {
            server.stop().await;
        }
    }
}

/// A compute that runs.
struct Compute {
    goal: DesiredCompute,
    /// For one that only reads: its own server, a standby of the timeline's.
    replica: Option<Server>,
}

/// What is known of a project from before this sandbox started.
#[derive(Clone, Debug, Default)]
pub(crate) struct Before {
    /// The timelines that had been made.
    pub(crate) made: BTreeSet<String>,
    /// It was in the middle of something.
    pub(crate) interrupted: bool,
}

/// A project's timelines and computes.
pub(crate) struct Work {
    base: Arc<Base>,
    before: Before,
    timelines: HashMap<String, Timeline>,
    computes: HashMap<String, Compute>,
    came_off: Vec<(String, Lsn)>,
}

impl Work {
    pub(crate) fn new(base: Arc<Base>, before: Before) -> Self {
        Self {
            base,
            before,
            timelines: HashMap::new(),
            computes: HashMap::new(),
            came_off: Vec::new(),
        }
    }

    /// Brings a goal about, as far as it can be.
    pub(crate) async fn reconcile(&mut self, goal: &DesiredState) -> WorkResult {
        let mut failures = Vec::new();
        self.came_off.clear();
        if let Err(error) = self.base.prepare().await {
            failures.push(error.to_string());
        } else {
            self.stop_computes(goal).await;
            let broken = self.broken();
            self.make_timelines(goal, &mut failures).await;
            self.fill_timelines(goal, &mut failures).await;
            self.start_computes(goal, &broken, &mut failures).await;
        }
        self.rest(goal).await;
        let reached = self.positions().await;
        let there = self
            .timelines
            .iter()
            .filter(|(_, timeline)| !timeline.gone && timeline.broken.is_none())
            .map(|(id, _)| id.clone())
            .collect();
        WorkResult {
            there: Some(there),
            failure: failures.into_iter().next(),
            reached,
            came_off: std::mem::take(&mut self.came_off),
        }
    }

    /// How far the logs of running timelines have come.
    pub(crate) async fn positions(&mut self) -> Vec<(String, Lsn)> {
        let mut reached = Vec::new();
        for (id, timeline) in &mut self.timelines {
            timeline.look().await;
            reached.extend(timeline.reached.map(|lsn| (id.clone(), lsn)));
        }
        reached
    }

    /// Stops computes that are not to run, or not as they do.
    async fn stop_computes(&mut self, goal: &DesiredState) {
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

    async fn stop_timeline(&mut self, id: &str) {
        if let Some(timeline) = self.timelines.get_mut(id) {
            timeline.stop().await;
        }
    }

    /// Makes the timelines that are missing, each after the one that it comes off.
    async fn make_timelines(&mut self, goal: &DesiredState, failures: &mut Vec<String>) {
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
    fn load_ancestors(&mut self, ancestor: Option<&Ancestor>) {
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

    async fn make(&mut self, wanted: &DesiredTimeline, folder: &Folder) -> Result<Note, DataPlaneError> {
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
    async fn copy(&mut self, from: &str, at: Point, folder: &Folder) -> Result<Note, DataPlaneError> {
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
    fn lineage(&self, id: &str) -> Vec<Step> {
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

    fn timeline(&self, id: &str) -> Result<&Timeline, DataPlaneError> {
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
    async fn serve(&mut self, id: &str) -> Result<(), DataPlaneError> {
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
    async fn fill_timelines(&mut self, goal: &DesiredState, failures: &mut Vec<String>) {
        for (id, wanted) in &goal.timelines {
            if let Err(error) = self.fill(id, wanted).await {
                tracing::warn!(%error, "what a branch holds can't be made");
                failures.push(error.to_string());
            }
        }
    }

    async fn fill(&mut self, id: &str, wanted: &DesiredTimeline) -> Result<(), DataPlaneError> {
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
    fn broken(&self) -> BTreeSet<String> {
        self.timelines
            .iter()
            .filter(|(_, timeline)| timeline.broken.is_some())
            .map(|(id, _)| id.clone())
            .collect()
    }

    async fn start_computes(&mut self, goal: &DesiredState, broken: &BTreeSet<String>, failures: &mut Vec<String>) {
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

    async fn start_compute(&mut self, id: &str, wanted: &DesiredCompute) -> Result<(), DataPlaneError> {
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
    async fn start_replica(&self, id: &str, wanted: &DesiredCompute) -> Result<Server, DataPlaneError> {
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
                    super::server::SUPERUSER
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
    async fn rest(&mut self, goal: &DesiredState) {
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

    async fn schema_at(&mut self, wanted: &dump::Wanted) -> Result<dump::Schema, DataPlaneError> {
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

    async fn dump_folder(&self, folder: &Folder, wanted: &dump::Wanted) -> Result<dump::Schema, DataPlaneError> {
        let server = Server::start(&self.base.common, folder.start(Vec::new())).await?;
        let dumped = dump::schema(&self.base.common.install, &server, wanted).await;
        server.stop().await;
        dumped
    }

    /// The statements that make everything but rows of a timeline at a place.
    async fn whole_schema(&mut self, from: &str, at: Point) -> Result<dump::Schemas, DataPlaneError> {
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

    /// Stops everything. With `orderly`, what runs is shut down so that it needs no recovery.
    pub(crate) async fn stop(&mut self, orderly: bool) {
        for (id, compute) in self.computes.drain() {
            self.base.forget_target(&id);
            if let Some(replica) = compute.replica {
                replica.abort().await;
            }
        }
        for timeline in self.timelines.values_mut() {
            if let Some(server) = timeline.server.take() {
                if orderly {
                    server.stop().await;
                } else {
                    server.abort().await;
                }
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
