//! A database with something to lose, in a cluster of its own, that is as it was at the beginning whenever it is wanted so.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::time::Duration;

use bytes::Bytes;
use futures::{SinkExt as _, TryStreamExt as _};
use tokio_postgres::{Client, Config, NoTls};

use super::oracle::{Loss, Oracle, State};
use harness::postgres::{PASSWORD, Postgres, ROLE};

/// The database that scripts run in.
pub const DATABASE: &str = "neondb";

/// The role that runs them.
pub const OWNER: &str = "neondb_owner";

/// What a cluster of the tests' own gives that role for a password.
pub const OWNER_PASSWORD: &str = "quiet forest";

/// What a cluster of the tests' own says it is, as a compute at Neon does, and what makes it quick.
const SETTINGS: &[(&str, &str)] = &[
    ("neon.project_id", "quiet-forest-12345678"),
    ("neon.branch_id", "br-quiet-forest-a1b2c3d4"),
    ("neon.endpoint_id", "ep-quiet-forest-a1b2c3d4"),
    ("autovacuum", "off"),
    ("full_page_writes", "off"),
    ("wal_init_zero", "off"),
    ("min_wal_size", "32MB"),
    ("max_wal_size", "128MB"),
    ("jit", "off"),
];

/// How often rows are given back before the database is made anew: what was deleted takes room.
const MAX_REPAIRS: usize = 25;

const TEMPLATE: &str = "neondb_seed";

/// How to connect as the superuser, and as the role that runs scripts.
#[derive(Clone, Debug)]
pub struct Access {
    pub superuser: Config,
    pub owner: Config,
}

/// The database, its copy of before, and who looks at it.
pub struct Bench {
    pub access: Access,
    admin: Client,
    oracle: Option<Oracle>,
    seed: State,
    /// Which role has which, and may give it on.
    members: Vec<(String, String, bool)>,
    /// The rows of each table, as `COPY` writes them.
    rows: HashMap<String, Bytes>,
    /// How often rows were given back in the database that there is.
    repairs: usize,
    /// What there is now.
    pub state: State,
    // Ends the cluster with the bench.
    _cluster: Option<Postgres>,
}

impl Bench {
    /// A bench in a cluster of its own.
    pub async fn start() -> Self {
        let cluster = tokio::task::spawn_blocking(|| Postgres::own(SETTINGS)).await.unwrap();
        let config = |user: &str, password: &str| {
            let mut config = Config::new();
            config.host_path(cluster.socket.parent().unwrap());
            config.user(user).password(password);
            config
        };
        let access = Access {
            superuser: config(ROLE, PASSWORD),
            owner: config(OWNER, OWNER_PASSWORD),
        };
        let admin = connect(&access.superuser, "postgres").await;
        admin.batch_execute(include_str!("roles.sql")).await.unwrap();
        let make = format!("CREATE DATABASE {DATABASE} OWNER {OWNER}");
        admin.batch_execute(&make).await.unwrap();
        let share = format!("GRANT CREATE ON DATABASE {DATABASE} TO neon_superuser");
        admin.batch_execute(&share).await.unwrap();
        Self::at(access, Some(cluster)).await
    }

    /// A bench in a cluster that runs, with the roles and the empty database in it.
    pub async fn at(access: Access, cluster: Option<Postgres>) -> Self {
        let admin = connect(&access.superuser, "postgres").await;
        let owner = connect(&access.owner, DATABASE).await;
        owner.batch_execute(include_str!("seed.sql")).await.unwrap();
        drop(owner);
        let oracle = Oracle::new(connect(&access.superuser, DATABASE).await).await;
        let seed = oracle.look().await;
        let mut all_rows = HashMap::new();
        for name in seed.tables() {
            let copy = oracle.client.copy_out(&format!("COPY {name} TO STDOUT")).await.unwrap();
            let rows: Vec<Bytes> = copy.try_collect().await.unwrap();
            all_rows.insert(name, Bytes::from(rows.concat()));
        }
        drop(oracle);
        let members = "SELECT roleid::regrole::text, member::regrole::text, bool_or(admin_option) \
                       FROM pg_auth_members WHERE member >= 16384 GROUP BY 1, 2";
        let members = admin.query(members, &[]).await.unwrap();
        let mut bench = Self {
            access,
            admin,
            oracle: None,
            members: members.iter().map(|row| (row.get(0), row.get(1), row.get(2))).collect(),
            rows: all_rows,
            repairs: 0,
            state: seed.clone(),
            seed,
            _cluster: cluster,
        };
        bench.cut(DATABASE).await;
        bench.copy(TEMPLATE, DATABASE).await;
        bench.restore(true).await;
        bench
    }

    async fn copy(&self, name: &str, of: &str) {
        let make = format!("CREATE DATABASE {name} TEMPLATE {of} OWNER {OWNER}");
        // Whoever was connected a moment ago may not be gone yet.
        for _ in 0..100 {
            match self.admin.batch_execute(&make).await {
                Ok(()) => return,
                Err(error) if error.code().is_some_and(|code| code.code() == "55006") => {
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
                Err(error) => panic!("{error:?}"),
            }
        }
        panic!("{of} is in use");
    }

    /// Ends all connections to a database, and waits until they have ended. PostgreSQL itself looks for that every 100 ms.
    async fn cut(&self, database: &str) {
        let cut = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = $1";
        while !self.admin.query(cut, &[&database]).await.unwrap().is_empty() {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }

    /// Makes the database what it was at the beginning, and what the roles may. Returns whether it is another database, to
    /// which nobody is connected. Where only rows are other ones, it is the same.
    pub async fn renew(&mut self) -> bool {
        if self.state.is_shaped_as(&self.seed) && self.repairs < MAX_REPAIRS {
            self.repairs += 1;
            self.repair().await;
            return false;
        }
        let with_roles = !self.state.has_roles_of(&self.seed);
        self.restore(with_roles).await;
        self.repairs = 0;
        true
    }

    /// Gives the tables that have other rows than at the beginning those of then.
    async fn repair(&mut self) {
        let oracle = self.oracle.as_ref().expect("the database is there");
        oracle
            .client
            .batch_execute("BEGIN; SET LOCAL session_replication_role = replica")
            .await
            .unwrap();
        for name in self.state.other_tables(&self.seed) {
            let empty = format!("DELETE FROM ONLY {name}");
            oracle.client.batch_execute(&empty).await.unwrap();
            let copy = format!("COPY {name} FROM STDIN");
            let sink = oracle.client.copy_in::<_, Bytes>(&copy).await.unwrap();
            let mut sink = std::pin::pin!(sink);
            sink.send(self.rows[&name].clone()).await.unwrap();
            sink.finish().await.unwrap();
        }
        oracle.client.batch_execute("COMMIT").await.unwrap();
        self.state = self.seed.clone();
        self.state.next = oracle.next().await;
    }

    async fn restore(&mut self, with_roles: bool) {
        self.oracle = None;
        self.cut(DATABASE).await;
        self.admin
            .batch_execute(&format!("DROP DATABASE IF EXISTS {DATABASE} WITH (FORCE)"))
            .await
            .unwrap();
        if with_roles {
            self.restore_roles().await;
        }
        self.copy(DATABASE, TEMPLATE).await;
        let share = format!("GRANT CREATE ON DATABASE {DATABASE} TO neon_superuser");
        self.admin.batch_execute(&share).await.unwrap();
        // A sandbox knows its databases by their oids.
        let note = format!(
            "DO $$ BEGIN IF to_regclass('control_plane.databases') IS NOT NULL THEN \
             UPDATE control_plane.databases SET oid = (SELECT oid FROM pg_database WHERE datname = '{DATABASE}'); \
             END IF; END $$"
        );
        self.admin.batch_execute(&note).await.unwrap();
        let oracle = Oracle::new(connect(&self.access.superuser, DATABASE).await).await;
        // A copy has the same oids in it; but a password that was set again has another salt.
        if with_roles {
            self.seed = oracle.look().await;
        }
        self.state = self.seed.clone();
        self.oracle = Some(oracle);
    }

    /// Makes roles, which no copy of a database brings back, what they were.
    async fn restore_roles(&self) {
        let rows = self
            .admin
            .query(
                "SELECT rolname::text FROM pg_roles WHERE oid >= 16384 AND NOT rolsuper",
                &[],
            )
            .await
            .unwrap();
        let known = [
            "neon_superuser",
            OWNER,
            "reader",
            "writer",
            "app",
            "vault_owner",
            "loose",
        ];
        let mut script = String::new();
        let found: Vec<String> = rows.iter().map(|row| row.get(0)).collect();
        if found.iter().any(|name| name == "tight") {
            script += "ALTER ROLE tight RENAME TO loose;";
        } else if !found.iter().any(|name| name == "loose") {
            script += "CREATE ROLE loose NOLOGIN;";
        }
        for name in found
            .iter()
            .filter(|name| !known.contains(&name.as_str()) && *name != "tight")
        {
            let _ = write!(script, "DROP ROLE \"{name}\";");
        }
        script += "
            DO $$ DECLARE m record; BEGIN
                FOR m IN SELECT roleid::regrole AS role, member::regrole AS member FROM pg_auth_members WHERE member >= 16384
                LOOP EXECUTE format('REVOKE %s FROM %s CASCADE', m.role, m.member); END LOOP;
            END $$;
            ALTER ROLE ALL RESET ALL;
            ALTER ROLE reader PASSWORD 'r';
            ALTER ROLE app PASSWORD 'a';";
        for (role, member, admin) in &self.members {
            let admin = if *admin { "WITH ADMIN OPTION" } else { "" };
            let _ = write!(script, "GRANT {role} TO {member} {admin};");
        }
        for name in known {
            let may = match name {
                "neon_superuser" => "NOLOGIN CREATEDB CREATEROLE BYPASSRLS NOREPLICATION",
                OWNER => "LOGIN CREATEDB CREATEROLE BYPASSRLS REPLICATION",
                "reader" | "app" => "LOGIN NOCREATEDB NOCREATEROLE NOBYPASSRLS NOREPLICATION",
                _ => "NOLOGIN NOCREATEDB NOCREATEROLE NOBYPASSRLS NOREPLICATION",
            };
            let _ = write!(
                script,
                "ALTER ROLE {name} RESET ALL; ALTER ROLE {name} {may} CONNECTION LIMIT -1 VALID UNTIL 'infinity';"
            );
        }
        script += "ALTER ROLE reader SET statement_timeout = '10s';";
        self.admin
            .batch_execute(&script)
            .await
            .unwrap_or_else(|error| panic!("{error:?}\n{script}"));
    }

    /// What was lost since the last look, if anything is another than it was. What there is now counts from now on.
    pub async fn losses(&mut self) -> Option<Vec<Loss>> {
        let oracle = self.oracle.as_ref().expect("the database is there");
        let change = oracle.change(&mut self.state).await?;
        let (state, losses) = oracle.losses(&self.state, change).await;
        self.state = state;
        Some(losses)
    }

    /// Whether so much is gone by and by that there is little left to lose.
    pub fn is_worn(&self) -> bool {
        let now = self.state.counts();
        self.seed
            .counts()
            .iter()
            .any(|(name, count)| now.get(name).copied().unwrap_or(0) * 4 < count * 3)
    }
}

/// A connection to a database.
pub async fn connect(config: &Config, database: &str) -> Client {
    let mut config = config.clone();
    config.dbname(database);
    let (client, connection) = config.connect(NoTls).await.unwrap_or_else(|error| panic!("{error:?}"));
    tokio::spawn(connection);
    client
}
