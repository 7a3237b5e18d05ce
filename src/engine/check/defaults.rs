//! What a tool is about where it is told of no branch, database or role: of several, what changes something takes none by itself.

use serde_json::{Map, Value};

use crate::catalog::{Argument, Named, Resource, Tool};
use crate::engine::connect;
use crate::engine::context::CallContext;
use crate::engine::error::Failure;
use crate::engine::snapshot::ReadSnapshot;
use crate::engine::values::id;
use crate::guard::untrusted::can_speak;
use crate::neon::views::{Branch, Endpoint};
use crate::neon::{BranchId, EndpointId, ProjectId};

/// Fills in the argument that the tool declares for it. Neon is asked each time: which branch is the default can change.
pub(in crate::engine) async fn fill_branch(
    call: &CallContext<'_>,
    look: &ReadSnapshot<'_, '_>,
    tool: &Tool,
    arguments: &mut Map<String, Value>,
) -> Result<(), Failure> {
    let Some(argument) = &tool.declaration.request.default_branch else {
        return Ok(());
    };
    // A compute is on one branch: what is about it is about that one.
    let names_a_compute = arguments
        .keys()
        .any(|name| tool.names(name) == Some(Argument::Resource(Resource::Endpoint)));
    if arguments.contains_key(argument) || names_a_compute {
        return Ok(());
    }
    let Some(project) = id::<ProjectId>(arguments, "project_id")? else {
        return Ok(());
    };
    // Nothing is looked up in a project that calls may not be about: the bounds say so.
    if !call.guards.policy.admits_project(Some(&project)) {
        return Ok(());
    }
    let branches = look.branches(&project).await?;
    // One that doesn't say whether it is the default isn't taken for it.
    let mut defaults = Branch::all(&branches).filter(|branch| branch.is_default());
    let default = match (defaults.next(), defaults.next()) {
        (Some(one), None) => one.id().ok(),
        _ => None,
    };
    let id = default.ok_or_else(|| Failure::Reference {
        argument: argument.clone(),
        message: "Neon doesn't say which branch is the default. Nothing was run.".to_owned(),
        next: format!("Give {argument}: list_branches shows what there is."),
    })?;
    arguments.insert(argument.clone(), id.to_string().into());
    Ok(())
}

/// Fills in the database and the role, for a tool that declares it: the branch's only database, or for a read `neondb`, and its owner.
/// Comes after the bounds on branches were checked, since it reads the branch.
pub(in crate::engine) async fn fill_database(
    call: &CallContext<'_>,
    look: &ReadSnapshot<'_, '_>,
    tool: &Tool,
    arguments: &mut Map<String, Value>,
) -> Result<(), Failure> {
    const DATABASE: &str = "database_name";
    const ROLE: &str = "role_name";
    let wants_role = tool.property(ROLE).is_some() && !arguments.contains_key(ROLE);
    if !tool.declaration.request.default_database || (arguments.contains_key(DATABASE) && !wants_role) {
        return Ok(());
    }
    let Some(project) = id::<ProjectId>(arguments, "project_id")? else {
        return Ok(());
    };
    // Nothing is looked up in a project that calls may not be about: the bounds say so.
    if !call.guards.policy.admits_project(Some(&project)) {
        return Ok(());
    }
    let branch = match (
        id::<BranchId>(arguments, "branch_id")?,
        id::<EndpointId>(arguments, "endpoint_id")?,
    ) {
        (Some(branch), _) => Some(branch),
        // A compute says on which branch it is.
        (None, Some(endpoint)) => {
            let answer = look.endpoint(&project, &endpoint).await?;
            Endpoint::in_answer(&answer).branch().ok()
        }
        (None, None) => None,
    };
    let Some(branch) = branch else {
        return Err(Failure::Reference {
            argument: DATABASE.to_owned(),
            message: "Without branch_id nobody knows which database is meant. Nothing was changed.".to_owned(),
            next: format!("Give {DATABASE}, or branch_id."),
        });
    };
    let given = |name: &str| arguments.get(name).and_then(Value::as_str);
    // Of one that is out of bounds, nothing is looked up.
    for (named, name) in [(Named::Database, DATABASE), (Named::Role, ROLE)] {
        if let Some(text) = given(name) {
            call.guards.policy.admits_name(named, text)?;
        }
    }
    let (database, role) = connect::choose(call, look, (&project, &branch), given(DATABASE), given(ROLE)).await?;
    call.guards.policy.admits_name(Named::Database, &database)?;
    call.guards.policy.admits_name(Named::Role, &role)?;
    // What is filled in stands among the call's own words: a name that could say something is for the caller to give.
    let (fills_database, fills_role) = (!arguments.contains_key(DATABASE), wants_role);
    if (fills_database && can_speak(&database)) || (fills_role && can_speak(&role)) {
        return Err(Failure::Reference {
            argument: DATABASE.to_owned(),
            message: "The database or its owner has a name of several words, which isn't filled in by itself."
                .to_owned(),
            next: format!("Give {DATABASE} and {ROLE}: list_databases shows them."),
        });
    }
    arguments.insert(DATABASE.to_owned(), database.into());
    if wants_role {
        arguments.insert(ROLE.to_owned(), role.into());
    }
    Ok(())
}
