//! What a branch has beside Postgres: buckets, functions, triggers, custom domains and their logs.

use std::collections::BTreeMap;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::Bytes;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::cron::Cron;
use crate::clock::Timestamp;

/// How many log records a branch keeps.
const MAX_RECORDS: usize = 5_000;

/// What a branch has beside Postgres.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Services {
    pub(crate) buckets: BTreeMap<String, Bucket>,
    pub(crate) functions: BTreeMap<String, Function>,
    pub(crate) triggers: BTreeMap<String, Trigger>,
    /// By domain: the slug of its function.
    pub(crate) domains: BTreeMap<String, String>,
    pub(crate) records: Vec<Record>,
}

/// A bucket.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Bucket {
    pub(crate) access: Access,
    pub(crate) created_at: Timestamp,
    pub(crate) objects: BTreeMap<String, Object>,
}

/// Who may read a bucket's objects.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Access {
    #[default]
    Private,
    PublicRead,
}

/// An object.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Object {
    pub(crate) content: Blob,
    pub(crate) content_type: String,
    pub(crate) etag: String,
    pub(crate) last_modified: Timestamp,
    /// It came with the branch from its parent.
    #[serde(default)]
    pub(crate) inherited: bool,
}

/// Bytes that are cheap to copy.
#[derive(Clone, Debug)]
pub(crate) struct Blob(pub(crate) Bytes);

impl Serialize for Blob {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&STANDARD.encode(&self.0))
    }
}

impl<'de> Deserialize<'de> for Blob {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let bytes = STANDARD.decode(text).map_err(serde::de::Error::custom)?;
        Ok(Self(bytes.into()))
    }
}

/// A function.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Function {
    pub(crate) id: String,
    pub(crate) name: Option<String>,
    pub(crate) environment: BTreeMap<String, String>,
    pub(crate) runtime: String,
    pub(crate) deployments: Vec<Deployment>,
    pub(crate) created_at: Timestamp,
    /// It came with the branch from its parent.
    pub(crate) inherited: bool,
}

/// A deployment of a function.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Deployment {
    pub(crate) id: i32,
    pub(crate) runtime: String,
    /// The names of the variables.
    pub(crate) environment: Vec<String>,
    pub(crate) created_at: Timestamp,
    pub(crate) builds_at: Option<Timestamp>,
    /// `None`: never.
    pub(crate) ends_at: Option<Timestamp>,
    pub(crate) failure: Option<String>,
}

/// Where a deployment stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum DeploymentStatus {
    Pending,
    Building,
    Completed,
    Failed,
}

impl Deployment {
    pub(crate) fn status(&self, now: Timestamp) -> DeploymentStatus {
        let due = |at: Option<Timestamp>| at.is_some_and(|at| at <= now);
        match (due(self.ends_at), &self.failure) {
            (true, Some(_)) => DeploymentStatus::Failed,
            (true, None) => DeploymentStatus::Completed,
            (false, _) if due(self.builds_at) => DeploymentStatus::Building,
            (false, _) => DeploymentStatus::Pending,
        }
    }
}

/// What runs a function by itself.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Trigger {
    pub(crate) name: String,
    pub(crate) function_slug: String,
    pub(crate) function_path: String,
    pub(crate) cause: Cause,
    pub(crate) enabled: bool,
    pub(crate) version: u32,
    pub(crate) inherited: bool,
}

/// When a trigger runs its function.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Cause {
    Schedule(Cron),
    ObjectCreated {
        bucket_name: String,
        prefix: Option<String>,
    },
}

/// A line of a log.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Record {
    pub(crate) at: Timestamp,
    pub(crate) source: Source,
    pub(crate) service_name: String,
    pub(crate) severity: Severity,
    pub(crate) message: String,
    pub(crate) attributes: BTreeMap<String, String>,
}

/// What wrote a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Source {
    Function,
    Storage,
    PgEndpoint,
}

/// How grave a line is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Severity {
    Trace,
    Debug,
    Info,
    Warn,
    Error,
    Fatal,
}

/// How many bytes the objects of all branches may have, in all: 32 MiB. They are kept in the sandbox's state, written in base64, and
/// that may have 64 MiB. A copy on a child branch counts again.
pub(crate) const MAX_OBJECT_BYTES: usize = 32 * 1024 * 1024;

impl Services {
    /// How many bytes the objects have.
    pub(crate) fn object_bytes(&self) -> usize {
        let objects = self.buckets.values().flat_map(|bucket| bucket.objects.values());
        objects.map(|object| object.content.0.len()).sum()
    }

    /// What a child branch starts with: copies, triggers off, and none of the logs or domains.
    pub(crate) fn inherited(&self) -> Self {
        let mut child = self.clone();
        child.records.clear();
        child.domains.clear();
        for object in child
            .buckets
            .values_mut()
            .flat_map(|bucket| bucket.objects.values_mut())
        {
            object.inherited = true;
        }
        for function in child.functions.values_mut() {
            function.inherited = true;
        }
        for trigger in child.triggers.values_mut() {
            trigger.inherited = true;
            trigger.enabled = false;
        }
        child
    }

    /// Writes a line.
    pub(crate) fn log(&mut self, record: Record) {
        if self.records.len() >= MAX_RECORDS {
            self.records.remove(0);
        }
        self.records.push(record);
    }

    /// Puts an object into a bucket, and runs what waits for that.
    pub(crate) fn upload(&mut self, bucket_name: &str, key: &str, object: Object) {
        let now = object.last_modified;
        let size = object.content.0.len();
        let Some(bucket) = self.buckets.get_mut(bucket_name) else {
            return;
        };
        bucket.objects.insert(key.to_owned(), object);
        self.log(Record {
            at: now,
            source: Source::Storage,
            service_name: bucket_name.to_owned(),
            severity: Severity::Info,
            message: format!("object created: {key} ({size} bytes)"),
            attributes: [("key".to_owned(), key.to_owned())].into(),
        });
        let runs: Vec<Record> = self
            .triggers
            .iter()
            .filter(|(_, trigger)| trigger.enabled && trigger.cause.is_upload_of(bucket_name, key))
            .map(|(id, trigger)| Record {
                at: now,
                source: Source::Function,
                service_name: trigger.function_slug.clone(),
                severity: Severity::Info,
                message: format!("{} run by trigger {} for {key}", trigger.function_path, trigger.name),
                attributes: [("trigger_id".to_owned(), id.clone())].into(),
            })
            .collect();
        runs.into_iter().for_each(|run| self.log(run));
    }
}

impl Cause {
    fn is_upload_of(&self, bucket: &str, key: &str) -> bool {
        match self {
            Self::Schedule(_) => false,
            Self::ObjectCreated { bucket_name, prefix } => {
                bucket_name == bucket && prefix.as_ref().is_none_or(|prefix| key.starts_with(prefix.as_str()))
            }
        }
    }
}

/// A link with which one object can be uploaded or downloaded without a key.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Link {
    pub(crate) project_id: String,
    pub(crate) branch_id: String,
    pub(crate) bucket_name: String,
    pub(crate) object_key: String,
    pub(crate) uploads: bool,
    pub(crate) content_type: Option<String>,
    pub(crate) expires_at: Timestamp,
}
