//! Files that whoever starts a program names.

use std::fs::File;
use std::io::Read as _;
use std::path::Path;

/// The largest file that is read whole, in bytes.
pub const LARGEST_GIVEN: u64 = 4 * 1024 * 1024;

/// Opens a file that is somebody's input and gives nobody a right: whoever may change it is all the same. Links are followed.
///
/// # Errors
/// When it is no regular file (a pipe would be waited for), unless the starting process handed it over; or it can't be opened.
pub fn open_given(path: &Path) -> std::io::Result<File> {
    if is_handed_over(path) {
        return File::open(path);
    }
    let regular = |metadata: std::fs::Metadata| {
        let what = "it is no regular file";
        let error = || std::io::Error::new(std::io::ErrorKind::InvalidInput, what);
        metadata.is_file().then_some(()).ok_or_else(error)
    };
    regular(std::fs::metadata(path)?)?;
    let mut options = File::options();
    options.read(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt as _;
        // What was a file a moment ago is one now, or isn't waited for.
        options.custom_flags(i32::try_from(rustix::fs::OFlags::NONBLOCK.bits()).unwrap_or_default());
    }
    let file = options.open(path)?;
    regular(file.metadata()?)?;
    Ok(file)
}

/// Reads a file that [`open_given`] opens.
///
/// # Errors
/// As there, and when it is larger than 4 MiB.
pub fn read_given(path: &Path) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    open_given(path)?.take(LARGEST_GIVEN + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > LARGEST_GIVEN {
        return Err(std::io::Error::new(
            std::io::ErrorKind::FileTooLarge,
            "it is larger than 4 MiB",
        ));
    }
    Ok(bytes)
}

/// Whether the process that started this one handed it over, as an open descriptor.
#[must_use]
pub fn is_handed_over(path: &Path) -> bool {
    let is_descriptor = |name: &std::ffi::OsStr| {
        name.to_str()
            .is_some_and(|name| name.bytes().all(|byte| byte.is_ascii_digit()))
    };
    match path.parent().and_then(Path::to_str) {
        Some("/dev/fd" | "/proc/self/fd") => path.file_name().is_some_and(is_descriptor),
        _ => path == Path::new("/dev/stdin"),
    }
}
