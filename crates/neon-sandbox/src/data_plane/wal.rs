//! The write-ahead log as files: names of segments, and which of them lead to a place.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use local_postgres::Owner;

use super::{DataPlaneError, copy};
use local_files::leftover;

use crate::state::data::Lsn;

/// The largest history of PostgreSQL's timelines that is read, in bytes: each one of them adds a line.
const MAX_HISTORY_BYTES: u64 = 1024 * 1024;

/// The size of a segment in bytes: PostgreSQL's smallest, so that an empty branch is small.
pub(crate) const SEGMENT_BYTES: u64 = 1024 * 1024;

/// The number of a segment, counted from the log's beginning.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
#[serde(transparent)]
pub(crate) struct Segment(pub(crate) u64);

impl Segment {
    /// The one that a position lies in.
    pub(crate) fn of(lsn: Lsn) -> Self {
        Self(lsn.0 / SEGMENT_BYTES)
    }

    /// The one after.
    pub(crate) fn next(self) -> Self {
        Self(self.0 + 1)
    }
}

/// What the name of a file of the log says: 8 digits of the timeline, 8 of the log, 8 of the segment in it.
fn parse(name: &str) -> Option<(u32, Segment)> {
    if name.len() != 24 || !name.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    let part = |range: std::ops::Range<usize>| name.get(range).and_then(|digits| u64::from_str_radix(digits, 16).ok());
    let per_log = 0x1_0000_0000 / SEGMENT_BYTES;
    let timeline = u32::try_from(part(0..8)?).ok()?;
    Some((timeline, Segment(part(8..16)? * per_log + part(16..24)?)))
}

/// A place where files of the log lie, and up to where they are the lineage's.
#[derive(Clone, Debug)]
pub(crate) struct Source {
    pub(crate) folder: PathBuf,
    /// From this segment on they belong to others; `None`: all are ours.
    pub(crate) before: Option<Segment>,
    /// The number of the newest timeline of PostgreSQL's that counts.
    pub(crate) up_to_timeline: u32,
}

/// Gathers the files of a lineage, oldest source first, in one folder, from which a recovery can take them.
pub(crate) fn gather(sources: &[Source], into: &Path, owner: Option<Owner>) -> Result<(), DataPlaneError> {
    copy::folder(into, owner)?;
    let mut chosen: BTreeMap<String, PathBuf> = BTreeMap::new();
    for source in sources {
        let Ok(entries) = fs::read_dir(&source.folder) else {
            continue;
        };
        for entry in entries.flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            let counts = match parse(&name) {
                Some((timeline, segment)) => {
                    timeline <= source.up_to_timeline && source.before.is_none_or(|before| segment < before)
                }
                None => name
                    .strip_suffix(".history")
                    .and_then(|digits| u32::from_str_radix(digits, 16).ok())
                    .is_some_and(|timeline| timeline <= source.up_to_timeline),
            };
            if counts {
                chosen.insert(name, entry.path());
            }
        }
    }
    for (name, path) in chosen {
        copy::file(&path, &into.join(name), owner)?;
    }
    Ok(())
}

/// The segments of a folder between two positions, both ends included, as paths.
pub(crate) fn between(folder: &Path, from: Lsn, to: Lsn) -> Vec<PathBuf> {
    let range = Segment::of(from)..=Segment::of(to);
    let Ok(entries) = fs::read_dir(folder) else {
        return Vec::new();
    };
    entries
        .flatten()
        .filter(|entry| {
            parse(&entry.file_name().to_string_lossy()).is_some_and(|(_, segment)| range.contains(&segment))
        })
        .map(|entry| entry.path())
        .collect()
}

/// PostgreSQL's number of the newest timeline whose history file is in one of the folders; 1 without any.
pub(crate) fn newest_timeline(folders: &[PathBuf]) -> u32 {
    folders
        .iter()
        .filter_map(|folder| fs::read_dir(folder).ok())
        .flatten()
        .flatten()
        .filter_map(|entry| {
            let name = entry.file_name().to_string_lossy().into_owned();
            u32::from_str_radix(name.strip_suffix(".history")?, 16).ok()
        })
        .max()
        .unwrap_or(1)
}

/// Where a timeline of PostgreSQL's came off the one before it, from its history file.
pub(crate) fn switch_point(folders: &[PathBuf], timeline: u32) -> Option<Lsn> {
    let name = format!("{timeline:08X}.history");
    let text = folders
        .iter()
        .find_map(|folder| leftover::read(&folder.join(&name), MAX_HISTORY_BYTES).ok())?;
    let text = String::from_utf8(text).ok()?;
    let last = text.lines().rfind(|line| !line.trim().is_empty())?;
    last.split_whitespace().nth(1)?.parse().ok()
}
