//! Functions that change something, or reach something, that a read-only transaction doesn't keep them from.
//!
//! A READ ONLY transaction stops every function from writing tables. It doesn't stop what is listed here: other
//! sessions, settings of this one, files, other servers, replication, statistics. A
//! function of the user's that does none of this can only read there, so what isn't listed may be called.

use super::grade::Grade;
use super::lex::{Kind, Token};
use super::{name, settings};

use Grade::{Destructive, Leaves, Read, Write};

/// A name, or its beginning where it ends in `*`; what a call of it is; the end of "because it …".
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
    ("lo_get", Read, ""),
    ("lo_*", Write, "changes or opens a large object"),
    ("lowrite", Write, "changes a large object"),
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
    ("pg_replication_*", Write, "changes the state of replication"),
    ("pg_logical_slot_*", Write, "reads from a replication slot, which can use up its changes"),
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
    ("table_import_from_s3", Leaves, "reads from another server"),
    ("query_export_to_s3", Leaves, "writes to another server"),
];

/// What a function of this name does beyond reading, whatever schema it is called in.
pub(super) fn listed(name: &str) -> Option<(Grade, &'static str)> {
    let fits = |pattern: &str| {
        pattern
            .strip_suffix('*')
            .map_or(name == pattern, |start| name.starts_with(start))
    };
    let (_, effect, reason) = LISTED.iter().find(|(pattern, ..)| fits(pattern))?;
    (*effect != Read).then_some((*effect, *reason))
}

/// The listed functions that are called in a statement, with what each does. Names whose escapes are wrong count, too:
/// what they name isn't known.
pub(super) fn called(tokens: &[Token<'_>]) -> Vec<(Grade, String)> {
    let mut found = Vec::new();
    for (at, token) in tokens.iter().enumerate() {
        let mut after = tokens.get(at + 1..).unwrap_or_default();
        let name = name::named(token, after);
        if matches!(after, [word, string, ..] if word.is("uescape") && string.kind == Kind::String) {
            after = after.get(2..).unwrap_or_default();
        }
        if after.first().is_none_or(|next| next.text != "(") {
            continue;
        }
        match name {
            Some(name) => {
                if name == "set_config"
                    && let Some(reason) = settings::configured(after.get(1..).unwrap_or_default())
                {
                    found.push((Destructive, reason));
                }
                if let Some((effect, reason)) = listed(&name) {
                    found.push((effect, format!("calls {}, which {reason}", name::quoted(&name))));
                }
            }
            None if token.kind == Kind::Unicode => {
                found.push((Leaves, "calls a function whose name can't be read".to_owned()));
            }
            None => {}
        }
    }
    found
}
