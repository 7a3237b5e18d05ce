//! Roles and databases: what a branch is said to have is made so in its PostgreSQL.
//!
//! Two tables in the database `postgres` note which roles and databases are the control plane's: they are data, so they
//! travel with every copy and restore. What was made with SQL is left alone.

use std::collections::BTreeSet;

use tokio_postgres::Client;

use super::{
    DataPlaneError,
    server::{SUPERUSER, Server},
};
use crate::state::data::{Cluster, Database, Role};

/// A name as SQL takes it.
pub(crate) fn identifier(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// A text as SQL takes it.
pub(crate) fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

/// Makes a server's roles and databases those of the contents.
pub(crate) async fn apply(server: &Server, contents: &Cluster) -> Result<(), DataPlaneError> {
    let client = server.connect("postgres").await?;
    let run = Run { server, client };
    for role in &contents.roles {
        run.role(role).await?;
    }
    run.drop_databases(contents).await?;
    for database in &contents.databases {
        run.database(database).await?;
    }
    run.drop_roles(contents).await
}

/// Cuts the connections of clients, as Neon does when a role is made or gets another password.
pub(crate) async fn cut_connections(server: &Server) -> Result<(), DataPlaneError> {
    let run = Run {
        server,
        client: server.connect("postgres").await?,
    };
    let cut = format!(
        "SELECT pg_terminate_backend(pid, 2000) FROM pg_stat_activity WHERE backend_type = 'client backend' AND usename <> {}",
        literal(SUPERUSER)
    );
    run.execute(&cut, "cut the connections of clients").await
}

struct Run<'a> {
    server: &'a Server,
    client: Client,
}

impl Run<'_> {
    async fn execute(&self, statements: &str, what: &str) -> Result<(), DataPlaneError> {
        self.client
            .batch_execute(statements)
            .await
            .map_err(|error| DataPlaneError::sql(what, &error))
    }

    async fn names(&self, query: &str, what: &str) -> Result<Vec<String>, DataPlaneError> {
        let rows = self
            .client
            .query(query, &[])
            .await
            .map_err(|error| DataPlaneError::sql(what, &error))?;
        Ok(rows.iter().filter_map(|row| row.try_get(0).ok()).collect())
    }

    /// Makes a role, or gives the one that is there its password.
    async fn role(&self, role: &Role) -> Result<(), DataPlaneError> {
        let name = identifier(&role.name);
        let known = self
            .client
            .query_opt("SELECT 1 FROM pg_roles WHERE rolname = $1", &[&role.name])
            .await
            .map_err(|error| DataPlaneError::sql("look for a role", &error))?
            .is_some();
        let login = match &role.password {
            Some(password) => format!("LOGIN PASSWORD {}", literal(password.reveal())),
            None => "NOLOGIN".to_owned(),
        };
        let verb = if known { "ALTER" } else { "CREATE" };
        let note = format!(
            "INSERT INTO control_plane.roles SELECT oid FROM pg_roles WHERE rolname = {} ON CONFLICT DO NOTHING",
            literal(&role.name)
        );
        self.execute(
            &format!(
                "{verb} ROLE {name} {login} CREATEDB CREATEROLE BYPASSRLS REPLICATION; \
                 GRANT neon_superuser TO {name}; {note}"
            ),
            "make a role",
        )
        .await
    }

    /// Makes a database, or gives the one that is there its name and its owner.
    async fn database(&self, database: &Database) -> Result<(), DataPlaneError> {
        let row = self
            .client
            .query_opt(
                "SELECT d.datname::text, pg_get_userbyid(d.datdba)::text FROM control_plane.databases c \
                 JOIN pg_database d ON d.oid = c.oid WHERE c.id = $1",
                &[&database.id],
            )
            .await
            .map_err(|error| DataPlaneError::sql("look for a database", &error))?;
        let name = identifier(&database.name);
        let owner = identifier(&database.owner_name);
        let known = row.and_then(|row| Some((row.try_get::<_, String>(0).ok()?, row.try_get::<_, String>(1).ok()?)));
        let Some((known_name, known_owner)) = known else {
            let taken = self
                .client
                .query_opt("SELECT 1 FROM pg_database WHERE datname = $1", &[&database.name])
                .await
                .map_err(|error| DataPlaneError::sql("look for a database", &error))?
                .is_some();
            let verb = if taken {
                format!("ALTER DATABASE {name} OWNER TO {owner}")
            } else {
                format!("CREATE DATABASE {name} OWNER {owner}")
            };
            self.execute(&verb, "make a database").await?;
            // As at Neon: every role that the API makes may make schemas in every database.
            self.execute(
                &format!("GRANT CREATE ON DATABASE {name} TO neon_superuser"),
                "share a database",
            )
            .await?;
            let note = format!(
                "INSERT INTO control_plane.databases SELECT {}, oid FROM pg_database WHERE datname = {} \
                 ON CONFLICT (id) DO UPDATE SET oid = excluded.oid",
                database.id,
                literal(&database.name)
            );
            return self.execute(&note, "note a database").await;
        };
        if known_name != database.name {
            let cut = format!(
                "SELECT pg_terminate_backend(pid, 2000) FROM pg_stat_activity WHERE datname = {}",
                literal(&known_name)
            );
            self.execute(&cut, "cut the connections of a database").await?;
            let rename = format!("ALTER DATABASE {} RENAME TO {name}", identifier(&known_name));
            self.execute(&rename, "rename a database").await?;
        }
        if known_owner != database.owner_name {
            self.execute(
                &format!("ALTER DATABASE {name} OWNER TO {owner}"),
                "hand over a database",
            )
            .await?;
        }
        Ok(())
    }

    /// Drops the databases that were the control plane's and no longer are.
    async fn drop_databases(&self, contents: &Cluster) -> Result<(), DataPlaneError> {
        let rows = self
            .client
            .query(
                "SELECT c.id, d.datname::text FROM control_plane.databases c JOIN pg_database d ON d.oid = c.oid",
                &[],
            )
            .await
            .map_err(|error| DataPlaneError::sql("list databases", &error))?;
        for row in rows {
            let (Ok(id), Ok(name)) = (row.try_get::<_, i64>(0), row.try_get::<_, String>(1)) else {
                continue;
            };
            if !contents.databases.iter().any(|database| database.id == id) {
                let gone = format!("DROP DATABASE {} WITH (FORCE)", identifier(&name));
                self.execute(&gone, "drop a database").await?;
                let note = format!("DELETE FROM control_plane.databases WHERE id = {id}");
                self.execute(&note, "forget a database").await?;
            }
        }
        Ok(())
    }

    /// Drops the roles that were the control plane's and no longer are. What they own goes to each database's owner.
    async fn drop_roles(&self, contents: &Cluster) -> Result<(), DataPlaneError> {
        let kept: BTreeSet<&str> = contents.roles.iter().map(|role| role.name.as_str()).collect();
        let known = self
            .names(
                "SELECT r.rolname::text FROM control_plane.roles c JOIN pg_roles r ON r.oid = c.oid",
                "list roles",
            )
            .await?;
        for name in known.iter().filter(|name| !kept.contains(name.as_str())) {
            let role = identifier(name);
            let databases = self
                .names(
                    "SELECT datname::text FROM pg_database WHERE datallowconn",
                    "list databases",
                )
                .await?;
            for database in databases {
                let client = self.server.connect(&database).await?;
                let statements = format!(
                    "DO $$ BEGIN EXECUTE format('REASSIGN OWNED BY %I TO %I', {0}, \
                     (SELECT pg_get_userbyid(datdba) FROM pg_database WHERE datname = current_database())); END $$; \
                     DROP OWNED BY {role}",
                    literal(name)
                );
                client
                    .batch_execute(&statements)
                    .await
                    .map_err(|error| DataPlaneError::sql("hand over what a role owns", &error))?;
            }
            self.execute(
                &format!(
                    "DELETE FROM control_plane.roles USING pg_roles \
                     WHERE pg_roles.oid = control_plane.roles.oid AND rolname = {}; DROP ROLE {role}",
                    literal(name)
                ),
                "drop a role",
            )
            .await?;
        }
        Ok(())
    }
}
