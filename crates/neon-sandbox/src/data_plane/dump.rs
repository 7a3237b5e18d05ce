//! Schemas, as `pg_dump` writes them and as tables are described, and schemas made anew elsewhere.

use std::{io::Write as _, process::Stdio};

use serde_json::{Value, json};

use local_postgres::Install;

use super::{
    DataPlaneError, contents,
    contents::identifier,
    desired_state::DesiredTimeline,
    server::{SUPERUSER, Server},
    template::{run, succeed},
};
use crate::state::data::Point;

/// A schema that is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Wanted {
    pub(crate) timeline: String,
    /// In the machine's own time.
    pub(crate) at: Point,
    pub(crate) database: String,
    /// As a description of its tables, not as statements.
    pub(crate) tables: bool,
}

/// A schema.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Schema {
    Sql(String),
    Tables(Value),
    /// There is no such database.
    Missing,
}

/// Everything of a cluster but rows.
#[derive(Clone, Debug)]
pub(crate) struct Schemas {
    roles: String,
    databases: Vec<(String, String)>,
}

/// A database's schema.
pub(crate) async fn schema(install: &Install, server: &Server, wanted: &Wanted) -> Result<Schema, DataPlaneError> {
    let client = server.connect("postgres").await?;
    let known = client
        .query_opt("SELECT 1 FROM pg_database WHERE datname = $1", &[&wanted.database])
        .await
        .map_err(|error| DataPlaneError::sql("look for a database", &error))?;
    if known.is_none() {
        return Ok(Schema::Missing);
    }
    if wanted.tables {
        tables(server, &wanted.database).await.map(Schema::Tables)
    } else {
        let text = pg_dump(install, server, &wanted.database).await?;
        Ok(Schema::Sql(normalized(&text)))
    }
}

async fn pg_dump(install: &Install, server: &Server, database: &str) -> Result<String, DataPlaneError> {
    let mut command = install.command("pg_dump");
    connect(&mut command, server);
    command.args(["--schema-only", "--dbname"]).arg(conninfo(database));
    let output = run(command).await?;
    succeed("pg_dump", &output)?;
    String::from_utf8(output.stdout).map_err(|error| DataPlaneError::new(error.to_string()))
}

/// A database's name where a program would take a whole connection string.
fn conninfo(database: &str) -> String {
    let quoted = database.replace('\\', r"\\").replace('\'', r"\'");
    format!("dbname='{quoted}'")
}

fn connect(command: &mut std::process::Command, server: &Server) {
    command
        .arg("--host")
        .arg(&server.socket_folder)
        .args([
            "--port",
            &server.port.to_string(),
            "--username",
            SUPERUSER,
            "--no-password",
        ])
        .stdin(Stdio::null());
}

/// Leaves out what differs between two dumps of one schema: the versions, and the random word of newer programs.
fn normalized(text: &str) -> String {
    let mut lines: Vec<&str> = Vec::new();
    for line in text.lines() {
        let noise =
            line.starts_with("-- Dumped ") || line.starts_with("\\restrict") || line.starts_with("\\unrestrict");
        // One empty line between things is enough.
        let double = line.is_empty() && lines.last().is_none_or(|last| last.is_empty());
        if !noise && !double {
            lines.push(line);
        }
    }
    let mut text = lines.join("\n");
    if !text.is_empty() {
        text.push('\n');
    }
    text
}

/// Tables with their columns and constraints, as Neon describes them.
const TABLES: &str = "\
SELECT coalesce(json_agg(json_build_object(
  'schema', n.nspname, 'name', c.relname,
  'columns', (
    SELECT coalesce(json_agg(json_build_object(
      'name', a.attname, 'type', format_type(a.atttypid, a.atttypmod),
      'nullable', NOT a.attnotnull, 'generated', a.attgenerated <> '' OR a.attidentity <> '') ORDER BY a.attnum), '[]')
    FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped),
  'constraints', (
    SELECT coalesce(json_agg(json_strip_nulls(json_build_object(
      'name', k.conname,
      'type', CASE k.contype WHEN 'p' THEN 'primary_key' WHEN 'f' THEN 'foreign_key' WHEN 'u' THEN 'unique'
                             WHEN 'c' THEN 'check' WHEN 'x' THEN 'exclusion' ELSE 'other' END,
      'columns', (SELECT coalesce(json_agg(a.attname ORDER BY p.place), '[]')
                  FROM unnest(k.conkey) WITH ORDINALITY p(attnum, place)
                  JOIN pg_attribute a ON a.attrelid = k.conrelid AND a.attnum = p.attnum),
      'referenced_table', CASE WHEN k.contype = 'f' THEN json_build_object(
        'schema', rn.nspname, 'table', r.relname,
        'columns', (SELECT json_agg(a.attname ORDER BY p.place)
                    FROM unnest(k.confkey) WITH ORDINALITY p(attnum, place)
                    JOIN pg_attribute a ON a.attrelid = k.confrelid AND a.attnum = p.attnum)) END
    )) ORDER BY k.conname), '[]')
    FROM pg_constraint k LEFT JOIN pg_class r ON r.oid = k.confrelid LEFT JOIN pg_namespace rn ON rn.oid = r.relnamespace
    WHERE k.conrelid = c.oid AND k.contype IN ('p', 'f', 'u', 'c', 'x'))
) ORDER BY n.nspname, c.relname), '[]')::text
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'p') AND n.nspname <> 'information_schema' AND n.nspname !~ '^pg_'";

async fn tables(server: &Server, database: &str) -> Result<Value, DataPlaneError> {
    let client = server.connect(database).await?;
    let row = client
        .query_one(TABLES, &[])
        .await
        .map_err(|error| DataPlaneError::sql("describe tables", &error))?;
    let text: String = row
        .try_get(0)
        .map_err(|error| DataPlaneError::sql("describe tables", &error))?;
    let tables: Value = serde_json::from_str(&text).map_err(|error| DataPlaneError::new(error.to_string()))?;
    Ok(json!({ "tables": tables }))
}

/// Everything of a cluster but rows: its roles, and the schemas of its databases.
pub(crate) async fn all_schemas(install: &Install, server: &Server) -> Result<Schemas, DataPlaneError> {
    let mut command = install.command("pg_dumpall");
    connect(&mut command, server);
    command.arg("--roles-only").args(["--database", "postgres"]);
    let output = run(command).await?;
    succeed("pg_dumpall", &output)?;
    let roles = String::from_utf8_lossy(&output.stdout).into_owned();
    let client = server.connect("postgres").await?;
    let rows = client
        .query(
            "SELECT datname::text FROM pg_database WHERE datallowconn AND datname NOT IN ('postgres', 'template0', 'template1')",
            &[],
        )
        .await
        .map_err(|error| DataPlaneError::sql("list databases", &error))?;
    let mut databases = Vec::new();
    for name in rows.iter().filter_map(|row| row.try_get::<_, String>(0).ok()) {
        let text = pg_dump(install, server, &name).await?;
        databases.push((name, text));
    }
    Ok(Schemas { roles, databases })
}

/// Makes roles, databases and schemas in an empty cluster.
pub(crate) async fn restore_schemas(
    install: &Install,
    server: &Server,
    schemas: &Schemas,
    wanted: &DesiredTimeline,
) -> Result<(), DataPlaneError> {
    // Those that are there already are refused, which is as it should be.
    psql(install, server, "postgres", &schemas.roles, false).await?;
    if let Some(contents) = &wanted.contents {
        contents::apply(server, contents).await?;
    }
    for (name, text) in &schemas.databases {
        let client = server.connect("postgres").await?;
        let known = client
            .query_opt("SELECT 1 FROM pg_database WHERE datname = $1", &[name])
            .await
            .map_err(|error| DataPlaneError::sql("look for a database", &error))?;
        if known.is_none() {
            // Made with SQL on the parent, so the control plane doesn't know of it.
            client
                .batch_execute(&format!("CREATE DATABASE {}", identifier(name)))
                .await
                .map_err(|error| DataPlaneError::sql("make a database", &error))?;
        }
        psql(install, server, name, text, true).await?;
    }
    Ok(())
}

/// Runs statements with `psql`, which knows what `pg_dump` writes.
async fn psql(
    install: &Install,
    server: &Server,
    database: &str,
    statements: &str,
    strict: bool,
) -> Result<(), DataPlaneError> {
    let mut command = install.command("psql");
    connect(&mut command, server);
    command
        .args(["--no-psqlrc", "--quiet", "--output", "/dev/null"])
        .args(["--set", if strict { "ON_ERROR_STOP=1" } else { "ON_ERROR_STOP=0" }])
        .arg("--dbname")
        .arg(conninfo(database))
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped());
    let statements = statements.to_owned();
    let output = tokio::task::spawn_blocking(move || {
        let mut child = command.spawn()?;
        let mut input = child.stdin.take();
        let writer = std::thread::spawn(move || {
            if let Some(input) = &mut input {
                let _ = input.write_all(statements.as_bytes());
            }
        });
        let output = child.wait_with_output();
        let _ = writer.join();
        output
    })
    .await
    .map_err(|error| DataPlaneError::new(error.to_string()))?
    .map_err(|error| DataPlaneError::new(format!("psql can't be run: {error}")))?;
    if strict { succeed("psql", &output) } else { Ok(()) }
}
