//! The settings file: TOML, unknown keys refused with the nearest known one.

use std::path::Path;

use super::error::SettingsError;
use super::http::LogFormat;
use super::layer::{Layer, names};
use crate::catalog::nearest;
use crate::guard::read_trusted_text;

/// Reads a settings file.
pub(super) fn read(path: &Path) -> Result<Layer, SettingsError> {
    let text = read_trusted_text(path)?;
    parse(path, &text)
}

/// The format of the log that a settings file says, whatever else is in it: the log begins before the settings are read.
#[must_use]
pub fn log_format_of(path: &Path) -> Option<LogFormat> {
    let table: toml::Table = toml::from_str(&read_trusted_text(path).ok()?).ok()?;
    table.get("http")?.get("log_format")?.clone().try_into().ok()
}

fn parse(path: &Path, text: &str) -> Result<Layer, SettingsError> {
    let wrong = |error: toml::de::Error| SettingsError::File {
        path: path.to_owned(),
        message: error.to_string(),
    };
    let table: toml::Table = toml::from_str(text).map_err(wrong)?;
    let names = names();
    if let Some(key) = table.keys().find(|key| !names.contains(key)) {
        let message = (key == "api_key").then(|| "api_key_file".to_owned());
        return Err(SettingsError::Unknown {
            place: path.display().to_string(),
            name: key.clone(),
            nearest: message.or_else(|| nearest(key, names.iter().map(String::as_str)).map(str::to_owned)),
        });
    }
    toml::from_str(text).map_err(wrong)
}
