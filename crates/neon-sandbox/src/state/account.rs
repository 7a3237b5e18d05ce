//! The one user, and the user's organizations.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::{
    clock::Timestamp,
    ids::Ids,
    options::{ExtraMember, SandboxOptions},
};

/// The user's address. Whoever has one of the same domain has an account already.
const OWNER_EMAIL: &str = "owner@sandbox.example";

/// The domain of people who have an account.
const KNOWN_DOMAIN: &str = "@sandbox.example";

/// An organization that the user isn't in, of somebody who shares projects with the user.
pub(crate) const STRANGER: &str = "org-sandbox-stranger-10000000";

/// A member of an organization.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Member {
    pub(crate) id: String,
    pub(crate) user_id: String,
    pub(crate) email: String,
    pub(crate) role: String,
    pub(crate) joined_at: Timestamp,
}

/// Somebody who was invited and hasn't joined.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Invitation {
    pub(crate) id: String,
    pub(crate) email: String,
    pub(crate) role: String,
    pub(crate) invited_by: String,
    pub(crate) invited_at: Timestamp,
}

/// A private way to the organization's projects in one region.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct VpcEndpoint {
    pub(crate) id: String,
    pub(crate) region_id: String,
    pub(crate) label: String,
}

/// What projects belong to.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Organization {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) created_at: Timestamp,
    pub(crate) members: Vec<Member>,
    pub(crate) invitations: Vec<Invitation>,
    pub(crate) spending_limit_cents: Option<i64>,
    pub(crate) vpc_endpoints: Vec<VpcEndpoint>,
    /// Ids of VPC endpoints that were deleted: they never come back.
    pub(crate) deleted_vpc_endpoints: BTreeSet<String>,
}

/// The user and the user's organizations.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Account {
    pub(crate) user_id: String,
    pub(crate) email: String,
    /// What the sandbox was started with.
    #[serde(skip)]
    pub(crate) plan: &'static str,
    /// Whether the organizations may have projects for health data.
    pub(crate) allow_hipaa_projects: bool,
    /// The organization that projects go to when none is named.
    pub(crate) home: Organization,
    /// The others, which projects can be moved to.
    pub(crate) others: Vec<Organization>,
}

impl Account {
    pub(crate) fn new(ids: &mut Ids, now: Timestamp, options: &SandboxOptions) -> Self {
        let user_id = ids.uuid();
        let home = Organization::new(ids, now, "Sandbox", &user_id, &options.extra_members);
        let others = options
            .extra_organizations
            .iter()
            .map(|name| Organization::new(ids, now, name, &user_id, &[]))
            .collect();
        Self {
            user_id,
            email: OWNER_EMAIL.to_owned(),
            plan: options.limits.plan,
            allow_hipaa_projects: options.allow_hipaa_projects,
            home,
            others,
        }
    }

    /// The plan's name as a subscription.
    pub(crate) fn subscription(&self) -> String {
        format!("{}_v3", self.plan)
    }

    pub(crate) fn organizations(&self) -> impl Iterator<Item = &Organization> {
        std::iter::once(&self.home).chain(&self.others)
    }

    pub(crate) fn organization(&self, id: &str) -> Option<&Organization> {
        self.organizations().find(|organization| organization.id == id)
    }

    pub(crate) fn organization_mut(&mut self, id: &str) -> Option<&mut Organization> {
        std::iter::once(&mut self.home)
            .chain(&mut self.others)
            .find(|organization| organization.id == id)
    }

    /// Whether projects of an organization are the user's own, and not ones that somebody shares with the user.
    pub(crate) fn owns(&self, org_id: &str) -> bool {
        self.organization(org_id).is_some()
    }

    /// The name of an organization.
    pub(crate) fn organization_name(&self, id: &str) -> String {
        self.organization(id)
            .map_or("Stranger", |organization| organization.name.as_str())
            .to_owned()
    }
}

impl Organization {
    fn new(ids: &mut Ids, now: Timestamp, name: &str, owner: &str, extra_members: &[ExtraMember]) -> Self {
        let id = ids.organization();
        let mut members = vec![Member {
            id: ids.uuid(),
            user_id: owner.to_owned(),
            email: OWNER_EMAIL.to_owned(),
            role: "admin".to_owned(),
            joined_at: now,
        }];
        members.extend(extra_members.iter().map(|extra| Member {
            id: ids.uuid(),
            user_id: ids.uuid(),
            email: extra.email.clone(),
            role: extra.role.clone(),
            joined_at: now,
        }));
        Self {
            id,
            name: name.to_owned(),
            created_at: now,
            members,
            invitations: Vec::new(),
            spending_limit_cents: None,
            vpc_endpoints: Vec::new(),
            deleted_vpc_endpoints: BTreeSet::new(),
        }
    }

    /// Whether a member is the only admin.
    pub(crate) fn is_last_admin(&self, member: &Member) -> bool {
        let admins = self.members.iter().filter(|member| member.role == "admin").count();
        member.role == "admin" && admins == 1
    }
}

/// Whether somebody with that address has an account, and so joins at once when invited.
pub(crate) fn has_account(email: &str) -> bool {
    email.ends_with(KNOWN_DOMAIN)
}
