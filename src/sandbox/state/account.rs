//! The one user and the one organization.

use crate::sandbox::{
    clock::Moment,
    ids::Ids,
    options::{ExtraMember, Limits},
};

/// The user's address.
const OWNER_EMAIL: &str = "owner@sandbox.example";

/// A member of the organization.
#[derive(Clone, Debug)]
pub(crate) struct Member {
    pub(crate) id: String,
    pub(crate) user_id: String,
    pub(crate) email: String,
    pub(crate) role: String,
    pub(crate) joined_at: Moment,
}

/// The user and the organization that every project belongs to.
#[derive(Clone, Debug)]
pub(crate) struct Account {
    pub(crate) user_id: String,
    pub(crate) email: String,
    pub(crate) org_id: String,
    pub(crate) org_name: String,
    pub(crate) plan: &'static str,
    pub(crate) created_at: Moment,
    pub(crate) members: Vec<Member>,
}

impl Account {
    pub(crate) fn new(ids: &mut Ids, now: Moment, limits: &Limits, extra_members: &[ExtraMember]) -> Self {
        let user_id = ids.uuid();
        let org_id = ids.organization();
        let mut members = vec![Member {
            id: ids.uuid(),
            user_id: user_id.clone(),
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
            user_id: user_id.clone(),
            email: OWNER_EMAIL.to_owned(),
            org_id,
            org_name: "Sandbox".to_owned(),
            plan: limits.plan,
            created_at: now,
            members,
        }
    }

    /// The plan's name as a subscription.
    pub(crate) fn subscription(&self) -> String {
        format!("{}_v3", self.plan)
    }
}
