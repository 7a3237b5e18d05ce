//! Reading the log, across the files that it was rotated into, while it is written.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{BufRead as _, BufReader, Error, ErrorKind, Result, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};

use super::disk::generation;
use crate::guard::files::identity;

/// Reads a log, oldest line first.
///
/// No lock is taken, so that whoever may only read can.
#[derive(Debug)]
pub struct LogReader {
    path: PathBuf,
    at: Option<Place>,
}

/// How far it was read. The open file keeps its identity from being given to another one.
#[derive(Debug)]
struct Place {
    file: File,
    identity: (u64, u64),
    offset: u64,
}

impl LogReader {
    /// A reader at the start of the log at `path`.
    #[must_use]
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self {
            path: path.into(),
            at: None,
        }
    }

    /// Hands over every line that it hasn't yet, without its end. A last line that isn't whole is left for the next
    /// time, unless `all`, which is for who doesn't come back. True when the file
    /// in which it stood is gone, so that lines may have been missed or come twice.
    ///
    /// # Errors
    /// When the log can't be read; of the kind `NotFound` when there is none.
    pub fn read(&mut self, all: bool, mut line: impl FnMut(&[u8])) -> Result<bool> {
        if let Some(at) = &mut self.at
            && fs::metadata(&self.path).is_ok_and(|metadata| identity(&metadata) == at.identity)
        {
            at.read(all, &mut line)?;
            return Ok(false);
        }
        let mut files = files(&self.path)?;
        let mut missed = false;
        if let Some(at) = &mut self.at {
            // It was moved away: whoever had it open may have written a last line.
            at.read(true, &mut line)?;
            match files.iter().position(|file| file.identity == at.identity) {
                Some(position) => drop(files.drain(..=position)),
                None => missed = true,
            }
        } else if files.is_empty() {
            return Err(Error::new(ErrorKind::NotFound, "there is no such file"));
        }
        let last = files.len().saturating_sub(1);
        for (index, mut file) in files.into_iter().enumerate() {
            file.read(all || index < last, &mut line)?;
            self.at = Some(file);
        }
        Ok(missed)
    }
}

impl Place {
    fn read(&mut self, all: bool, line: &mut impl FnMut(&[u8])) -> Result<()> {
        // Emptied by someone: what is there now is new.
        if self.file.metadata()?.len() < self.offset {
            self.offset = 0;
        }
        self.file.seek(SeekFrom::Start(self.offset))?;
        let mut reader = BufReader::new(&self.file);
        let mut bytes = Vec::new();
        loop {
            bytes.clear();
            let count = reader.read_until(b'\n', &mut bytes)?;
            let whole = bytes.last() == Some(&b'\n');
            if count == 0 || !(whole || all) {
                return Ok(());
            }
            self.offset += count as u64;
            line(bytes.strip_suffix(b"\n").unwrap_or(&bytes));
        }
    }
}

/// The files of the log, the oldest first.
fn files(path: &Path) -> Result<Vec<Place>> {
    let mut files: Vec<Place> = Vec::new();
    let mut open = |path: &Path| -> Result<()> {
        let metadata = match fs::metadata(path) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
            metadata => metadata?,
        };
        // Opening a pipe would wait for its other end.
        if !metadata.is_file() {
            let what = format!("{} is no regular file", path.display());
            return Err(Error::new(ErrorKind::InvalidInput, what));
        }
        let file = match File::open(path) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
            file => file?,
        };
        let identity = identity(&file.metadata()?);
        if files.iter().all(|known| known.identity != identity) {
            files.push(Place {
                file,
                identity,
                offset: 0,
            });
        }
        Ok(())
    };
    // The youngest first: a rotation meanwhile moves each to where it is met again, and none out of sight.
    open(path)?;
    for number in numbers(path)? {
        open(&generation(path, number))?;
    }
    files.reverse();
    Ok(files)
}

/// The numbers that files of the log have, or get when they are moved on once.
fn numbers(path: &Path) -> Result<BTreeSet<u32>> {
    let directory = match path.parent() {
        Some(parent) if parent != Path::new("") => parent,
        _ => Path::new("."),
    };
    let mut numbers = BTreeSet::from([1]);
    let Some(name) = path.file_name().and_then(|name| name.to_str()) else {
        return Ok(numbers);
    };
    let entries = match fs::read_dir(directory) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(numbers),
        entries => entries?,
    };
    for entry in entries {
        let entry = entry?.file_name();
        let number = entry
            .to_str()
            .and_then(|entry| entry.strip_prefix(name)?.strip_prefix('.')?.parse::<u32>().ok());
        if let Some(number) = number.filter(|number| *number > 0) {
            numbers.extend([number, number.saturating_add(1)]);
        }
    }
    Ok(numbers)
}
