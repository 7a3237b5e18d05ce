//! Ids as types: a project's id can't be handed in where a branch's is wanted.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

use super::path_segment::PathSegment;
pub(crate) use super::path_segment::is_id;

/// The pattern of Neon's ids (`pattern` of the path parameters in Neon's OpenAPI file).
pub const ID_PATTERN: &str = "^[a-z0-9-]{1,60}$";

/// A text that isn't the id it was given for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a valid {what}: {rule}")]
pub struct InvalidId {
    what: &'static str,
    rule: &'static str,
}

macro_rules! id {
    ($name:ident, $what:literal, $pattern:expr, $rule:literal, $check:expr, $doc:literal) => {
        #[doc = $doc]
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(String);

        impl $name {
            /// Checks and takes an id.
            ///
            /// # Errors
            ///
            /// [`InvalidId`] when the text doesn't have this id's form; it doesn't repeat the text.
            pub fn parse(text: impl Into<String>) -> Result<Self, InvalidId> {
                let text = text.into();
                let check: fn(&str) -> bool = $check;
                if check(&text) {
                    Ok(Self(text))
                } else {
                    Err(InvalidId {
                        what: $what,
                        rule: $rule,
                    })
                }
            }

            /// The id as text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl TryFrom<String> for $name {
            type Error = InvalidId;

            fn try_from(text: String) -> Result<Self, Self::Error> {
                Self::parse(text)
            }
        }

        impl FromStr for $name {
            type Err = InvalidId;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                Self::parse(text)
            }
        }

        impl From<$name> for String {
            fn from(id: $name) -> Self {
                id.0
            }
        }

        impl From<&$name> for PathSegment {
            fn from(id: &$name) -> Self {
                PathSegment::unreserved(&id.0)
            }
        }

        impl AsRef<str> for $name {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str(&self.0)
            }
        }

        impl JsonSchema for $name {
            fn schema_name() -> Cow<'static, str> {
                stringify!($name).into()
            }

            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                json_schema!({ "type": "string", "pattern": $pattern })
            }

            fn inline_schema() -> bool {
                true
            }
        }
    };
}

/// The rule of [`ID_PATTERN`] in words.
macro_rules! neon_id {
    ($name:ident, $what:literal, $doc:literal) => {
        id!(
            $name,
            $what,
            ID_PATTERN,
            "1 to 60 lower-case letters, digits and hyphens",
            is_id,
            $doc
        );
    };
}

neon_id!(ProjectId, "project id", "A project's id, such as `plain-sun-12345678`.");
neon_id!(BranchId, "branch id", "A branch's id, such as `br-calm-lake-a1b2c3d4`.");
neon_id!(
    EndpointId,
    "endpoint id",
    "A compute endpoint's id, such as `ep-calm-lake-a1b2c3d4`."
);
neon_id!(SnapshotId, "snapshot id", "A snapshot's id.");
neon_id!(
    OrganizationId,
    "organization id",
    "An organization's id, such as `org-plain-sun-12345678`."
);
neon_id!(
    AnyId,
    "id",
    "The id of a project, a branch, a compute, a snapshot or an organization: which one, the place where it stands says."
);
id!(
    OperationId,
    "operation id",
    "^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$",
    "a UUID with hyphens",
    super::path_segment::is_uuid,
    "An operation's id: a UUID."
);
