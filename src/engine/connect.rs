//! Connections for SQL: what Neon says about a branch's databases and roles, kept for a while, so that a warm query is one
//! request.

use std::time::Duration;

use secrecy::{ExposeSecret as _, SecretString};
use serde_json::Value;

use crate::catalog::Named;
use crate::engine::connections::Key;
use crate::engine::context::CallContext;
use crate::engine::error::Failure;
use crate::engine::snapshot::ReadSnapshot;
use crate::guard::{Effect, StatementRisk};
use crate::neon::sql::{Connection, Expected, Identity, Reads, ResultSet, SqlAddress, SqlError, Stop};
use crate::neon::views::{Database, Role};
use crate::neon::{BranchId, Changed, EndpointId, ProjectId, Read};
use crate::sql::Statement;

/// How to connect to a branch: from what is known, else by two reads.
pub(in crate::engine) async fn connection(
    call: &CallContext<'_>,
    project: &ProjectId,
    branch: &BranchId,
    database: Option<&str>,
    role: Option<&str>,
) -> Result<Connection, Failure> {
    let policy = &call.guards.policy;
    // What the operator fixed stands in for what isn't given, on branches that the call makes, too.
    let database = database.or(policy.pins().database.as_deref());
    let role = role.or(policy.pins().role.as_deref());
    let key = Key {
        project: project.clone(),
        branch: branch.clone(),
        database: database.map(str::to_owned),
        role: role.map(str::to_owned),
        reads: leaves_the_branch(call),
    };
    // Who may do what is this call's, whoever found out where the names lead.
    let admitted = |database: &str, role: &str| {
        policy.admits_name(Named::Database, database)?;
        policy.admits_name(Named::Role, role)
    };
    if let Some(known) = call.connections.get(&key) {
        admitted(&known.database, &known.role)?;
        return Ok(Connection {
            holds_role: policy.bounds_roles(),
            ..known
        });
    }
    let look = ReadSnapshot::new(call);
    let (database, role) = choose(call, &look, (project, branch), database, role).await?;
    admitted(&database, &role)?;
    let read = Read::new(
        "/projects/{project_id}/connection_uri",
        &[("project_id", project.into())],
    )
    .map_err(|error| Failure::Internal(error.to_string()))?
    .with_query("branch_id", branch.as_str())
    .with_query("database_name", database.as_str())
    .with_query("role_name", role.as_str());
    let answer = call.client.read(read, &call.context).await;
    if let Err(error) = &answer
        && error.status() == Some(404)
        && let Some(unknown) = unknown_name(call, project, branch, &database, &role).await
    {
        return Err(unknown);
    }
    let answer = answer.map_err(|error| match error.status() {
            Some(412) => error.with_hint(
                "The project doesn't store passwords, so no SQL can be run through this server: run it with your own client, \
                 or let an administrator turn password storage on.",
            ),
            _ => error,
        })?;
    let body = answer.body.unwrap_or_default();
    let uri = body.get("uri").and_then(Value::as_str).ok_or_else(|| Failure::Answer {
        message: "Neon's answer has no connection string, so no SQL was sent.".to_owned(),
        changed: Changed::No,
    })?;
    let address =
        SqlAddress::of(uri, &call.client.config().base, &call.connections.hosts).map_err(|error| Failure::Answer {
            message: format!("No SQL was sent: {error}."),
            changed: Changed::No,
        })?;
    let connection = Connection {
        address,
        string: SecretString::from(uri.to_owned()),
        database,
        role,
        identity: Identity {
            project: project.clone(),
            branch: branch.clone(),
            endpoint: endpoint(uri),
        },
        holds_role: policy.bounds_roles(),
        fresh: true,
    };
    call.connections.keep(key, connection.clone());
    Ok(connection)
}

/// Which of the names isn't one of the branch's, with those that are; nothing where both are, or nobody says.
async fn unknown_name(
    call: &CallContext<'_>,
    project: &ProjectId,
    branch: &BranchId,
    database: &str,
    role: &str,
) -> Option<Failure> {
    let look = ReadSnapshot::new(call);
    let databases = look.databases(project, branch).await.ok()?;
    let names: Vec<&str> = Database::all(&databases).filter_map(Database::name).collect();
    if !names.contains(&database) {
        return Some(unknown(call, "database_name", "database", database, &names));
    }
    let roles = look.roles(project, branch).await.ok()?;
    let names: Vec<&str> = Role::all(&roles).filter_map(Role::name).collect();
    (!names.contains(&role)).then(|| unknown(call, "role_name", "role", role, &names))
}

/// There is no such name among these: the nearest come first.
fn unknown(call: &CallContext<'_>, argument: &str, what: &str, given: &str, names: &[&str]) -> Failure {
    let like = |name: &str| strsim::jaro_winkler(&name.to_lowercase(), &given.to_lowercase());
    let mut names = names.to_vec();
    names.sort_by(|one, other| like(other).total_cmp(&like(one)));
    let shown: Vec<String> = names
        .iter()
        .take(20)
        .map(|name| call.fence.quote(&crate::neon::text::one_line(name, 80)))
        .collect();
    Failure::Reference {
        argument: argument.to_owned(),
        message: format!("The branch has no such {what}; it has: {}.", shown.join(", ")),
        next: format!("Give {argument} as it is there."),
    }
}

/// The compute that a connection string leads to, where its host names one: `ep-cool-sun-123456-pooler.us-east-2.aws.neon.tech`.
fn endpoint(uri: &str) -> Option<EndpointId> {
    let host = url::Url::parse(uri).ok()?.host_str()?.to_owned();
    let label = host.split('.').next()?;
    let label = label.strip_suffix("-pooler").unwrap_or(label);
    EndpointId::parse(label).ok().filter(|_| label.starts_with("ep-"))
}

/// Whether nothing that the call says changes anything of the branch.
fn leaves_the_branch(call: &CallContext<'_>) -> bool {
    let declaration = &call.selected.tool.declaration;
    let tries = declaration
        .workflow
        .as_ref()
        .is_some_and(|workflow| workflow.name.tries_on_a_copy());
    let declared = declaration.safety.effect;
    tries || call.assessed.as_ref().map_or(declared, StatementRisk::effect) == Effect::Read
}

/// The database and the role: what is given, else the only database and its owner. Of several databases, a call that only reads, or tries
/// something on a copy, takes `neondb`, and one that changes something takes none.
pub(in crate::engine) async fn choose(
    call: &CallContext<'_>,
    look: &ReadSnapshot<'_, '_>,
    (project, branch): (&ProjectId, &BranchId),
    database: Option<&str>,
    role: Option<&str>,
) -> Result<(String, String), Failure> {
    if let (Some(database), Some(role)) = (database, role) {
        return Ok((database.to_owned(), role.to_owned()));
    }
    let databases = look.databases(project, branch).await?;
    let names: Vec<&str> = Database::all(&databases).filter_map(Database::name).collect();
    let chosen = match (database, names.as_slice()) {
        (Some(database), _) => names.iter().find(|name| **name == database),
        (None, [only]) => Some(only),
        (None, _) if leaves_the_branch(call) => names.iter().find(|name| **name == "neondb"),
        (None, _) => None,
    };
    if let (Some(given), None) = (database, chosen) {
        return Err(unknown(call, "database_name", "database", given, &names));
    }
    let Some(chosen) = chosen.copied() else {
        let shown: Vec<String> = names
            .iter()
            .take(20)
            .map(|name| call.fence.quote(&crate::neon::text::one_line(name, 80)))
            .collect();
        return Err(Failure::Reference {
            argument: "database_name".to_owned(),
            message: if names.is_empty() {
                "The branch has no database.".to_owned()
            } else {
                format!("The branch has several databases: {}.", shown.join(", "))
            },
            next: "Give database_name.".to_owned(),
        });
    };
    let owner = Database::all(&databases)
        .find(|database| database.name() == Some(chosen))
        .and_then(Database::owner);
    let role = role.or(owner).ok_or_else(|| Failure::Reference {
        argument: "role_name".to_owned(),
        message: "Neon doesn't say who owns the database.".to_owned(),
        next: "Give role_name.".to_owned(),
    })?;
    Ok((chosen.to_owned(), role.to_owned()))
}

/// How to connect after an attempt of which nothing ran: passwords change, and computes move. To the same database as the same role,
/// whatever Neon would choose by now where the call names none: what was looked at and decided was about those. `None` where Neon now
/// says the same as before, and that was fresh already or wasn't the reason.
pub(in crate::engine) async fn anew(
    call: &CallContext<'_>,
    refused: &Connection,
    why: &SqlError,
) -> Option<Connection> {
    let elsewhere = matches!(why.stop(), Some(Stop::Identity(_)));
    call.connections.forget(refused);
    let Identity { project, branch, .. } = &refused.identity;
    let fresh = connection(call, project, branch, Some(&refused.database), Some(&refused.role))
        .await
        .ok()?;
    let differs = fresh.string.expose_secret() != refused.string.expose_secret();
    (differs || (elsewhere && !refused.fresh)).then_some(fresh)
}

/// Whether nothing ran because we weren't let in, or because it was another database that answered.
fn was_elsewhere(error: &SqlError, login: impl Fn(&SqlError) -> bool) -> bool {
    login(error) || matches!(error.stop(), Some(Stop::Identity(_)))
}

/// Runs statements that only read. A login that is refused is tried once more with what Neon says now.
pub(in crate::engine) async fn query(
    call: &CallContext<'_>,
    connection: &Connection,
    reads: Reads,
    timeout: Duration,
) -> Result<Vec<ResultSet>, Failure> {
    let mut answer = call
        .client
        .query(connection, reads.clone(), timeout, &call.context)
        .await;
    if let Err(error) = &answer
        && was_elsewhere(error, SqlError::refused_login)
        && let Some(fresh) = anew(call, connection, error).await
    {
        answer = call.client.query(&fresh, reads, timeout, &call.context).await;
    }
    answer.map_err(Failure::of_sql)
}

/// Which types a statement expects in the place of its parameters. A login that is refused is tried once more with what Neon says
/// now.
pub(in crate::engine) async fn expected(
    call: &CallContext<'_>,
    connection: &Connection,
    statement: &Statement,
    timeout: Duration,
) -> Result<Option<Vec<Expected>>, Failure> {
    let ask = async |connection: &Connection| {
        call.client
            .expected(connection, statement, timeout, &call.context)
            .await
    };
    let mut answer = ask(connection).await;
    if let Err(error) = &answer
        && was_elsewhere(error, SqlError::refused_login)
        && let Some(fresh) = anew(call, connection, error).await
    {
        answer = ask(&fresh).await;
    }
    answer.map_err(Failure::of_sql)
}

/// How to try statements once more that may change something, after an attempt of which nothing ran.
pub(in crate::engine) async fn again(
    call: &CallContext<'_>,
    connection: &Connection,
    why: &SqlError,
) -> Option<Connection> {
    if was_elsewhere(why, SqlError::refused_password) {
        anew(call, connection, why).await
    } else {
        None
    }
}
