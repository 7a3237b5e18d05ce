//! What a workflow may look at, where it finds things by itself.

use crate::engine::error::{ArgumentProblem, Failure};
use crate::guard::Policy;
use crate::neon::{OrganizationId, ProjectId};

/// What a workflow may look at, where it finds things by itself rather than by the call's arguments.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bounds<'f> {
    pub(super) policy: &'f Policy,
    /// The one project.
    pub(crate) project: Option<&'f ProjectId>,
    /// The one organization.
    pub(crate) organization: Option<&'f OrganizationId>,
}

impl Bounds<'_> {
    /// Whether a project may be seen, as far as its id tells.
    pub(crate) fn admits_project(&self, id: &ProjectId) -> bool {
        self.policy.admits_project(Some(id)) && self.project.is_none_or(|only| only == id)
    }

    /// Whether an organization and what belongs to it may be seen; `None` where Neon doesn't tell which one something is of.
    pub(crate) fn admits_organization(&self, id: Option<&OrganizationId>) -> bool {
        self.policy.check_organization(id).is_ok() && self.organization.is_none_or(|only| id == Some(only))
    }

    /// Whether it matters whose a project is.
    pub(crate) fn wants_organization(&self) -> bool {
        self.policy.wants_organization() || self.organization.is_some()
    }

    /// Refuses what lies outside of the project that the operator fixed.
    pub(crate) fn check_project(&self, argument: &str, project: Option<&ProjectId>) -> Result<(), Failure> {
        match self.project {
            Some(only) if project != Some(only) => Err(outside(argument, "project", only.as_str())),
            _ => Ok(()),
        }
    }

    /// Refuses what belongs to another organization than the operator allows or fixed.
    pub(crate) fn check_organization(
        &self,
        argument: &str,
        organization: Option<&OrganizationId>,
    ) -> Result<(), Failure> {
        self.policy.check_organization(organization)?;
        match self.organization {
            Some(only) if organization != Some(only) => Err(outside(argument, "organization", only.as_str())),
            _ => Ok(()),
        }
    }
}

fn outside(argument: &str, what: &str, only: &str) -> Failure {
    Failure::Arguments(vec![ArgumentProblem {
        argument: argument.to_owned(),
        message: format!("this server works on the {what} {only} alone, and that is another one"),
    }])
}
