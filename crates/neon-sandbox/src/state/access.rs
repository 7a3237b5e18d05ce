//! Who may reach a project beside its organization, and how.

use serde::{Deserialize, Serialize};

use crate::clock::Timestamp;

/// What a project lets in.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Access {
    pub(crate) permissions: Vec<Permission>,
    pub(crate) roles: Vec<MemberRole>,
    pub(crate) transfers: Vec<TransferRequest>,
    pub(crate) jwks: Vec<Jwks>,
    pub(crate) vpc_endpoints: Vec<VpcRestriction>,
}

/// An account that the project is shared with.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Permission {
    pub(crate) id: String,
    pub(crate) granted_to_email: String,
    pub(crate) granted_at: Timestamp,
    pub(crate) revoked_at: Option<Timestamp>,
}

/// A role on a project, from the weakest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum ProjectRole {
    Viewer,
    Editor,
    Admin,
}

impl ProjectRole {
    /// What the role lets one do.
    pub(crate) fn permission(self) -> &'static str {
        match self {
            Self::Viewer => "VIEWER",
            Self::Editor => "EDITOR",
            Self::Admin => "ADMIN",
        }
    }

    /// What a role in the organization gives on each of its projects.
    pub(crate) fn of_organization_role(role: &str) -> Option<Self> {
        match role {
            "admin" => Some(Self::Admin),
            "editor" | "member" => Some(Self::Editor),
            "viewer" => Some(Self::Viewer),
            _ => None,
        }
    }
}

/// The role that a member has on this project by themselves.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct MemberRole {
    pub(crate) member_id: String,
    pub(crate) role: ProjectRole,
}

/// An offer of the project to whoever knows its id.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct TransferRequest {
    pub(crate) id: String,
    pub(crate) created_at: Timestamp,
    pub(crate) expires_at: Timestamp,
}

impl std::fmt::Debug for TransferRequest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TransferRequest")
            .field("created_at", &self.created_at)
            .field("expires_at", &self.expires_at)
            .finish_non_exhaustive()
    }
}

/// A URL whose keys sign tokens that can log in.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Jwks {
    pub(crate) id: String,
    pub(crate) project_id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) branch_id: Option<String>,
    pub(crate) jwks_url: String,
    pub(crate) provider_name: String,
    pub(crate) created_at: Timestamp,
    pub(crate) updated_at: Timestamp,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) jwt_audience: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) role_names: Option<Vec<String>>,
}

/// A VPC endpoint that the project's private connections must come through.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct VpcRestriction {
    pub(crate) vpc_endpoint_id: String,
    pub(crate) label: String,
}

impl Access {
    /// The role that a member has by themselves.
    pub(crate) fn role(&self, member_id: &str) -> Option<ProjectRole> {
        self.roles
            .iter()
            .find(|role| role.member_id == member_id)
            .map(|role| role.role)
    }

    /// Gives a member a role, or takes it away.
    pub(crate) fn set_role(&mut self, member_id: &str, role: Option<ProjectRole>) {
        self.roles.retain(|role| role.member_id != member_id);
        self.roles.extend(role.map(|role| MemberRole {
            member_id: member_id.to_owned(),
            role,
        }));
    }

    /// Forgets what belongs to the organization that the project leaves.
    pub(crate) fn leave_organization(&mut self) {
        self.roles.clear();
        self.transfers.clear();
        self.vpc_endpoints.clear();
    }
}
