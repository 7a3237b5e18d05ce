//! What a run lost, told by a superuser's connection of its own that looks before and after: nothing that the run does to its
//! session, and nothing that the measured commit finds in there, has a part in it.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use tokio::sync::Mutex;
use tokio_postgres::{Client, Row, Statement};

/// So many rows of a table may go or change unasked.
pub const MAX_ROWS: usize = 100;

/// So few are no share of a table, and of more than one in so many it takes an approval.
pub const FEW_ROWS: usize = 1;
pub const SHARE: usize = 10;

const FACETS: &str = include_str!("facets.sql");

/// Tables with rows: which is whose root, and the columns.
const TABLES: &str = "
WITH RECURSIVE up (oid, above) AS (
    SELECT c.oid, c.oid FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relkind = 'r' AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
    UNION ALL SELECT up.oid, i.inhparent FROM up JOIN pg_inherits i ON i.inhrelid = up.above
)
SELECT c.oid::int8, (SELECT max(above::int8) FROM up
                     WHERE up.oid = c.oid AND NOT EXISTS (SELECT FROM pg_inherits WHERE inhrelid = up.above)),
       quote_ident(n.nspname) || '.' || quote_ident(c.relname),
       coalesce((SELECT array_agg(attnum::int8 ORDER BY attnum) FROM pg_attribute
                 WHERE attrelid = c.oid AND attnum > 0 AND NOT attisdropped), '{}'),
       coalesce((SELECT array_agg(quote_ident(attname) ORDER BY attnum) FROM pg_attribute
                 WHERE attrelid = c.oid AND attnum > 0 AND NOT attisdropped), '{}')
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.oid IN (SELECT oid FROM up) ORDER BY 1";

/// One thing that a run lost, or let somebody do.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Loss {
    /// `rows`, or `gone`, `changed`, `replaced` or `added` with a kind of [`facets.sql`](facets.sql).
    pub kind: String,
    pub what: String,
}

/// A table with rows.
#[derive(Debug, Clone)]
struct Table {
    root: i64,
    name: String,
    /// By number, and the name that each has now.
    columns: Vec<(i64, String)>,
}

type Facets = BTreeMap<(String, String), String>;

type Tables = BTreeMap<i64, Table>;

/// Of each table: how many rows, and the sum of their hashes.
type Sums = HashMap<i64, (i64, String)>;

/// That something is another than it was.
pub struct Change {
    digest: String,
    /// Where the facets are the same.
    sums: Option<Sums>,
}

/// What there was at one moment.
#[derive(Debug, Clone)]
pub struct State {
    /// A digest of the facets.
    digest: String,
    facets: Arc<Facets>,
    tables: Arc<Tables>,
    sums: Sums,
    /// Of each table: the hash of each row.
    rows: HashMap<i64, Vec<i64>>,
    /// The next transaction's number.
    pub next: String,
}

impl State {
    /// How many rows there are in each table, with those below it.
    pub fn counts(&self) -> BTreeMap<String, usize> {
        let mut counts = BTreeMap::new();
        for (oid, rows) in &self.rows {
            *counts.entry(self.name(self.tables[oid].root)).or_default() += rows.len();
        }
        counts
    }

    /// Whether everything but rows is as it was there.
    pub fn is_shaped_as(&self, other: &Self) -> bool {
        self.digest == other.digest
    }

    /// The names of the tables that have rows of their own.
    pub fn tables(&self) -> Vec<String> {
        self.tables.values().map(|table| table.name.clone()).collect()
    }

    /// Those of them with other rows than there.
    pub fn other_tables(&self, other: &Self) -> Vec<String> {
        let differs = |oid: &&i64| self.sums.get(oid) != other.sums.get(oid);
        let tables = self.tables.keys().filter(differs);
        tables.map(|oid| self.tables[oid].name.clone()).collect()
    }

    /// Whether what all databases share is as it was there.
    pub fn has_roles_of(&self, other: &Self) -> bool {
        let shared = |state: &Self| {
            let kinds = ["role", "role may", "role has", "member", "setting"];
            let named = |(kind, key): &(String, String)| kinds.contains(&kind.as_str()) || key.starts_with("role ");
            let facets = state.facets.iter().filter(|(key, _)| named(key));
            facets
                .map(|(key, value)| (key.clone(), value.clone()))
                .collect::<Facets>()
        };
        shared(self) == shared(other)
    }

    fn name(&self, oid: i64) -> String {
        let value = oid.to_string();
        let named = |((kind, key), name): (&(String, String), &String)| {
            (kind == "name" && *name == value).then(|| key.strip_prefix("relation ").map(str::to_owned))?
        };
        self.facets.iter().find_map(named).unwrap_or(value)
    }
}

/// The connection that looks.
pub struct Oracle {
    pub client: Client,
    /// Planning a query takes as long as running it.
    prepared: Mutex<HashMap<String, Statement>>,
}

impl Oracle {
    /// Looks over a superuser's connection.
    pub async fn new(client: Client) -> Self {
        let settings = "SET search_path = pg_catalog; SET row_security = off; SET jit = off; \
                        SET max_parallel_workers_per_gather = 0; SET enable_nestloop = on; SET plan_cache_mode = force_generic_plan";
        client.batch_execute(settings).await.unwrap();
        Self {
            client,
            prepared: Mutex::default(),
        }
    }

    async fn query(&self, query: &str) -> Vec<Row> {
        let mut prepared = self.prepared.lock().await;
        let statement = match prepared.get(query) {
            Some(statement) => statement.clone(),
            None => {
                let statement = self.client.prepare(query).await.unwrap();
                prepared.insert(query.to_owned(), statement.clone());
                statement
            }
        };
        self.client.query(&statement, &[]).await.unwrap()
    }

    pub async fn next(&self) -> String {
        self.query("SELECT pg_snapshot_xmax(pg_current_snapshot())::text").await[0].get(0)
    }

    async fn digest(&self) -> String {
        let query = format!(
            "SELECT md5(string_agg(md5(kind || '|' || key || '|' || coalesce(value, '')), '' \
             ORDER BY kind COLLATE \"C\", key COLLATE \"C\", value COLLATE \"C\")) FROM ({FACETS}) f"
        );
        self.query(&query).await[0].get(0)
    }

    async fn facets(&self) -> Facets {
        let rows = self.client.simple_query(FACETS).await.unwrap();
        let mut facets = Facets::new();
        for message in rows {
            if let tokio_postgres::SimpleQueryMessage::Row(row) = message {
                let column = |at| row.get(at).unwrap_or_default().to_owned();
                facets.insert((column(0), column(1)), column(2));
            }
        }
        facets
    }

    async fn tables(&self) -> Tables {
        let rows = self.query(TABLES).await;
        rows.iter()
            .map(|row| {
                let numbers: Vec<i64> = row.get(3);
                let names: Vec<String> = row.get(4);
                let table = Table {
                    root: row.get(1),
                    name: row.get(2),
                    columns: numbers.into_iter().zip(names).collect(),
                };
                (row.get(0), table)
            })
            .collect()
    }

    /// For each table what `aggregate` makes of the hashes of its rows.
    async fn per_table(&self, tables: &Tables, aggregate: &str) -> Vec<Row> {
        let parts: Vec<String> = tables
            .iter()
            .map(|(oid, table)| {
                let columns: Vec<&str> = table.columns.iter().map(|(_, name)| name.as_str()).collect();
                let columns = columns.join(", ");
                let name = &table.name;
                format!("SELECT {oid}::int8, {aggregate} FROM (SELECT hashtextextended(ROW({columns})::text, 0) AS h FROM ONLY {name}) r")
            })
            .collect();
        if parts.is_empty() {
            return Vec::new();
        }
        self.query(&parts.join(" UNION ALL ")).await
    }

    async fn sums(&self, tables: &Tables) -> Sums {
        let rows = self.per_table(tables, "count(*), coalesce(sum(h), 0)::text").await;
        rows.iter().map(|row| (row.get(0), (row.get(1), row.get(2)))).collect()
    }

    async fn rows(&self, tables: &Tables) -> HashMap<i64, Vec<i64>> {
        let rows = self.per_table(tables, "coalesce(array_agg(h), '{}')").await;
        rows.iter().map(|row| (row.get(0), row.get(1))).collect()
    }

    /// All that there is now.
    pub async fn look(&self) -> State {
        let next = self.next().await;
        let tables = Arc::new(self.tables().await);
        State {
            digest: self.digest().await,
            facets: Arc::new(self.facets().await),
            sums: self.sums(&tables).await,
            rows: self.rows(&tables).await,
            tables,
            next,
        }
    }

    /// What tells that anything is another than it was. Quick where no transaction wrote.
    pub async fn change(&self, before: &mut State) -> Option<Change> {
        let next = self.next().await;
        if next == before.next {
            return None;
        }
        before.next = next;
        let digest = self.digest().await;
        if digest != before.digest {
            return Some(Change { digest, sums: None });
        }
        let sums = self.sums(&before.tables).await;
        (sums != before.sums).then_some(Change {
            digest,
            sums: Some(sums),
        })
    }

    /// What there is now, and what was lost since.
    pub async fn losses(&self, before: &State, change: Change) -> (State, Vec<Loss>) {
        if let Some(sums) = change.sums {
            let rows = self.rows(&before.tables).await;
            let losses = row_losses(before, &rows, &HashSet::new());
            return (
                State {
                    sums,
                    rows,
                    ..before.clone()
                },
                losses,
            );
        }
        let mut after = self.look().await;
        after.digest = change.digest;
        let mut losses = facet_losses(&before.facets, &after.facets);
        losses.extend(self.row_losses(before, &after).await);
        losses.sort();
        losses.dedup();
        (after, losses)
    }

    async fn row_losses(&self, before: &State, after: &State) -> Vec<Loss> {
        // The columns that there were, under the names that they have now.
        let mut tables = BTreeMap::new();
        let mut incomparable = HashSet::new();
        for (oid, table) in &*before.tables {
            let Some(now) = after.tables.get(oid) else { continue };
            let columns: Option<Vec<_>> = table
                .columns
                .iter()
                .map(|(number, _)| now.columns.iter().find(|(known, _)| known == number).cloned())
                .collect();
            match columns {
                Some(columns) => {
                    let table = Table { columns, ..now.clone() };
                    tables.insert(*oid, table);
                }
                // That a column is gone is told as that.
                None => {
                    incomparable.insert(*oid);
                }
            }
        }
        let now = self.rows(&tables).await;
        row_losses(before, &now, &incomparable)
    }
}

/// Which tables lost more rows than may go unasked, by the hashes of their former rows and of those now.
fn row_losses(before: &State, now: &HashMap<i64, Vec<i64>>, incomparable: &HashSet<i64>) -> Vec<Loss> {
    let mut roots: BTreeMap<i64, (usize, HashMap<i64, i64>)> = BTreeMap::new();
    for (oid, table) in &*before.tables {
        if incomparable.contains(oid) {
            continue;
        }
        let (count, left) = roots.entry(table.root).or_default();
        let former = &before.rows[oid];
        *count += former.len();
        for hash in former {
            *left.entry(*hash).or_default() += 1;
        }
        for hash in now.get(oid).into_iter().flatten() {
            *left.entry(*hash).or_default() -= 1;
        }
    }
    let mut losses = Vec::new();
    for (root, (count, left)) in roots {
        let lost: i64 = left.values().filter(|left| **left > 0).sum();
        let lost = usize::try_from(lost).unwrap();
        if lost > MAX_ROWS || (lost > FEW_ROWS && SHARE * lost > count) {
            losses.push(Loss {
                kind: "rows".to_owned(),
                what: format!("{lost} of {count} rows of {}", before.name(root)),
            });
        }
    }
    losses
}

/// What a fact's being gone, another or new means.
fn facet_losses(before: &Facets, after: &Facets) -> Vec<Loss> {
    let mut losses = Vec::new();
    let mut lose = |how: &str, kind: &str, key: &str, detail: String| {
        losses.push(Loss {
            kind: format!("{kind} {how}"),
            what: format!("{key}{detail}"),
        });
    };
    for ((kind, key), value) in before {
        match after.get(&(kind.clone(), key.clone())) {
            // A thing that has another name is still there, unless another one has its name now.
            None if kind == "name" => {}
            None => lose("gone", kind, key, format!(" ({value})")),
            Some(now) if now == value => {}
            Some(now) if kind == "name" => lose("replaced", kind, key, format!(" (is {now}, was {value})")),
            // Rows and triggers of every session are more than those of some.
            Some(now) if matches!(kind.as_str(), "trigger on" | "rule on") && now == "A" => {}
            Some(now) if kind == "label" || kind == "setting" || !now.is_empty() || !value.is_empty() => {
                lose("changed", kind, key, format!(" (is {now}, was {value})"));
            }
            Some(_) => {}
        }
    }
    let known = |thing: &str| before.contains_key(&("owner".to_owned(), thing.to_owned()));
    for ((kind, key), value) in after {
        if before.contains_key(&(kind.clone(), key.clone())) {
            continue;
        }
        let added = match kind.as_str() {
            "member" | "setting" | "role may" | "default access" => true,
            // A permissive policy lets more through, on a table that was there.
            "policy" => {
                let table = after.get(&("policy on".to_owned(), key.clone()));
                value.starts_with("permissive") && table.is_some_and(|table| known(table))
            }
            "access" => {
                let (thing, right) = key.split_once(" to ").unwrap_or((key, ""));
                let thing = thing.split('.').next().unwrap_or(thing);
                known(thing) || !comes_with_it(after, before, thing, right, value)
            }
            _ => false,
        };
        if added {
            lose("added", kind, key, format!(" ({value})"));
        }
    }
    losses
}

/// Whether a right on a new thing is one that everything new of its kind gets: its owner's, PUBLIC's where PostgreSQL gives one,
/// or what default privileges said before.
fn comes_with_it(after: &Facets, before: &Facets, thing: &str, right: &str, letter: &str) -> bool {
    let (grantee, privilege) = right.split_once(' ').unwrap_or((right, ""));
    let owner = after.get(&("owner".to_owned(), thing.to_owned()));
    if owner.is_some_and(|owner| owner == grantee) || (grantee == "0" && matches!(letter, "f" | "T")) {
        return true;
    }
    before.iter().any(|((kind, key), object)| {
        kind == "default access"
            && object.eq_ignore_ascii_case(letter)
            && key.contains(&format!(" to {grantee} {privilege}"))
    })
}
