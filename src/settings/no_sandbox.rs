//! What the settings of the sandbox are in a lean build: known by name, so that whoever sets one is told which build has it.

use super::error::SettingsError;
use super::layer::Layer;
use super::postgres::{FetchPostgres, Postgres};

/// Rejects settings that want the sandbox. `sandbox = false` wants none.
///
/// # Errors
/// When `--sandbox`, or an option of the sandbox, is set: whoever wanted a sandbox must not reach Neon instead.
pub(super) fn check(layer: &Layer) -> Result<(), SettingsError> {
    let wanted = [
        ("--sandbox", layer.sandbox == Some(true)),
        ("--sandbox-dir", layer.sandbox_dir.is_some()),
        (
            "--sandbox-postgres",
            layer.sandbox_postgres.is_some_and(|when| when != Postgres::Off),
        ),
        (
            "--fetch-postgres",
            layer.fetch_postgres.is_some_and(|when| when != FetchPostgres::Never),
        ),
    ];
    match wanted.iter().find(|(_, wanted)| *wanted) {
        None => Ok(()),
        Some((flag, _)) => Err(SettingsError::Conflict(format!(
            "{flag}: this neon-mcp was built without the sandbox. The build with default features has it: `cargo install neon-mcp`"
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_of_the_sandbox_are_rejected_with_the_build_that_has_them() {
        for layer in [
            Layer {
                sandbox: Some(true),
                ..Layer::default()
            },
            Layer {
                sandbox_dir: Some("kept".into()),
                ..Layer::default()
            },
            Layer {
                sandbox_postgres: Some(Postgres::Required),
                ..Layer::default()
            },
        ] {
            let message = check(&layer).unwrap_err().to_string();
            assert!(message.contains("default features"), "{message}");
        }
    }

    #[test]
    fn settings_without_the_sandbox_pass() {
        let layer = Layer {
            sandbox: Some(false),
            ..Layer::default()
        };
        assert!(check(&layer).is_ok());
    }
}
