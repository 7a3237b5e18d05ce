//! Timelines: data directories, the archives of their logs, and where they came off one another.
//!
//! A branch's data is a timeline, and so is a snapshot's. All begin with the template; a copy goes on in its own
//! directory and archive, and notes with which segment of the log it began to be its own. So the log of any timeline
//! can be followed back to the template through the archives of those before it, and recovery to any place is:
//! the template, the files of the log on the way, and a target.

use std::{
    fs,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};

use super::{
    DataPlaneError, copy,
    server::{Common, Server, Start, shell},
    template::{run, succeed},
    wal::{self, Segment, Source},
};
use local_files::leftover;

use crate::state::data::Lsn;

/// What a timeline is told of itself by its file.
const NOTE: &str = "timeline.json";

/// The largest note that is read, in bytes: they have some hundred.
const MAX_NOTE_BYTES: u64 = 64 * 1024;

/// Where a timeline came off another one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Ancestor {
    pub(crate) id: String,
    /// From this segment of the log on, files are the timeline's own.
    pub(crate) first_own: Segment,
    /// PostgreSQL's number of the ancestor's timeline there.
    pub(crate) postgres_timeline: u32,
    /// Where exactly.
    pub(crate) lsn: Lsn,
}

/// What is kept about a timeline beside its data.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Note {
    pub(crate) ancestor: Option<Ancestor>,
    /// PostgreSQL's number of the timeline: each recovery adds one.
    pub(crate) postgres_timeline: u32,
}

/// A timeline's folder.
#[derive(Clone, Debug)]
pub(crate) struct Folder(pub(crate) PathBuf);

impl Folder {
    pub(crate) fn data(&self) -> PathBuf {
        self.0.join("data")
    }

    pub(crate) fn archive(&self) -> PathBuf {
        self.0.join("archive")
    }

    pub(crate) fn note(&self) -> Option<Note> {
        // A folder that is elsewhere, by a link, isn't one that was made here.
        let elsewhere = fs::symlink_metadata(self.data()).is_ok_and(|metadata| !metadata.is_dir());
        if elsewhere || !leftover::is_folder(&self.0) {
            return None;
        }
        serde_json::from_slice(&leftover::read(&self.0.join(NOTE), MAX_NOTE_BYTES).ok()?).ok()
    }

    /// How it is started.
    pub(crate) fn start(&self, settings: Vec<(String, String)>) -> Start {
        Start {
            data: self.data(),
            archive: Some(self.archive()),
            settings,
            standby: false,
            port: None,
        }
    }

    /// Makes the folder with its archive. The note comes last: without one, the folder is unfinished.
    fn make(&self, common: &Common) -> Result<(), DataPlaneError> {
        leftover::remove(&self.0).map_err(|error| DataPlaneError::io("remove", &self.0, &error))?;
        copy::folder(&self.0, common.install.owner)?;
        copy::folder(&self.archive(), common.install.owner)
    }

    fn finish(&self, note: &Note) -> Result<(), DataPlaneError> {
        let text = serde_json::to_string(note).map_err(|error| DataPlaneError::new(error.to_string()))?;
        copy::write(&self.0.join(NOTE), &text, None)
    }
}

/// Makes a timeline that is the template.
pub(crate) async fn from_template(common: &Common, template: &Path, to: &Folder) -> Result<Note, DataPlaneError> {
    to.make(common)?;
    copy_data(common, template.to_owned(), to.data(), copy::Log::Whole).await?;
    let note = Note {
        ancestor: None,
        postgres_timeline: 1,
    };
    to.finish(&note)?;
    Ok(note)
}

/// A copy of a data directory, made without holding up other work.
pub(crate) async fn copy_data(
    common: &Common,
    from: PathBuf,
    to: PathBuf,
    log: copy::Log,
) -> Result<(), DataPlaneError> {
    copy::data_aside(from, to, common.install.owner, log).await
}

/// Makes a timeline that is another one as it is now, whether that runs or not.
pub(crate) async fn copy_head(
    common: &Common,
    id: &str,
    from: &Folder,
    note: &Note,
    server: Option<&Server>,
    to: &Folder,
) -> Result<Note, DataPlaneError> {
    to.make(common)?;
    let lsn = match server {
        Some(server) => copy_running(common, server, &from.data(), Some(&from.archive()), &to.data()).await?,
        None => {
            copy_data(common, from.data(), to.data(), copy::Log::Whole).await?;
            checkpoint(common, &to.data()).await?
        }
    };
    let first_own = match server {
        // The copy's log ends with a full segment.
        Some(_) => Segment::of(Lsn(lsn.0.saturating_sub(1))).next(),
        None => Segment::of(lsn),
    };
    let note = Note {
        ancestor: Some(Ancestor {
            id: id.to_owned(),
            first_own,
            postgres_timeline: note.postgres_timeline,
            lsn,
        }),
        postgres_timeline: note.postgres_timeline,
    };
    to.finish(&note)?;
    Ok(note)
}

/// Copies the directory of a running server, as an online backup does. Returns the place that the copy recovers to.
///
/// <https://www.postgresql.org/docs/current/continuous-archiving.html#BACKUP-LOWLEVEL-BASE-BACKUP>
pub(crate) async fn copy_running(
    common: &Common,
    server: &Server,
    data: &Path,
    archive: Option<&Path>,
    to: &Path,
) -> Result<Lsn, DataPlaneError> {
    let client = server.connect("postgres").await?;
    let old_names = common.install.major < 15;
    let start = if old_names {
        "SELECT pg_start_backup('sandbox', true, false)::text"
    } else {
        "SELECT pg_backup_start('sandbox', true)::text"
    };
    let stop = if old_names {
        "SELECT lsn::text, labelfile FROM pg_stop_backup(false, false)"
    } else {
        "SELECT lsn::text, labelfile FROM pg_backup_stop(false)"
    };
    let read = |error: tokio_postgres::Error| DataPlaneError::sql("copy a running server", &error);
    let began = std::time::Instant::now();
    let from: String = client
        .query_one(start, &[])
        .await
        .map_err(read)?
        .try_get(0)
        .map_err(read)?;
    let started = began.elapsed();
    copy_data(common, data.to_owned(), to.to_owned(), copy::Log::Without).await?;
    let copied = began.elapsed();
    let row = client.query_one(stop, &[]).await.map_err(read)?;
    let (until, label): (String, String) = (row.try_get(0).map_err(read)?, row.try_get(1).map_err(read)?);
    let position = |text: &str| text.parse::<Lsn>().map_err(DataPlaneError::new);
    let (from, until) = (position(&from)?, position(&until)?);
    let owner = common.install.owner;
    let last = Lsn(until.0.saturating_sub(1));
    // The log's own folder first; what is gone from it is in the archive.
    for folder in [data.join("pg_wal")].into_iter().chain(archive.map(Path::to_owned)) {
        for segment in wal::between(&folder, from, last) {
            if let Some(copied) = segment.file_name().map(|name| to.join("pg_wal").join(name))
                && !copied.exists()
            {
                copy::file(&segment, &copied, owner)?;
            }
        }
    }
    for entry in fs::read_dir(data.join("pg_wal")).into_iter().flatten().flatten() {
        if entry.file_name().to_string_lossy().ends_with(".history") {
            copy::file(&entry.path(), &to.join("pg_wal").join(entry.file_name()), owner)?;
        }
    }
    copy::write(&to.join("backup_label"), &label, owner)?;
    tracing::debug!(?started, ?copied, whole = ?began.elapsed(), "copied a running server");
    Ok(until)
}

/// The place of the last checkpoint of a directory on which nothing runs.
async fn checkpoint(common: &Common, data: &Path) -> Result<Lsn, DataPlaneError> {
    let mut command = common.install.command("pg_controldata");
    command.arg("-D").arg(data);
    let output = run(command).await?;
    succeed("pg_controldata", &output)?;
    String::from_utf8_lossy(&output.stdout)
        .lines()
        .find_map(|line| line.strip_prefix("Latest checkpoint location:"))
        .and_then(|position| position.trim().parse().ok())
        .ok_or_else(|| DataPlaneError::new("pg_controldata doesn't say where the last checkpoint is"))
}

/// Where in a lineage's log a recovery ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Target {
    Lsn(Lsn),
    /// In PostgreSQL's own time.
    Time(chrono::DateTime<chrono::Utc>),
}

impl Target {
    fn settings(&self) -> [(String, String); 2] {
        match self {
            // Before whatever begins there: the position is where the log ended when somebody asked for it.
            Self::Lsn(lsn) => [
                ("recovery_target_lsn".to_owned(), lsn.to_string()),
                ("recovery_target_inclusive".to_owned(), "off".to_owned()),
            ],
            Self::Time(time) => [
                (
                    "recovery_target_time".to_owned(),
                    time.format("%Y-%m-%d %H:%M:%S%.6f+00").to_string(),
                ),
                ("recovery_target_inclusive".to_owned(), "on".to_owned()),
            ],
        }
    }
}

/// One step of a lineage, oldest first.
#[derive(Clone, Debug)]
pub(crate) struct Step {
    pub(crate) id: String,
    pub(crate) folder: Folder,
    pub(crate) note: Note,
}

/// Makes a timeline that is another one, the last of `lineage`, as it was at an earlier place.
///
/// The log must reach beyond the place: see [`mark`].
pub(crate) async fn recover(
    common: &Common,
    template: &Path,
    lineage: &[Step],
    target: &Target,
    work: &Path,
    to: &Folder,
) -> Result<Note, DataPlaneError> {
    let Some(from) = lineage.last() else {
        return Err(DataPlaneError::new("nothing to recover from"));
    };
    to.make(common)?;
    let owner = common.install.owner;
    let sources: Vec<Source> = lineage
        .iter()
        .enumerate()
        .flat_map(|(index, step)| {
            let after = lineage.get(index + 1).and_then(|next| next.note.ancestor.as_ref());
            [step.folder.archive(), step.folder.data().join("pg_wal")].map(|folder| Source {
                folder,
                before: after.map(|ancestor| ancestor.first_own),
                up_to_timeline: after.map_or(step.note.postgres_timeline, |ancestor| ancestor.postgres_timeline),
            })
        })
        .collect();
    let log = work.to_owned();
    tokio::task::spawn_blocking(move || wal::gather(&sources, &log, owner))
        .await
        .map_err(|error| DataPlaneError::new(error.to_string()))??;
    copy_data(common, template.to_owned(), to.data(), copy::Log::Whole).await?;
    copy::write(&to.data().join("recovery.signal"), "", owner)?;
    let mut settings = vec![
        ("restore_command".to_owned(), format!("cp {}/%f %p", shell(work))),
        ("recovery_target_action".to_owned(), "promote".to_owned()),
        ("hot_standby".to_owned(), "off".to_owned()),
        (
            "recovery_target_timeline".to_owned(),
            match from.note.postgres_timeline {
                1 => "current".to_owned(),
                later => later.to_string(),
            },
        ),
    ];
    settings.extend(target.settings());
    let started = Server::start(common, to.start(settings)).await;
    let _ = fs::remove_dir_all(work);
    started
        .map_err(|error| DataPlaneError::new(format!("the branch can't be brought back to that place: {error}")))?
        .stop()
        .await;
    // The archive takes the file out of the log's folder.
    let folders = [to.archive(), to.data().join("pg_wal")];
    let postgres_timeline = wal::newest_timeline(&folders);
    let lsn = wal::switch_point(&folders, postgres_timeline)
        .ok_or_else(|| DataPlaneError::new("the recovery didn't say where it ended"))?;
    let note = Note {
        ancestor: Some(Ancestor {
            id: from.id.clone(),
            first_own: Segment::of(lsn).next(),
            postgres_timeline: from.note.postgres_timeline,
            lsn,
        }),
        postgres_timeline,
    };
    to.finish(&note)?;
    Ok(note)
}

/// Lets the log of a running server reach beyond the present, and fills its segment.
pub(crate) async fn mark(server: &Server) -> Result<(), DataPlaneError> {
    let client = server.connect("postgres").await?;
    client
        .batch_execute("SELECT pg_current_xact_id()")
        .await
        .map_err(|error| DataPlaneError::sql("mark the log", &error))?;
    client
        .batch_execute("SELECT pg_switch_wal()")
        .await
        .map_err(|error| DataPlaneError::sql("mark the log", &error))
}

/// How far the log of a running server has come.
pub(crate) async fn position(server: &Server) -> Result<Lsn, DataPlaneError> {
    let client = server.connect("postgres").await?;
    let row = client
        .query_one("SELECT pg_current_wal_insert_lsn()::text", &[])
        .await
        .map_err(|error| DataPlaneError::sql("read the log's position", &error))?;
    let text: String = row
        .try_get(0)
        .map_err(|error| DataPlaneError::sql("read the log's position", &error))?;
    text.parse().map_err(DataPlaneError::new)
}
