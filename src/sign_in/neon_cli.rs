//! What the neon command line keeps: where its files are, which profiles there are, and where each has its credential (version 6.2).

use std::ffi::OsString;
use std::path::{Component, Path, PathBuf};

use serde::Deserialize;
use sha2::{Digest as _, Sha256};

use super::error::SignInError;
use super::file::{Owner, Place};
use super::own::ProfileName;
use crate::guard::{Untrusted, hex, read_trusted};
use crate::text::one_line;

/// Its folder, and the one that it had before its name was changed.
const FOLDER: &str = "neon";
const FORMER_FOLDER: &str = "neonctl";

/// What stands in the place of a path where the credential lies in the operating system's keyring.
const KEYRING: &str = "keyring";

/// How many profiles a message names.
const NAMED: usize = 10;

/// Its folders.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Folders {
    /// Where its files are made.
    current: Option<PathBuf>,
    /// Where files are read that aren't there.
    former: Option<PathBuf>,
}

/// Its list of profiles. What else stands there is its own business.
#[derive(Deserialize)]
struct Profiles {
    profiles: std::collections::BTreeMap<String, Profile>,
}

#[derive(Deserialize)]
struct Profile {
    credentials: String,
}

impl Folders {
    /// By the variables that it reads: a folder that somebody named has no former one.
    pub(super) fn of(variable: impl Fn(&str) -> Option<OsString>) -> Self {
        let path = |name: &str| {
            let value = variable(name)?;
            // It cuts off blanks, and takes what is left for nothing.
            match value.to_str().map(str::trim) {
                Some("") => None,
                Some(text) => Some(PathBuf::from(text)),
                None => Some(PathBuf::from(value)),
            }
        };
        if let Some(named) = path("NEON_CONFIG_DIR").or_else(|| path("NEONCTL_CONFIG_DIR")) {
            return Self {
                current: Some(absolute(&named)),
                former: None,
            };
        }
        let home = || {
            path("HOME")
                .or_else(|| path("USERPROFILE"))
                .map(|home| home.join(".config"))
        };
        let base = path("XDG_CONFIG_HOME").or_else(home);
        let below = |name: &str| base.as_ref().map(|base| absolute(&base.join(name)));
        Self {
            current: below(FOLDER),
            former: below(FORMER_FOLDER),
        }
    }

    /// Where a file is read and written: in the former folder, where it is there alone.
    fn file(&self, name: &str) -> Option<PathBuf> {
        let current = self.current.as_ref()?.join(name);
        if current.exists() {
            return Some(current);
        }
        let former = self.former.as_ref().map(|folder| folder.join(name));
        Some(former.filter(|former| former.exists()).unwrap_or(current))
    }

    /// Where the credential of a profile lies; nothing where the folder isn't known.
    ///
    /// # Errors
    /// When its list of profiles can't be read, lacks the profile, or puts the credential into the keyring.
    pub(super) fn place(&self, profile: &ProfileName) -> Result<Option<Place>, SignInError> {
        let (Some(folder), Some(list)) = (&self.current, self.file("profiles.json")) else {
            return Ok(None);
        };
        let listed = match profiles(&list)? {
            Some(profiles) => profiles.profiles,
            None => std::collections::BTreeMap::new(),
        };
        let path = match listed.get(profile.as_str()).map(|listed| listed.credentials.trim()) {
            Some(KEYRING) => return Err(SignInError::Keyring(profile.to_string())),
            Some("") => {
                return Err(SignInError::Unusable {
                    path: list,
                    why: format!("the profile `{profile}` names no file"),
                });
            }
            Some(path) => normal(&list.parent().unwrap_or(folder).join(path)),
            None if profile.is_default() => match self.file("credentials.json") {
                Some(path) => path,
                None => return Ok(None),
            },
            None => {
                let known: Vec<String> = listed.keys().take(NAMED).map(|name| one_line(name, 64)).collect();
                return Err(SignInError::NoProfile {
                    name: profile.to_string(),
                    known: (!known.is_empty()).then(|| known.join(", ")),
                });
            }
        };
        // Named after the file that it guards, so that both programs mean the same one.
        let digest = hex(&Sha256::digest(path.to_string_lossy().as_bytes()));
        let id = digest.get(..16).unwrap_or_default();
        Ok(Some(Place {
            lock: folder.join(format!(".refresh-{id}.lock")),
            path,
            owner: Owner::NeonCli,
        }))
    }
}

fn profiles(path: &Path) -> Result<Option<Profiles>, SignInError> {
    let bytes = match read_trusted(path) {
        Ok(bytes) => bytes,
        Err(Untrusted::Read { source, .. }) if source.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    serde_json::from_slice(&bytes)
        .map(Some)
        .map_err(|_| SignInError::Unusable {
            path: path.to_owned(),
            why: "it is no list of profiles".to_owned(),
        })
}

fn absolute(path: &Path) -> PathBuf {
    normal(&std::path::absolute(path).unwrap_or_else(|_| path.to_owned()))
}

/// A path without `.` and `..`, by its text alone: so the command line writes it.
fn normal(path: &Path) -> PathBuf {
    let mut normal = PathBuf::new();
    for part in path.components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir => {
                normal.pop();
            }
            part => normal.push(part),
        }
    }
    normal
}

#[cfg(test)]
#[cfg(unix)]
mod tests {
    use super::*;

    fn folders(variables: &[(&str, &str)]) -> Folders {
        Folders::of(|name| {
            let found = variables.iter().find(|(known, _)| *known == name)?;
            Some(OsString::from(found.1))
        })
    }

    fn name(text: &str) -> ProfileName {
        ProfileName::parse(text).unwrap()
    }

    #[test]
    fn folder_is_the_one_that_the_command_line_takes() {
        let current = |variables: &[(&str, &str)]| folders(variables).current;
        assert_eq!(current(&[("HOME", "/h")]), Some("/h/.config/neon".into()));
        assert_eq!(
            current(&[("HOME", "/h"), ("XDG_CONFIG_HOME", "/x")]),
            Some("/x/neon".into())
        );
        let named = [("NEONCTL_CONFIG_DIR", "/old"), ("NEON_CONFIG_DIR", " "), ("HOME", "/h")];
        assert_eq!(current(&named), Some("/old".into()));
        assert_eq!(folders(&named).former, None);
        assert_eq!(current(&[]), None);
    }

    #[test]
    fn credential_lies_where_the_list_says() {
        let home = tempfile::tempdir().unwrap();
        let root = home.path().join(".config");
        let here = folders(&[("HOME", home.path().to_str().unwrap())]);
        let path = |profile: &str| here.place(&name(profile)).map(|place| place.unwrap().path);
        // Nothing there yet: where it would be made.
        assert_eq!(path("DEFAULT").unwrap(), root.join("neon/credentials.json"));
        assert!(matches!(path("work"), Err(SignInError::NoProfile { .. })));
        // An installation from before the name changed.
        std::fs::create_dir_all(root.join("neonctl")).unwrap();
        std::fs::create_dir_all(root.join("neon")).unwrap();
        std::fs::write(root.join("neonctl/credentials.json"), "{}").unwrap();
        assert_eq!(path("DEFAULT").unwrap(), root.join("neonctl/credentials.json"));
        let list = r#"{"version": 1, "profiles": {"DEFAULT": {"credentials": "../neonctl/credentials.json"},
            "work": {"credentials": "credentials.work.json", "label": "w"}, "k": {"credentials": "keyring"}, "e": {"credentials": " "}}}"#;
        std::fs::write(root.join("neon/profiles.json"), list).unwrap();
        assert_eq!(path("DEFAULT").unwrap(), root.join("neonctl/credentials.json"));
        assert_eq!(path("work").unwrap(), root.join("neon/credentials.work.json"));
        assert!(matches!(path("k"), Err(SignInError::Keyring(_))));
        assert!(matches!(path("e"), Err(SignInError::Unusable { .. })));
        for broken in ["", "[]", "{\"profiles\": []}", "{\"profiles\": {\"a\": {}}}"] {
            std::fs::write(root.join("neon/profiles.json"), broken).unwrap();
            assert!(matches!(path("DEFAULT"), Err(SignInError::Unusable { .. })), "{broken}");
        }
    }

    #[test]
    fn lock_has_the_name_that_the_command_line_gives_it() {
        let here = folders(&[("NEON_CONFIG_DIR", "/tmp/nowhere/neon")]);
        let place = here.place(&ProfileName::default()).unwrap().unwrap();
        // `createHash("sha256").update("/tmp/nowhere/neon/credentials.json").digest("hex").slice(0, 16)`
        assert_eq!(
            place.lock,
            Path::new("/tmp/nowhere/neon/.refresh-a63c44fbb5ae4abe.lock")
        );
    }
}
