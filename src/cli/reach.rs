//! The command lines that people are told to type: with what makes them reach the same place.

use serde_json::Value;

use crate::settings::Layer;

pub(super) use local_files::in_a_shell as quoted;

/// What was given on this command line, and must be given again for another command to reach the same place under the same bounds.
#[derive(Debug, Clone, Default)]
pub(super) struct Reach(Vec<String>);

impl Reach {
    /// Of the settings that were given as flags: those of the environment and of files hold without being said.
    pub(super) fn of(given: &Layer) -> Self {
        let given = given.clone();
        let layer = Layer {
            project_id: given.project_id,
            org_id: given.org_id,
            branch: given.branch,
            role: given.role,
            database: given.database,
            context_file: given.context_file,
            api_key_file: given.api_key_file,
            profile: given.profile,
            profiles: given.profiles,
            login_issuer: given.login_issuer,
            login_client_id: given.login_client_id,
            api_host: given.api_host,
            sandbox: given.sandbox,
            sandbox_dir: given.sandbox_dir,
            sandbox_postgres: given.sandbox_postgres,
            postgres_bin: given.postgres_bin,
            fetch_postgres: given.fetch_postgres,
            sql_host_suffix: given.sql_host_suffix,
            policy: given.policy,
            audit_log: given.audit_log,
            state_dir: given.state_dir,
            seal_key_file: given.seal_key_file,
            config: given.config,
            ..Layer::default()
        };
        // What can't be written down can't be repeated either.
        Self(layer.arguments().unwrap_or_default())
    }

    /// A command that can be pasted into a shell: `neon-mcp`, these words, and the flags.
    pub(super) fn command(&self, words: &[&str]) -> String {
        let flags = self.0.iter().map(String::as_str);
        let words = words.iter().copied().chain(flags).map(quoted);
        std::iter::once("neon-mcp".to_owned())
            .chain(words)
            .collect::<Vec<_>>()
            .join(" ")
    }

    /// The command that makes a call.
    pub(super) fn call(&self, tool: &str, arguments: &Value) -> String {
        self.command(&["call", tool, &arguments.to_string()])
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use serde_json::json;

    use super::*;

    #[test]
    fn command_reaches_the_same_place() {
        let layer = Layer {
            sandbox: Some(true),
            sandbox_dir: Some(PathBuf::from("/it's here")),
            read_only: Some(true),
            profile: Some("work".to_owned()),
            ..Layer::default()
        };
        assert_eq!(
            Reach::of(&layer).call("run_sql", &json!({"sql": "SELECT 'a'"})),
            r#"neon-mcp call run_sql '{"sql":"SELECT '\''a'\''"}' --profile work --sandbox --sandbox-dir '/it'\''s here'"#
        );
        assert_eq!(Reach::default().command(&["tools", ""]), "neon-mcp tools ''");
    }
}
