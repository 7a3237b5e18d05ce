//! The settings file: TOML, unknown keys refused with the nearest known one.

use std::path::Path;

use super::error::SettingsError;
use super::http::LogFormat;
use super::layer::{Layer, names};
use crate::catalog::nearest;
use crate::guard::read_trusted_text;
use crate::toml_error::told;

/// Reads a settings file.
pub(super) fn read(path: &Path) -> Result<Layer, SettingsError> {
    let text = read_trusted_text(path)?;
    let mut layer = parse(path, &text)?;
    // Whoever reads the file, from whichever folder, means the same places: a server, and the commands of its operator.
    let directory = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    if let Some(directory) = directory.parent() {
        layer.start_at(directory);
    }
    Ok(layer)
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
        message: told(text, &error),
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

#[cfg(test)]
mod tests {
    use clap::Args as _;

    use super::*;
    use crate::settings::HttpLayer;

    /// The settings of these flags that name a place.
    fn places(flags: &clap::Command) -> Vec<String> {
        let names_place = |flag: &&clap::Arg| {
            let names = flag.get_value_names().unwrap_or_default();
            names
                .iter()
                .any(|name| ["FILE", "DIR", "DIRECTORY", "FOLDER", "PATH"].contains(&name.as_str()))
        };
        let of_file = flags.get_arguments().filter(names_place);
        of_file.map(|flag| flag.get_id().to_string()).collect()
    }

    #[test]
    fn relative_places_start_at_the_file_that_names_them() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("settings.toml");
        let own = places(&Layer::augment_args(clap::Command::new("own")));
        let of_http = places(&HttpLayer::augment_args(clap::Command::new("http")));
        assert!(own.len() > 8 && of_http.len() > 5, "{own:?} {of_http:?}");
        let cases = own
            .iter()
            // It is where the settings are looked for.
            .filter(|name| *name != "config" && !of_http.contains(name))
            .map(|name| (format!("{name} = \"there/it\"\n"), name.clone()))
            .chain(
                of_http
                    .iter()
                    .map(|name| (format!("[http]\n{name} = \"there/it\"\n"), name.clone())),
            )
            .chain([("[http]\nstore = \"dir:there/it\"\n".to_owned(), "store".to_owned())]);
        for (text, name) in cases {
            std::fs::write(&path, text).unwrap();
            let read = format!("{:?}", read(&path).unwrap_or_else(|error| panic!("{name}: {error}")));
            let whole = directory.path().join("there/it");
            assert!(read.contains(whole.to_str().unwrap()), "{name}: {read}");
        }
    }

    #[test]
    fn file_that_does_not_parse_is_told_without_its_text() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("settings.toml");
        std::fs::write(&path, "[http]\nstore = \"redis://:hunter2@127.0.0.1/0\" oops\n").unwrap();
        let told = read(&path).unwrap_err().to_string();
        assert!(told.contains("line 2, column") && !told.contains("hunter2"), "{told}");
    }
}
