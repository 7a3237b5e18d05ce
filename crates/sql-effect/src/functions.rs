//! Functions that change something, or reach something, that a read-only transaction doesn't keep them from.
//!
//! A READ ONLY transaction stops every function from writing tables. It doesn't stop what is listed here: other
//! sessions, settings of this one, files, other servers, replication, statistics. A
//! function of the user's that does none of this can only read there, so what isn't listed may be called.

use super::grade::Grade;
use super::lex::{Kind, Token};
use super::{name, settings};
use std::collections::HashMap;
use std::sync::LazyLock;

use Grade::{Destructive, Leaves, Write};

/// A name, or its beginning where it ends in `*`, after its schema and a dot where the name alone is too common; what a
/// call of it is; the end of "because it …".
type Entry = (&'static str, Grade, &'static str);

#[rustfmt::skip]
const LISTED: &[Entry] = &[
    // Other sessions and the server itself.
    ("pg_terminate_backend", Destructive, "ends another session"),
    ("pg_cancel_backend", Destructive, "cancels another session's statement"),
    ("pg_reload_conf", Write, "makes the server read its configuration again"),
    ("pg_rotate_logfile*", Write, "rotates the server's log"),
    ("pg_log_backend_memory_contexts", Write, "writes to the server's log"),
    ("pg_promote", Destructive, "promotes a standby"),
    ("pg_backup_st*", Write, "starts or ends a backup"),
    ("pg_start_backup", Write, "starts a backup"),
    ("pg_stop_backup", Write, "ends a backup"),
    ("pg_switch_wal", Write, "switches the write-ahead log"),
    ("pg_switch_xlog", Write, "switches the write-ahead log"),
    ("pg_create_restore_point", Write, "writes to the write-ahead log"),
    ("pg_logical_emit_message", Write, "writes to the write-ahead log"),
    ("pg_wal_replay_*", Write, "pauses or resumes recovery"),
    ("pg_log_standby_snapshot", Write, "writes to the write-ahead log"),
    ("pg_nextoid", Write, "uses up an object id"),
    ("pg_stop_making_pinned_objects", Write, "changes how object ids are given out"),
    ("binary_upgrade_*", Leaves, "is meant for pg_upgrade alone"),
    ("trigger_panic", Destructive, "crashes the server"),
    ("trigger_segfault", Destructive, "crashes the server"),
    ("clear_buffer_cache", Write, "empties caches"),
    ("neon_xlogflush", Write, "flushes the write-ahead log"),
    ("pg_buffercache_evict*", Write, "empties caches"),
    // Settings, locks and other state of a session, which a pool hands on.
    ("set_config", Write, "changes a setting"),
    ("set_limit", Write, "changes a setting"),
    ("pg_advisory_*", Write, "takes or frees a lock"),
    ("pg_try_advisory_*", Write, "takes a lock"),
    ("pg_export_snapshot", Write, "exports a snapshot"),
    ("pg_notify", Write, "notifies other sessions"),
    ("hypopg*", Write, "changes hypothetical indexes"),
    ("jwt_session_init", Write, "changes who the session acts for"),
    // Sequences: a read-only transaction refuses them, but a statement that calls one is no read.
    ("nextval", Write, "advances a sequence"),
    ("setval", Write, "sets a sequence"),
    // Large objects.
    ("lo_unlink", Destructive, "deletes a large object"),
    ("lo_truncate*", Destructive, "truncates a large object"),
    ("lo_import*", Leaves, "reads a file on the server"),
    ("lo_export", Leaves, "writes a file on the server"),
    ("lo_manage", Destructive, "deletes large objects"),
    ("lo_put", Destructive, "overwrites a large object"),
    ("lowrite", Destructive, "overwrites a large object"),
    ("lo_creat*", Write, "creates a large object"),
    ("lo_from_bytea", Write, "creates a large object"),
    ("lo_open", Write, "opens a large object"),
    ("lo_close", Write, "closes a large object"),
    ("lo_lseek*", Write, "moves in an opened large object"),
    ("lo_tell*", Write, "reads from an opened large object"),
    ("loread", Write, "reads from an opened large object"),
    // Files on the server.
    ("pg_read_file*", Leaves, "reads a file on the server"),
    ("pg_read_binary_file*", Leaves, "reads a file on the server"),
    ("pg_stat_file*", Leaves, "looks at files on the server"),
    ("pg_ls_*", Leaves, "looks at files on the server"),
    ("pg_logdir_ls*", Leaves, "looks at files on the server"),
    ("pg_current_logfile*", Leaves, "looks at files on the server"),
    ("pg_file_*", Leaves, "changes files on the server"),
    ("pg_write*", Leaves, "writes a file on the server"),
    ("pg_hba_file_rules", Leaves, "reads the server's access rules"),
    ("autoprewarm_*", Write, "writes a file on the server"),
    // Replication.
    ("pg_create_physical_replication_slot", Write, "creates a replication slot"),
    ("pg_create_logical_replication_slot", Write, "creates a replication slot"),
    ("pg_copy_*", Write, "creates a replication slot"),
    ("pg_drop_replication_slot", Destructive, "drops a replication slot"),
    ("pg_sync_replication_slots", Write, "changes replication slots"),
    ("pg_replication_slot_advance", Destructive, "drops what a replication slot keeps"),
    ("pg_replication_*", Write, "changes the state of replication"),
    ("pg_logical_slot_get_*", Destructive, "uses up the changes that a replication slot keeps"),
    ("pg_logical_*", Write, "reads from a replication slot, which can use up its changes"),
    // Statistics and storage, which no transaction guards.
    ("pg_stat_reset*", Write, "resets statistics"),
    ("pg_stat_statements_reset", Write, "resets statistics"),
    ("pg_restore_*", Write, "changes statistics"),
    ("pg_clear_*", Write, "changes statistics"),
    ("pg_set_*", Write, "changes statistics"),
    ("approximate_working_set_size", Write, "can reset statistics"),
    ("brin_summarize_*", Write, "changes an index"),
    ("brin_desummarize_range", Write, "changes an index"),
    ("gin_clean_pending_list", Write, "changes an index"),
    ("pg_import_system_collations", Write, "creates collations"),
    ("pg_truncate_visibility_map", Write, "changes a table's visibility map"),
    ("heap_force_*", Destructive, "changes rows past every rule"),
    // SQL in a string, which isn't seen here, and ways out of the database.
    ("query_to_xml*", Leaves, "runs SQL from a string, which isn't seen here"),
    ("table_to_xml*", Leaves, "reads whatever stands in a string, which isn't seen here"),
    ("schema_to_xml*", Leaves, "reads whatever stands in a string, which isn't seen here"),
    ("database_to_xml*", Leaves, "reads whatever stands in a database, which isn't seen here"),
    ("cursor_to_xml*", Write, "moves a cursor"),
    ("ts_stat", Leaves, "runs SQL from a string, which isn't seen here"),
    ("ts_rewrite", Leaves, "can run SQL from a string, which isn't seen here"),
    ("crosstab*", Leaves, "runs SQL from a string, which isn't seen here"),
    ("connectby", Leaves, "runs SQL made from strings, which isn't seen here"),
    ("xpath_table", Leaves, "runs SQL made from strings, which isn't seen here"),
    ("dblink*", Leaves, "runs SQL over another connection, which isn't seen here"),
    ("pg_background_*", Leaves, "runs SQL in another session, which isn't seen here"),
    ("run_on_*", Leaves, "runs SQL on other servers, which isn't seen here"),
    ("run_command_on_*", Leaves, "runs SQL on other servers, which isn't seen here"),
    ("postgres_fdw_disconnect*", Write, "closes connections to other servers"),
    ("http", Leaves, "sends a request to another server"),
    ("http_*", Leaves, "sends a request to another server"),
    ("openai_*", Leaves, "sends a request to another server"),
    ("anthropic_*", Leaves, "sends a request to another server"),
    ("voyageai_*", Leaves, "sends a request to another server"),
    ("fireworks_*", Leaves, "sends a request to another server"),
    ("pg_extension_config_dump", Write, "changes what a dump of an extension holds"),
    ("injection_points_*", Destructive, "makes the server fail"),
    // Code of a type or an index that is named at run time.
    ("array_in", Leaves, "calls code of a type that is named at run time"),
    ("domain_in", Leaves, "calls code of a type that is named at run time"),
    ("multirange_in", Leaves, "calls code of a type that is named at run time"),
    ("range_in", Leaves, "calls code of a type that is named at run time"),
    ("record_in", Leaves, "calls code of a type that is named at run time"),
    ("pg_input_error_info", Leaves, "calls code of a type that is named at run time"),
    ("pg_input_is_valid", Leaves, "calls code of a type that is named at run time"),
    ("fmgr_sql_validator", Leaves, "calls code of a function that is named at run time"),
    ("plpgsql_validator", Leaves, "calls code of a function that is named at run time"),
    ("bt_index_*", Leaves, "calls code of an index that is named at run time"),
    ("gin_index_check", Leaves, "calls code of an index that is named at run time"),
    // pg_cron and other schedulers: what they run later is seen by nobody.
    ("cron.schedule*", Leaves, "runs SQL from a string later, which isn't seen here"),
    ("schedule_in_database", Leaves, "runs SQL from a string later, which isn't seen here"),
    ("cron.alter_job", Leaves, "changes what runs later, which isn't seen here"),
    ("alter_job", Leaves, "changes what runs later, which isn't seen here"),
    ("unschedule", Destructive, "removes a job"),
    // TimescaleDB.
    ("drop_chunk*", Destructive, "drops chunks of a table and what they hold"),
    ("delete_data*", Destructive, "drops data or the way to it"),
    ("detach_data_node", Destructive, "takes data out of a table"),
    ("add_data_node", Leaves, "connects to another server"),
    ("attach_data_node", Leaves, "connects to another server"),
    ("distributed_exec", Leaves, "runs SQL on other servers, which isn't seen here"),
    ("add_retention_policy", Destructive, "has old rows dropped from now on"),
    ("add_drop_chunks_policy", Destructive, "has old rows dropped from now on"),
    ("add_job", Destructive, "has a routine run later, whose body isn't seen here"),
    ("run_job", Destructive, "runs a job, which isn't seen here"),
    ("delete_job", Destructive, "removes a job"),
    ("remove_retention_policy", Write, "removes a job"),
    ("move_chunk", Destructive, "moves a chunk of a table"),
    ("copy_chunk", Write, "copies a chunk of a table"),
    ("cleanup_copy_chunk_operation", Destructive, "drops a copied chunk"),
    ("merge_chunks", Destructive, "replaces chunks of a table"),
    ("timescaledb_pre_restore", Destructive, "turns TimescaleDB off for the database"),
    ("_timescaledb_functions.drop_*", Destructive, "drops parts of a table"),
    ("_timescaledb_functions.policy_*", Destructive, "runs a job"),
    ("_timescaledb_internal.drop_*", Destructive, "drops parts of a table"),
    ("_timescaledb_internal.policy_*", Destructive, "runs a job"),
    // PostGIS and pgRouting.
    ("dropgeometrytable", Destructive, "drops a table"),
    ("dropgeometrycolumn", Destructive, "drops a column and what it holds"),
    ("droptopology", Destructive, "drops a schema"),
    ("droptopogeometrycolumn", Destructive, "drops a column and what it holds"),
    ("droprasterconstraints", Destructive, "drops constraints"),
    ("dropoverviewconstraints", Destructive, "drops constraints"),
    ("cleartopogeom", Destructive, "empties a geometry"),
    ("updategeometrysrid", Destructive, "changes a column's type and what it holds"),
    ("populate_geometry_columns", Destructive, "changes the types of columns"),
    ("addgeometrycolumn", Write, "adds a column"),
    ("st_fromgdalraster", Leaves, "can read files and other servers"),
    ("pgr_*", Leaves, "runs SQL from a string, which isn't seen here"),
    ("vrp_*", Leaves, "runs SQL from a string, which isn't seen here"),
    // Anonymizer.
    ("anon.anonymize_*", Destructive, "overwrites rows for good"),
    ("anonymize_database", Destructive, "overwrites rows for good"),
    ("anonymize_table", Destructive, "overwrites rows for good"),
    ("anonymize_column", Destructive, "overwrites rows for good"),
    ("anon.static_*", Destructive, "overwrites rows for good"),
    ("anon.shuffle_column", Destructive, "overwrites rows for good"),
    ("anon.add_noise_*", Destructive, "overwrites rows for good"),
    ("anon.apply_*", Destructive, "overwrites rows for good"),
    ("anon.remove_*", Destructive, "turns masking off"),
    ("anon.unmask_*", Destructive, "turns masking off"),
    ("anon.stop_*", Destructive, "turns masking off"),
    ("anon.start_*", Destructive, "changes what is masked"),
    ("anon.mask_*", Destructive, "changes what is masked"),
    ("anon.set_secret_*", Destructive, "changes how is masked"),
    ("anon.reset", Destructive, "drops what masking needs"),
    ("anon.load*", Leaves, "reads a file on the server"),
    ("anon.init*", Write, "loads what masking needs"),
    ("anon.dump*", Destructive, "hands over data"),
    // pg_partman.
    ("drop_partition_*", Destructive, "drops partitions and what they hold"),
    ("undo_partition*", Destructive, "takes a table's partitions apart"),
    ("run_maintenance*", Destructive, "can drop partitions and what they hold"),
    ("partman.drop_*", Destructive, "drops parts of a table"),
    ("partman.reapply_privileges", Destructive, "changes rights"),
    ("partition_data_*", Write, "moves rows"),
    // Queues.
    ("drop_queue", Destructive, "drops a queue and what it holds"),
    ("purge_queue", Destructive, "empties a queue"),
    ("pgmq.delete*", Destructive, "deletes messages"),
    ("pgmq.pop*", Destructive, "deletes messages"),
    ("pgmq.detach_archive", Destructive, "takes a queue's archive apart"),
    ("pgmq.*", Write, "changes a queue"),
    ("pgq.*", Write, "changes a queue"),
    // Apache AGE.
    ("cypher", Leaves, "runs a query from a string, which isn't seen here"),
    ("drop_graph", Destructive, "drops a graph and what it holds"),
    ("drop_label", Destructive, "drops a part of a graph and what it holds"),
    ("load_labels_from_file", Leaves, "reads a file on the server"),
    ("load_edges_from_file", Leaves, "reads a file on the server"),
    // Others that run SQL or commands from a string, or reach other servers.
    ("net.worker_restart", Write, "restarts a worker"),
    ("graphql.resolve", Leaves, "runs a query from a string, which isn't seen here"),
    ("graphql._internal_resolve", Leaves, "runs a query from a string, which isn't seen here"),
    ("graphql_public.graphql", Leaves, "runs a query from a string, which isn't seen here"),
    ("index_advisor", Leaves, "runs SQL from a string, which isn't seen here"),
    ("pgroonga_command*", Leaves, "runs a command from a string, which isn't seen here"),
    ("dbms_sql.*", Leaves, "runs SQL from a string, which isn't seen here"),
    ("utl_file.*", Leaves, "reaches files on the server"),
    ("dbms_pipe.*", Write, "talks to other sessions"),
    ("dbms_alert.*", Write, "talks to other sessions"),
    ("duckdb.*", Leaves, "runs SQL from a string, which isn't seen here"),
    ("mooncake.*", Leaves, "reaches files and other servers"),
    ("read_parquet*", Leaves, "reads files or other servers"),
    ("read_csv*", Leaves, "reads files or other servers"),
    ("read_json*", Leaves, "reads files or other servers"),
    ("iceberg_*", Leaves, "reads files or other servers"),
    ("delta_scan", Leaves, "reads files or other servers"),
    ("pgml.*", Leaves, "runs code that can reach other servers"),
    ("ai.ollama_*", Leaves, "sends a request to another server"),
    ("ai.cohere_*", Leaves, "sends a request to another server"),
    ("ai.litellm_*", Leaves, "sends a request to another server"),
    ("ai.load_dataset*", Leaves, "reads from another server"),
    ("ai.text_to_sql", Leaves, "sends a request to another server"),
    ("ai.create_vectorizer", Leaves, "has rows sent to another server"),
    ("ai.execute_vectorizer", Leaves, "sends rows to another server"),
    ("ai.drop_vectorizer", Destructive, "drops a vectorizer"),
    ("aws_s3.*", Leaves, "reaches another server"),
    ("aws_lambda.*", Leaves, "sends a request to another server"),
    ("aws_ml.*", Leaves, "sends a request to another server"),
    ("aws_bedrock.*", Leaves, "sends a request to another server"),
    ("azure_*", Leaves, "reaches another server"),
    ("azure_ai.*", Leaves, "sends a request to another server"),
    ("azure_openai.*", Leaves, "sends a request to another server"),
    ("azure_storage.*", Leaves, "reaches another server"),
    ("google_ml.*", Leaves, "sends a request to another server"),
    ("pglogical.*", Leaves, "changes replication with other servers"),
    ("spock.*", Leaves, "changes replication with other servers"),
    ("bdr.*", Leaves, "changes replication with other servers"),
    ("repack.*", Destructive, "is meant for pg_repack alone"),
    ("auth.init", Write, "changes who the session acts for"),
    // Citus.
    ("citus_add_*", Leaves, "connects to another server"),
    ("citus_drop_*", Destructive, "drops parts of a table"),
    ("citus_remove_*", Destructive, "takes a server out"),
    ("truncate_local_data_after_distributing_table", Destructive, "empties a table"),
    ("table_import_from_s3", Leaves, "reads from another server"),
    ("query_export_to_s3", Leaves, "writes to another server"),
];

/// Those of the list whose work a rollback takes back; that of the others is taken to outlive it.
const ROLLED_BACK: [&str; 45] = [
    "set_config",
    "nextval",
    "pg_notify",
    "lo_unlink",
    "lo_truncate*",
    "lo_manage",
    "lo_put",
    "lowrite",
    "lo_creat*",
    "lo_from_bytea",
    "lo_open",
    "lo_close",
    "lo_lseek*",
    "lo_tell*",
    "loread",
    "pg_import_system_collations",
    "cursor_to_xml*",
    "dropgeometrytable",
    "dropgeometrycolumn",
    "droptopology",
    "droptopogeometrycolumn",
    "droprasterconstraints",
    "dropoverviewconstraints",
    "cleartopogeom",
    "updategeometrysrid",
    "populate_geometry_columns",
    "addgeometrycolumn",
    "anon.anonymize_*",
    "anonymize_database",
    "anonymize_table",
    "anonymize_column",
    "anon.static_*",
    "anon.shuffle_column",
    "anon.add_noise_*",
    "anon.apply_*",
    "drop_chunk*",
    "delete_data*",
    "unschedule",
    "purge_queue",
    "pgmq.delete*",
    "pgmq.pop*",
    "pgmq.detach_archive",
    "pgmq.*",
    "drop_graph",
    "drop_label",
];

/// The listed functions that these names may be and whose work outlives a rollback. A schema counts as written where it is among
/// the names.
pub(super) fn outliving<'n>(names: impl Iterator<Item = &'n str> + Clone) -> impl Iterator<Item = &'static str> {
    listed_functions()
        .filter(|function| function.outlives)
        .filter(move |function| {
            let in_schema = function
                .schema
                .is_none_or(|schema| names.clone().any(|name| name == schema));
            in_schema
                // Locks of a transaction end with it.
                && names.clone().filter(|name| !name.contains("_xact_")).any(|name| {
                    if function.prefix {
                        name.starts_with(function.pattern) && !HARMLESS.contains(&name)
                    } else {
                        name == function.pattern
                    }
                })
        })
        .map(|function| function.pattern)
}

/// Functions that the list's patterns mean, though they only read.
const HARMLESS: [&str; 2] = ["pgr_version", "pgr_full_version"];

/// A function on the list, or several with names that begin alike.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ListedFunction {
    /// The schema that it has to be in, where its name alone is too common.
    pub schema: Option<&'static str>,
    /// Its name, or the beginning of it. Empty where every function of the schema is meant.
    pub pattern: &'static str,
    /// Whether the pattern is only the beginning of the name.
    pub prefix: bool,
    /// Whether its effect isn't bounded by the branch.
    pub leaves: bool,
    /// Whether calling it is destructive; else it is a write.
    pub destructive: bool,
    /// Whether what it does outlives a rollback: a backend that was ended, a replication slot that was dropped.
    pub outlives: bool,
    /// What it does: the end of "because it …".
    pub reason: &'static str,
}

/// The functions that a read-only transaction doesn't stop, or that destroy, in the order in which they are looked up:
/// the first that fits counts.
pub fn listed_functions() -> impl Iterator<Item = ListedFunction> {
    LISTED.iter().map(|(pattern, grade, reason)| {
        let (schema, name) = split(pattern);
        ListedFunction {
            schema,
            pattern: name.trim_end_matches('*'),
            prefix: name.ends_with('*'),
            leaves: *grade == Leaves,
            destructive: *grade >= Destructive,
            outlives: !ROLLED_BACK.contains(pattern),
            reason,
        }
    })
}

fn split(pattern: &'static str) -> (Option<&'static str>, &'static str) {
    match pattern.split_once('.') {
        Some((schema, name)) => (Some(schema), name),
        None => (None, pattern),
    }
}

/// The places on the list by how the names there begin, so that a name isn't compared with all of them. Those without a
/// name, which mean every function of a schema, are under the empty beginning.
static BY_BEGINNING: LazyLock<HashMap<&'static str, Vec<usize>>> = LazyLock::new(|| {
    let mut places: HashMap<&'static str, Vec<usize>> = HashMap::new();
    for (place, (pattern, ..)) in LISTED.iter().enumerate() {
        let name = split(pattern).1.trim_end_matches('*');
        let beginning = name.get(..BEGINNING).unwrap_or_default();
        places.entry(beginning).or_default().push(place);
    }
    places
});

/// The bytes of a name's beginning. No listed name is shorter, but those that are none.
const BEGINNING: usize = 3;

/// What a function of this name does beyond reading. One that is listed without a schema counts in every schema, and one
/// that is listed with one only where that is written.
fn listed(schema: Option<&str>, name: &str) -> Option<(Grade, &'static str)> {
    let fits = |entry: &'static str| {
        let (wanted, pattern) = split(entry);
        wanted.is_none_or(|wanted| schema == Some(wanted))
            && pattern
                .strip_suffix('*')
                .map_or(name == pattern, |start| name.starts_with(start))
    };
    if HARMLESS.contains(&name) {
        return None;
    }
    let places = |beginning: &str| BY_BEGINNING.get(beginning).map_or(&[] as &[usize], Vec::as_slice);
    let own = name.get(..BEGINNING).map_or(&[] as &[usize], places);
    // The first on the list counts, as if all of it had been looked through.
    own.iter()
        .chain(places(""))
        .filter_map(|place| LISTED.get(*place).map(|entry| (place, entry)))
        .filter(|(_, (pattern, ..))| fits(pattern))
        .min_by_key(|(place, _)| **place)
        .map(|(_, (_, effect, reason))| (*effect, *reason))
}

/// The schema that is written before the token at this place.
fn schema(tokens: &[Token<'_>], at: usize) -> Option<String> {
    let [.., schema, dot] = tokens.get(..at)? else {
        return None;
    };
    if dot.kind != Kind::Dot {
        return None;
    }
    name::named(schema, &[])
}

/// Whether the name at this place can only be a table's, whose columns follow it: `INSERT INTO http (…)`.
fn is_table(tokens: &[Token<'_>], at: usize) -> bool {
    let mut before = tokens.get(..at).unwrap_or_default();
    while let [rest @ .., _, dot] = before
        && dot.kind == Kind::Dot
    {
        before = rest;
    }
    match before {
        [.., word] if word.is_any(&["into", "table", "references", "copy"]) => true,
        [.., not, exists] => not.is("not") && exists.is("exists"),
        _ => false,
    }
}

/// Whether a token is one of these names, in quotes or not.
fn is_name(tokens: &[Token<'_>], at: usize, wanted: &[&str]) -> bool {
    match tokens.get(at) {
        Some(token) if token.kind == Kind::Word => token.is_any(wanted),
        Some(token) if matches!(token.kind, Kind::Quoted | Kind::Unicode) => {
            name::named(token, tokens.get(at + 1..).unwrap_or_default())
                .is_some_and(|name| wanted.contains(&name.as_str()))
        }
        _ => false,
    }
}

/// The listed functions that are called in a statement, with what each does. Names whose escapes are wrong count, too:
/// what they name isn't known.
pub(super) fn called(tokens: &[Token<'_>]) -> Vec<(Grade, String)> {
    let mut found = Vec::new();
    for (at, token) in tokens.iter().enumerate() {
        if !matches!(token.kind, Kind::Word | Kind::Quoted | Kind::Unicode) {
            continue;
        }
        let mut after = tokens.get(at + 1..).unwrap_or_default();
        let whole = after;
        if matches!(after, [word, string, ..] if word.is("uescape") && string.kind == Kind::String) {
            after = after.get(2..).unwrap_or_default();
        }
        if after.first().is_none_or(|next| next.text != "(") || is_table(tokens, at) {
            continue;
        }
        match name::named(token, whole) {
            Some(name) => {
                if name == "set_config"
                    && let Some(reason) = settings::configured(after.get(1..).unwrap_or_default())
                {
                    found.push((Destructive, reason));
                }
                if let Some((effect, reason)) = listed(schema(tokens, at).as_deref(), &name)
                    && !reads_named(&name, after)
                {
                    found.push((effect, format!("calls {}, which {reason}", name::quoted(&name))));
                }
            }
            None if token.kind == Kind::Unicode => {
                found.push((Leaves, "calls a function whose name can't be read".to_owned()));
            }
            None => {}
        }
    }
    found.extend(called_by_other_means(tokens));
    found
}

/// Whether a call reads one table or view whose name stands in a string, as `table_to_xml('film', …)` does. What that name is,
/// the database is asked, since the statement mentions it.
fn reads_named(name: &str, after: &[Token<'_>]) -> bool {
    if !READS_NAMED.contains(&name) {
        return false;
    }
    match after {
        [_, table, comma, ..] if comma.text == "," => table.kind == Kind::String,
        [_, table, first, second, class, comma, ..] if comma.text == "," => {
            table.kind == Kind::String && first.text == ":" && second.text == ":" && class.is("regclass")
        }
        _ => false,
    }
}

/// Functions that read the table or view that their first argument names.
pub(super) const READS_NAMED: [&str; 3] = ["table_to_xml", "table_to_xmlschema", "table_to_xml_and_xmlschema"];

/// The listed functions that a statement calls or hands on without a bracket: `'f'::regproc` names one as data, and
/// `(x).f` calls one of a composite type, as `http` is.
fn called_by_other_means(tokens: &[Token<'_>]) -> Vec<(Grade, String)> {
    const REFERS: [&str; 4] = ["regproc", "regprocedure", "to_regproc", "to_regprocedure"];
    let names = |wanted: &[&str]| (0..tokens.len()).any(|at| is_name(tokens, at, wanted));
    let mut found = Vec::new();
    if names(&REFERS) {
        found.extend(in_strings(tokens));
    }
    if names(&["http_request"]) {
        let dots = tokens.iter().enumerate().filter(|(_, token)| token.kind == Kind::Dot);
        if dots.map(|(at, _)| at + 1).any(|at| is_name(tokens, at, &["http"])) {
            found.push((Leaves, "calls http, which sends a request to another server".to_owned()));
        }
    }
    found
}

/// The listed functions that are named in a definition, whether by a name or by a string: what is defined calls them
/// under another name.
pub(super) fn named(tokens: &[Token<'_>]) -> Vec<(Grade, String)> {
    let mut found = in_strings(tokens);
    for (at, token) in tokens.iter().enumerate() {
        if !matches!(token.kind, Kind::Word | Kind::Quoted | Kind::Unicode) {
            continue;
        }
        match name::named(token, tokens.get(at + 1..).unwrap_or_default()) {
            Some(name) => found.extend(name_of(schema(tokens, at).as_deref(), &name)),
            None => found.push((Leaves, "names something whose name can't be read".to_owned())),
        }
    }
    found
}

fn name_of(schema: Option<&str>, name: &str) -> Option<(Grade, String)> {
    let (effect, reason) = listed(schema, name)?;
    Some((effect, format!("names {}, which {reason}", name::quoted(name))))
}

/// The listed functions whose names stand in strings: `'lo_unlink'`, `'pg_catalog.lo_unlink(oid)'`.
fn in_strings(tokens: &[Token<'_>]) -> Vec<(Grade, String)> {
    let mut found = Vec::new();
    for (at, token) in tokens.iter().enumerate() {
        for meaning in name::meanings(token, tokens.get(at + 1..).unwrap_or_default()) {
            let path = meaning.split('(').next().unwrap_or_default();
            let parts: Vec<String> = path
                .split('.')
                .map(|part| part.trim().trim_matches('"').to_ascii_lowercase())
                .collect();
            let (name, schemas) = match parts.split_last() {
                Some(parts) => parts,
                None => continue,
            };
            found.extend(name_of(schemas.last().map(String::as_str), name));
        }
    }
    found
}
