//! Files and folders that another process left, which is input like any other: nothing is followed through a symbolic link,
//! nothing is waited for (a named pipe has no other end), and nothing is read that is larger than such a file ever is.

use std::{
    fs::{self, File, Metadata},
    io::{self, Read as _, Write as _},
    path::Path,
};

/// Whether a folder stands there itself: no link to one.
pub fn is_folder(path: &Path) -> bool {
    fs::symlink_metadata(path).is_ok_and(|metadata| metadata.is_dir())
}

/// Whether a file stands there itself: no link to one, and nothing else.
pub fn is_file(path: &Path) -> bool {
    fs::symlink_metadata(path).is_ok_and(|metadata| metadata.is_file())
}

/// Whether a folder stands there that is this user's.
pub fn is_own_folder(path: &Path) -> bool {
    fs::symlink_metadata(path).is_ok_and(|metadata| metadata.is_dir() && is_ours(&metadata))
}

/// Whether it is this user's.
#[cfg(unix)]
pub fn is_ours(metadata: &Metadata) -> bool {
    use std::os::unix::fs::MetadataExt as _;
    metadata.uid() == rustix::process::geteuid().as_raw()
}

/// Whether it is this user's: not known here.
#[cfg(not(unix))]
pub fn is_ours(_: &Metadata) -> bool {
    true
}

/// Reads a file that is no larger than `most` bytes.
///
/// # Errors
///
/// When it isn't there, is no file, is larger, or can't be read.
pub fn read(path: &Path, most: u64) -> io::Result<Vec<u8>> {
    let file = open(path)?;
    let mut bytes = Vec::new();
    file.take(most.saturating_add(1)).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > most {
        return Err(io::Error::new(
            io::ErrorKind::FileTooLarge,
            format!("it is larger than {most} bytes, which no such file is"),
        ));
    }
    Ok(bytes)
}

/// Opens a file for reading.
///
/// # Errors
///
/// As [`read`], whatever its size.
pub fn open(path: &Path) -> io::Result<File> {
    regular(&fs::symlink_metadata(path)?)?;
    let file = opened(File::options().read(true), path)?;
    regular(&file.metadata()?)?;
    Ok(file)
}

/// Opens the file of a lock, and makes it where there is none. What is no file never was a lock, and is removed.
///
/// # Errors
///
/// When it can't be opened or made, or a folder stands there that holds something.
pub fn open_lock(path: &Path) -> io::Result<File> {
    for _ in 0..3 {
        match private(path) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            made => return made,
        }
        match fs::symlink_metadata(path) {
            Ok(metadata) if metadata.is_file() => match opened(File::options().write(true), path) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                file => {
                    let file = file?;
                    regular(&file.metadata()?)?;
                    return Ok(file);
                }
            },
            Ok(metadata) if metadata.is_dir() => fs::remove_dir(path)?,
            Ok(_) => fs::remove_file(path)?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
    }
    Err(io::Error::new(
        io::ErrorKind::ResourceBusy,
        "it is replaced again and again",
    ))
}

/// Makes a file that only this user can read, in the place of whatever stood there.
///
/// # Errors
///
/// When what stands there can't be removed, or the file can't be made.
pub fn create(path: &Path) -> io::Result<File> {
    remove(path)?;
    private(path)
}

/// Writes a file that only this user can read, in one step: whoever is killed meanwhile leaves the old one.
///
/// # Errors
///
/// When it can't be written, or what stands in its place can't be removed.
pub fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".unfinished");
    let folder = path.parent().unwrap_or(Path::new("."));
    // Always the same name, so that what a killed process began is written over and doesn't pile up.
    remove(&folder.join(&name))?;
    let mut unfinished = tempfile::Builder::new()
        .prefix(&name)
        .rand_bytes(0)
        .tempfile_in(folder)?;
    unfinished.write_all(bytes)?;
    // Without this, a crash of the machine may leave a name with nothing behind it. Whether the old name or the new one
    // survives such a crash is as good as open: PostgreSQL's own files aren't forced to the disk either.
    unfinished.as_file().sync_data()?;
    if is_folder(path) {
        remove(path)?;
    }
    unfinished.persist(path)?;
    Ok(())
}

/// Removes whatever stands there, a folder with all that is in it; of a link, the link alone. Nothing there is no error.
///
/// # Errors
///
/// When it can't be removed.
pub fn remove(path: &Path) -> io::Result<()> {
    let removed = if is_folder(path) {
        fs::remove_dir_all(path)
    } else {
        fs::remove_file(path)
    };
    match removed {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

fn private(path: &Path) -> io::Result<File> {
    let mut options = File::options();
    options.write(true).create_new(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt as _;
        options.mode(0o600);
    }
    options.open(path)
}

fn opened(options: &mut fs::OpenOptions, path: &Path) -> io::Result<File> {
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt as _;
        // What was a file a moment ago is one now, or isn't opened.
        let flags = rustix::fs::OFlags::NOFOLLOW | rustix::fs::OFlags::NONBLOCK;
        options.custom_flags(i32::try_from(flags.bits()).unwrap_or_default());
    }
    options.open(path)
}

fn regular(metadata: &Metadata) -> io::Result<()> {
    let kind = metadata.file_type();
    let what = if kind.is_file() {
        return Ok(());
    } else if kind.is_symlink() {
        "it is a symbolic link"
    } else if kind.is_dir() {
        "it is a folder"
    } else {
        "it is no file"
    };
    Err(io::Error::new(io::ErrorKind::InvalidInput, what))
}
