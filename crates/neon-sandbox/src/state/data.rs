//! What a branch holds inside Postgres, and the history that it can be read and restored from.

use std::{collections::VecDeque, fmt, str::FromStr};

use chrono::TimeDelta;
use serde::{Deserialize, Serialize};

use super::auth::Auth;
use crate::{clock::Timestamp, error::ApiError, ids};

/// Versions that a history keeps at most.
const HISTORY_CAP: usize = 500;

/// A position in the write-ahead log, written `0/1A2B3C4`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub(crate) struct Lsn(pub(crate) u64);

impl fmt::Display for Lsn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:X}/{:X}", self.0 >> 32, self.0 & 0xFFFF_FFFF)
    }
}

impl FromStr for Lsn {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wrong = || format!("{text:?} is not a position in the write-ahead log such as 0/1A2B3C4");
        let (high, low) = text.split_once('/').ok_or_else(wrong)?;
        let part = |digits: &str| u32::from_str_radix(digits, 16).map_err(|_| wrong());
        Ok(Self(u64::from(part(high)?) << 32 | u64::from(part(low)?)))
    }
}

impl TryFrom<String> for Lsn {
    type Error = String;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<Lsn> for String {
    fn from(lsn: Lsn) -> Self {
        lsn.to_string()
    }
}

/// A password. It never shows in debug output.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct Password(String);

impl Password {
    /// A new random one.
    pub(crate) fn random() -> Self {
        Self(ids::password())
    }

    /// The password itself.
    pub(crate) fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Password(hidden)")
    }
}

/// A Postgres role.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Role {
    pub(crate) name: String,
    /// `None` for a role that cannot log in.
    pub(crate) password: Option<Password>,
    pub(crate) created_at: Timestamp,
    pub(crate) updated_at: Timestamp,
}

/// A Postgres database.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Database {
    pub(crate) id: i64,
    pub(crate) name: String,
    pub(crate) owner_name: String,
    /// The DDL of everything in it.
    pub(crate) schema: String,
    pub(crate) created_at: Timestamp,
    pub(crate) updated_at: Timestamp,
}

/// What a branch holds inside Postgres at one moment.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Contents {
    pub(crate) roles: Vec<Role>,
    pub(crate) databases: Vec<Database>,
    /// The schema `neon_auth`, in one of the databases.
    #[serde(default)]
    pub(crate) auth: Option<Auth>,
}

/// The roles and databases of a PostgreSQL cluster.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Cluster {
    pub(crate) roles: Vec<Role>,
    pub(crate) databases: Vec<Database>,
}

impl Cluster {
    /// Whether it has a role, or a role's password, that it hadn't before.
    pub(crate) fn has_new_logins(&self, before: &Self) -> bool {
        let is_known = |role: &Role| {
            let mut known = before.roles.iter();
            known.any(|known| known.name == role.name && known.password == role.password)
        };
        !self.roles.iter().all(is_known)
    }
}

impl Contents {
    pub(crate) fn role(&self, name: &str) -> Option<&Role> {
        self.roles.iter().find(|role| role.name == name)
    }

    pub(crate) fn database(&self, name: &str) -> Option<&Database> {
        self.databases.iter().find(|database| database.name == name)
    }

    /// An estimate of the bytes that a Postgres cluster with these contents takes.
    pub(crate) fn logical_size(&self) -> u64 {
        const EMPTY_CLUSTER: u64 = 30_842_880;
        const BYTES_PER_SCHEMA_BYTE: u64 = 64;
        let schemas: usize = self.databases.iter().map(|database| database.schema.len()).sum();
        EMPTY_CLUSTER + BYTES_PER_SCHEMA_BYTE * u64::try_from(schemas).unwrap_or(u64::MAX / 128)
    }

    /// Roles and databases alone: what is made in PostgreSQL.
    pub(crate) fn cluster(&self) -> Cluster {
        Cluster {
            roles: self.roles.clone(),
            databases: self.databases.clone(),
        }
    }

    /// The same contents, where every role that can log in has another password.
    pub(crate) fn with_new_passwords(mut self) -> Self {
        for role in &mut self.roles {
            if role.password.is_some() {
                role.password = Some(Password::random());
            }
        }
        self
    }
}

/// Contents, and since when they are what the branch holds.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Version {
    pub(crate) at: Timestamp,
    pub(crate) lsn: Lsn,
    pub(crate) contents: Contents,
}

/// A place in a branch's history.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Point {
    /// The present.
    Head,
    /// A position in the write-ahead log.
    Lsn(Lsn),
    /// A moment.
    Time(Timestamp),
}

/// What a timeline was made from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum TimelineOrigin {
    /// An empty cluster.
    Template,
    /// Another timeline, as it was at a place.
    Copy { from: String, at: Point },
    /// The schema of another timeline, as it was at a place.
    Schema { from: String, at: Point },
}

/// The data of a branch or a snapshot, as the data plane knows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Lineage {
    pub(crate) id: String,
    pub(crate) origin: TimelineOrigin,
}

impl Lineage {
    /// A new timeline.
    pub(crate) fn new(origin: TimelineOrigin) -> Self {
        Self {
            id: uuid::Uuid::new_v4().simple().to_string(),
            origin,
        }
    }

    /// A new timeline that is this one at a place.
    pub(crate) fn copy(&self, at: Point) -> Self {
        Self::new(TimelineOrigin::Copy {
            from: self.id.clone(),
            at,
        })
    }

    /// A new timeline with this one's schema at a place.
    pub(crate) fn schema(&self, at: Point) -> Self {
        Self::new(TimelineOrigin::Schema {
            from: self.id.clone(),
            at,
        })
    }
}

/// The versions of a branch, oldest first, its parent's included.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct History {
    lineage: Lineage,
    /// What the data was before it was last replaced.
    former: Option<Lineage>,
    /// How far the log of its PostgreSQL had come when it was last looked at.
    reached: Option<Lsn>,
    /// How far it had come when, oldest first.
    #[serde(default)]
    marks: VecDeque<(Timestamp, Lsn)>,
    past: Vec<Version>,
    head: Version,
}

impl History {
    /// A history that starts now.
    pub(crate) fn new(head: Version, lineage: Lineage) -> Self {
        Self {
            lineage,
            former: None,
            reached: None,
            marks: VecDeque::new(),
            past: Vec::new(),
            head,
        }
    }

    /// The branch's data.
    pub(crate) fn lineage(&self) -> &Lineage {
        &self.lineage
    }

    /// Gives the branch other data from now on.
    pub(crate) fn rebase(&mut self, lineage: Lineage) {
        self.former = Some(std::mem::replace(&mut self.lineage, lineage));
        self.reached = None;
        self.marks.clear();
    }

    /// Notes where the log of its PostgreSQL begins: what the branch holds now it holds from there on.
    pub(crate) fn begin(&mut self, lsn: Lsn) {
        self.head.lsn = lsn;
    }

    /// How far the log of its PostgreSQL had come when it was last looked at.
    pub(crate) fn reached(&self) -> Option<Lsn> {
        self.reached
    }

    /// The data before it was last replaced.
    pub(crate) fn former(&self) -> Option<&Lineage> {
        self.former.as_ref()
    }

    /// The data was not replaced after all.
    pub(crate) fn revert(&mut self) {
        if let Some(former) = self.former.take() {
            self.lineage = former;
            self.reached = None;
            self.marks.clear();
        }
    }

    /// Notes how far the log of its PostgreSQL has come.
    pub(crate) fn reach(&mut self, lsn: Lsn, now: Timestamp) {
        self.reached = self.reached.max(Some(lsn));
        if self.marks.back().is_none_or(|(_, last)| *last < lsn) {
            self.marks.push_back((now, lsn));
        }
        if self.marks.len() > HISTORY_CAP {
            self.marks.pop_front();
        }
    }

    /// Whether the log was past a position at a moment, as far as it was looked at.
    fn was_past(&self, lsn: Lsn, at: Timestamp) -> bool {
        self.marks.iter().any(|(seen, reached)| *seen <= at && *reached > lsn)
    }

    /// What the branch holds now.
    pub(crate) fn head(&self) -> &Version {
        &self.head
    }

    /// Makes these the contents from now on, and forgets what the window no longer reaches.
    pub(crate) fn push(&mut self, version: Version, window: TimeDelta) {
        let start = version.at - window;
        let old = std::mem::replace(&mut self.head, version);
        self.past.push(old);
        let reachable_from = self
            .past
            .iter()
            .rposition(|version| version.at <= start)
            .unwrap_or(0)
            .max(self.past.len().saturating_sub(HISTORY_CAP));
        self.past.drain(..reachable_from);
    }

    /// The version in force at a place.
    ///
    /// # Errors
    ///
    /// When the place is in the future, before the first version, or outside the window.
    pub(crate) fn at(&self, point: Point, now: Timestamp, window: TimeDelta) -> Result<Version, ApiError> {
        let start = now - window;
        if window.is_zero() && point != Point::Head {
            return Err(ApiError::refused(
                "the project keeps no history: its history_retention_seconds is 0",
            ));
        }
        match point {
            Point::Head => Ok(self.head.clone()),
            Point::Time(time) => {
                if time > now {
                    return Err(ApiError::refused("the timestamp is in the future"));
                }
                if time < start {
                    return Err(ApiError::refused(
                        "the timestamp lies before the project's history window",
                    ));
                }
                let version = self
                    .newest_where(|version| version.at <= time)
                    .ok_or_else(|| ApiError::refused("the timestamp lies before the branch's history"))?;
                Ok(Version {
                    at: time,
                    ..version.clone()
                })
            }
            Point::Lsn(lsn) => {
                if lsn > self.reached.unwrap_or(self.head.lsn) {
                    return Err(ApiError::refused(format!(
                        "the branch hasn't reached the position {lsn}"
                    )));
                }
                if self.was_past(lsn, start) {
                    return Err(ApiError::refused(format!(
                        "the position {lsn} lies before the project's history window"
                    )));
                }
                let version = self
                    .newest_where(|version| version.lsn <= lsn)
                    .filter(|version| self.replaced_at(version).is_none_or(|at| at >= start))
                    .ok_or_else(|| ApiError::refused(format!("the position {lsn} lies before the branch's history")))?;
                Ok(Version { lsn, ..version.clone() })
            }
        }
    }

    /// The history of a branch that starts with `version`, which is this one's at a place: everything up to it.
    pub(crate) fn fork(&self, version: Version, at: Point) -> Self {
        let past = self
            .past
            .iter()
            .filter(|past| past.lsn <= version.lsn && past.at <= version.at)
            .cloned()
            .collect();
        Self {
            lineage: self.lineage.copy(at),
            former: None,
            reached: None,
            marks: VecDeque::new(),
            past,
            head: version,
        }
    }

    fn newest_where(&self, holds: impl Fn(&Version) -> bool) -> Option<&Version> {
        if holds(&self.head) {
            return Some(&self.head);
        }
        self.past.iter().rev().find(|version| holds(version))
    }

    /// When the version after this one came into force.
    fn replaced_at(&self, version: &Version) -> Option<Timestamp> {
        self.past
            .iter()
            .chain(std::iter::once(&self.head))
            .find(|later| later.lsn > version.lsn)
            .map(|later| later.at)
    }
}
