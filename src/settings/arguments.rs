//! Settings as the arguments that say them: for who has a server started with what was given here.

use serde_json::Value;

use super::error::SettingsError;
use super::layer::Layer;

/// The settings that are paths. Whoever starts the server does it in another folder.
const PATHS: [&str; 9] = [
    "api_key_file",
    "files_dir",
    "context_file",
    "policy",
    "audit_log",
    "state_dir",
    "seal_key_file",
    "sandbox_dir",
    "postgres_bin",
];

/// The settings, beside those that are true or false, that may stand without a value.
const WITH_EQUALS: [&str; 1] = ["fetch_postgres"];

impl Layer {
    /// The arguments that say what this says, with paths that hold wherever the server is started.
    ///
    /// # Errors
    /// When a path isn't UTF-8, or a setting is one of `neon-mcp http` alone.
    pub fn arguments(&self) -> Result<Vec<String>, SettingsError> {
        Ok(self.each()?.concat())
    }

    /// The same, setting by setting: the words of each, of which the first begins with its flag.
    ///
    /// # Errors
    /// As [`Self::arguments`].
    pub fn each(&self) -> Result<Vec<Vec<String>>, SettingsError> {
        if self.auth_token_file.is_some() || self.no_auth.is_some() {
            return Err(SettingsError::Conflict(
                "--auth-token-file and --no-auth are for `neon-mcp http`, which a client doesn't start: give --url for it".into(),
            ));
        }
        let not_text =
            || SettingsError::Conflict("a path that isn't UTF-8 can't be written into a client's file".into());
        let absolute = |path: &str| {
            let path = std::path::absolute(path).ok()?;
            path.to_str().map(str::to_owned)
        };
        let mut arguments = Vec::new();
        if let Some(config) = &self.config {
            let path = config.to_str().and_then(absolute).ok_or_else(not_text)?;
            arguments.push(vec!["--config".to_owned(), path]);
        }
        let Ok(Value::Object(fields)) = serde_json::to_value(self) else {
            return Err(not_text());
        };
        for (name, value) in fields {
            let flag = format!("--{}", name.replace('_', "-"));
            let text = match value {
                Value::Null => continue,
                // Those take their value behind a `=`, and none for true.
                Value::Bool(true) => {
                    arguments.push(vec![flag]);
                    continue;
                }
                Value::Bool(false) => {
                    arguments.push(vec![format!("{flag}=false")]);
                    continue;
                }
                Value::String(text) if PATHS.contains(&name.as_str()) && !(name == "context_file" && text == "off") => {
                    absolute(&text).ok_or_else(not_text)?
                }
                Value::String(text) => text,
                Value::Array(items) => items.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(","),
                other => other.to_string(),
            };
            // What begins with a dash would be read as a flag, and what may stand without a value takes it so alone.
            if text.starts_with('-') || WITH_EQUALS.contains(&name.as_str()) {
                arguments.push(vec![format!("{flag}={text}")]);
            } else {
                arguments.push(vec![flag, text]);
            }
        }
        Ok(arguments)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser as _;

    #[derive(clap::Parser)]
    struct Given {
        #[command(flatten)]
        layer: Layer,
    }

    #[test]
    fn arguments_say_what_was_given() {
        let given = [
            "x",
            "--config=/c.toml",
            "--toolsets=a,b",
            "--read-only",
            "--discovery=false",
            "--role=-odd",
            "--project-id=p-1",
            "--call-timeout-seconds=5",
            "--context-file=off",
            "--policy=/p.toml",
            "--sandbox-postgres=off",
            "--fetch-postgres=always",
            "--profiles=a,b",
            "--sandbox-project=false",
        ];
        let layer = Given::try_parse_from(given).unwrap().layer;
        let arguments = layer.arguments().unwrap();
        let again = Given::try_parse_from(std::iter::once("x".to_owned()).chain(arguments.clone()));
        assert_eq!(
            format!("{layer:?}"),
            format!("{:?}", again.unwrap().layer),
            "{arguments:?}"
        );
        assert_eq!(Layer::default().arguments().unwrap(), [""; 0]);
    }

    #[test]
    fn paths_hold_in_every_folder() {
        let here = std::env::current_dir().unwrap();
        let names: Vec<String> = super::super::layer::names();
        for path in PATHS {
            assert!(names.iter().any(|name| name == path), "{path}");
            let flag = format!("--{}=file", path.replace('_', "-"));
            let layer = Given::try_parse_from(["x", &flag]).unwrap().layer;
            let arguments = layer.arguments().unwrap();
            assert_eq!(arguments.last().unwrap(), here.join("file").to_str().unwrap());
        }
    }
}
