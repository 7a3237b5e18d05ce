//! Invitations to an organization.

use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    Route,
    organizations::{self, Role},
};
use crate::{
    call::{Call, Reply},
    error::ApiError,
    state::{
        State,
        account::{Invitation, Member, Organization, has_account},
    },
};

pub(crate) fn routes() -> Vec<Route> {
    let path = "/organizations/{org_id}/invitations";
    vec![
        Route::get("getOrganizationInvitations", path, list),
        Route::post("createOrganizationInvitations", path, invite),
    ]
}

/// An invitation as it is shown.
fn view(organization: &Organization, invitation: &Invitation) -> Value {
    json!({
        "id": invitation.id,
        "email": invitation.email,
        "org_id": organization.id,
        "invited_by": invitation.invited_by,
        "invited_at": invitation.invited_at,
        "role": invitation.role,
    })
}

fn list(call: &Call, state: &mut State) -> Result<Reply, ApiError> {
    let organization = organizations::organization(call, state)?;
    organizations::check_admin(call, state, organization)?;
    let invitations: Vec<Value> = organization
        .invitations
        .iter()
        .map(|invitation| view(organization, invitation))
        .collect();
    Reply::ok(json!({ "invitations": invitations }))
}

#[derive(Deserialize)]
struct InviteBody {
    invitations: Vec<NewInvitation>,
}

#[derive(Deserialize)]
struct NewInvitation {
    email: String,
    role: Role,
}

/// Invites people. Those who have an account are members at once.
fn invite(call: &Call, state: &mut State) -> Result<Reply, ApiError> {
    let InviteBody { invitations } = call.json()?;
    for one in &invitations {
        check_email(&one.email)?;
    }
    let mut ids: Vec<String> = (0..invitations.len() * 3).map(|_| state.ids.uuid()).collect();
    let mut id = || ids.pop().unwrap_or_default();
    let invited_by = state.account.user_id.clone();
    let organization = organizations::administered(call, state)?;
    for (position, one) in invitations.iter().enumerate() {
        let is_in = organization.members.iter().any(|member| member.email == one.email);
        let is_invited = organization.invitations.iter().any(|other| other.email == one.email);
        let twice = invitations
            .iter()
            .skip(position + 1)
            .any(|other| other.email == one.email);
        if is_in || is_invited || twice {
            return Err(ApiError::conflict(format!(
                "{} is a member or invited already",
                one.email
            )));
        }
    }
    let mut shown = Vec::new();
    for one in invitations {
        let invitation = Invitation {
            id: id(),
            email: one.email,
            role: one.role.name().to_owned(),
            invited_by: invited_by.clone(),
            invited_at: call.now,
        };
        shown.push(view(organization, &invitation));
        if has_account(&invitation.email) {
            organization.members.push(Member {
                id: id(),
                user_id: id(),
                email: invitation.email,
                role: invitation.role,
                joined_at: call.now,
            });
        } else {
            organization.invitations.push(invitation);
        }
    }
    Reply::ok(json!({ "invitations": shown }))
}

/// Refuses what can't be an e-mail address.
pub(crate) fn check_email(email: &str) -> Result<(), ApiError> {
    let parts = email.split_once('@');
    let fits = parts.is_some_and(|(user, domain)| !user.is_empty() && domain.contains('.')) && email.len() <= 256;
    if fits && !email.chars().any(char::is_whitespace) {
        Ok(())
    } else {
        Err(ApiError::bad_request(
            "email must be an e-mail address of at most 256 characters",
        ))
    }
}
