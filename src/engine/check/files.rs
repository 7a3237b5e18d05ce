//! Files that a call sends: from the folder that the operator allowed, or from the arguments themselves.

use std::fs::{File, Metadata};
use std::io::{self, Read as _};
use std::path::{Component, Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use serde_json::{Map, Value};

use crate::catalog::{FileSource, Tool};
use crate::engine::error::{ArgumentProblem, Failure};
use crate::guard::{Line, file_in_short, quoted};
use crate::neon::FilePart;

/// The largest file that is sent from the operator's folder: 32 MiB.
pub const MAX_FILE_BYTES: usize = 32 * 1_024 * 1_024;

/// The largest content in an argument or a result: 64 KiB.
pub const MAX_INLINE_BYTES: usize = 64 * 1_024;

/// The folder that files may come from. Nothing outside of it is read, whatever an argument says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FilesDir {
    root: PathBuf,
}

impl FilesDir {
    /// Opens the folder, which must exist.
    ///
    /// # Errors
    /// When it can't be found, or is no folder.
    pub fn open(path: &Path) -> io::Result<Self> {
        let root = path.canonicalize()?;
        if root.is_dir() {
            Ok(Self { root })
        } else {
            Err(io::Error::new(io::ErrorKind::NotADirectory, "it is no folder"))
        }
    }

    /// Reads a regular file below the folder. Symlinks are followed, and refused where they lead out.
    ///
    /// # Errors
    /// As the end of a sentence that begins with the argument's name. It tells nothing of what lies outside.
    pub fn read(&self, name: &str) -> Result<Vec<u8>, String> {
        let path = Path::new(name);
        let inside = path.components().all(|part| matches!(part, Component::Normal(_)));
        if name.is_empty() || !inside || name.contains('\\') {
            return Err("must be a path below the operator's folder: no leading slash, no . or ..".to_owned());
        }
        let found = |error: io::Error| match error.kind() {
            io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => {
                "names no file in the operator's folder".to_owned()
            }
            io::ErrorKind::PermissionDenied => "can't be read: permission denied".to_owned(),
            _ => "can't be read".to_owned(),
        };
        let place = self.inside(path).map_err(found)?;
        let place = place.ok_or_else(|| "leads out of the operator's folder".to_owned())?;
        let before = place.symlink_metadata().map_err(found)?;
        // What isn't regular (a pipe, a device) isn't even opened.
        check(&before)?;
        let file = File::open(&place).map_err(found)?;
        let opened = file.metadata().map_err(found)?;
        check(&opened)?;
        // What was opened is what was looked at, and it still lies inside.
        if !is_same(&before, &opened) || self.inside(path).map_err(found)? != Some(place) {
            return Err("changed while it was opened".to_owned());
        }
        let mut bytes = Vec::with_capacity(usize::try_from(opened.len()).unwrap_or_default());
        file.take(MAX_FILE_BYTES as u64 + 1)
            .read_to_end(&mut bytes)
            .map_err(found)?;
        if bytes.len() > MAX_FILE_BYTES {
            return Err(too_large());
        }
        Ok(bytes)
    }

    /// Where a path leads, if it stays inside.
    fn inside(&self, path: &Path) -> io::Result<Option<PathBuf>> {
        let place = self.root.join(path).canonicalize()?;
        Ok((place != self.root && place.starts_with(&self.root)).then_some(place))
    }
}

fn check(file: &Metadata) -> Result<(), String> {
    if !file.is_file() {
        return Err("is no regular file".to_owned());
    }
    if file.len() > MAX_FILE_BYTES as u64 {
        return Err(too_large());
    }
    Ok(())
}

fn too_large() -> String {
    format!("is larger than {} MiB", MAX_FILE_BYTES / 1_024 / 1_024)
}

#[cfg(unix)]
fn is_same(before: &Metadata, opened: &Metadata) -> bool {
    use std::os::unix::fs::MetadataExt as _;
    (before.dev(), before.ino()) == (opened.dev(), opened.ino())
}

#[cfg(not(unix))]
fn is_same(before: &Metadata, opened: &Metadata) -> bool {
    before.len() == opened.len() && before.modified().ok() == opened.modified().ok()
}

/// The files of a call, read once: what a plan shows of them is what is sent.
#[derive(Debug, Clone, Default)]
pub(in crate::engine) struct Files {
    /// As they are sent.
    pub(in crate::engine) parts: Vec<FilePart>,
    /// As a plan shows them.
    pub(in crate::engine) lines: Vec<Line>,
}

impl Files {
    /// Reads the files that the arguments give.
    ///
    /// # Errors
    /// Everything that is wrong with them. Nothing was sent.
    pub(in crate::engine) async fn load(
        tool: &Tool,
        arguments: &Map<String, Value>,
        dir: Option<&FilesDir>,
    ) -> Result<Self, Failure> {
        let mut files = Self::default();
        let mut problems = Vec::new();
        for (field, source) in tool.declaration.request.body.files() {
            match given(source, arguments, dir).await {
                Ok(Some((from, bytes))) => {
                    files.lines.push(Line::fact(
                        &format!("{field} to send"),
                        [format!("{}, from {from}", file_in_short(&bytes))],
                    ));
                    files.parts.push(FilePart {
                        field: field.to_owned(),
                        name: source.name.clone(),
                        content_type: source.content_type.clone(),
                        bytes,
                    });
                }
                Ok(None) => {}
                Err(problem) => problems.push(problem),
            }
        }
        if problems.is_empty() {
            Ok(files)
        } else {
            Err(Failure::Arguments(problems))
        }
    }
}

/// The file that one of its two arguments gives, and from where.
async fn given(
    source: &FileSource,
    arguments: &Map<String, Value>,
    dir: Option<&FilesDir>,
) -> Result<Option<(String, Bytes)>, ArgumentProblem> {
    let text = |name: &str| arguments.get(name).and_then(Value::as_str);
    let (argument, from, bytes) = match (text(&source.path), text(&source.base64)) {
        (None, None) => return Ok(None),
        (Some(path), None) => {
            let bytes = from_folder(dir, path, source).await;
            (&source.path, format!("the file {}", quoted(path)), bytes)
        }
        (None, Some(text)) => (&source.base64, "the arguments".to_owned(), from_text(text)),
        (Some(_), Some(_)) => (
            &source.path,
            String::new(),
            Err(format!(
                "and `{}` are two ways to give one file: leave one out",
                source.base64
            )),
        ),
    };
    let problem = |message| ArgumentProblem {
        argument: argument.clone(),
        message,
    };
    let bytes = bytes.map_err(problem)?;
    if !begins(&bytes, source.begins.as_deref()) {
        return Err(problem(format!(
            "is no {}: it doesn't begin like one",
            source.content_type
        )));
    }
    Ok(Some((from, Bytes::from(bytes))))
}

async fn from_folder(dir: Option<&FilesDir>, path: &str, source: &FileSource) -> Result<Vec<u8>, String> {
    let Some(dir) = dir.cloned() else {
        return Err(format!(
            "names a file, and the operator allows no folder (--files-dir): up to {} KiB go into `{}`",
            MAX_INLINE_BYTES / 1_024,
            source.base64
        ));
    };
    let path = path.to_owned();
    tokio::task::spawn_blocking(move || dir.read(&path))
        .await
        .unwrap_or_else(|_| Err("can't be read".to_owned()))
}

fn from_text(text: &str) -> Result<Vec<u8>, String> {
    let bytes = STANDARD
        .decode(text)
        .map_err(|_| "is no base64 (the standard alphabet, with padding)".to_owned())?;
    if bytes.len() > MAX_INLINE_BYTES {
        return Err(format!(
            "holds more than {} KiB: a larger file is named by a path in the operator's folder",
            MAX_INLINE_BYTES / 1_024
        ));
    }
    Ok(bytes)
}

/// Whether bytes begin with those, written in hexadecimal.
fn begins(bytes: &[u8], hexadecimal: Option<&str>) -> bool {
    let Some(text) = hexadecimal else { return true };
    let wanted: Option<Vec<u8>> = (0..text.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(text.get(at..at + 2)?, 16).ok())
        .collect();
    wanted.is_some_and(|wanted| bytes.starts_with(&wanted))
}
