//! Folders of one test's own, in memory where there is room: data directories, which are a thousand files each, are made there in
//! no time.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;
use std::sync::atomic::{AtomicUsize, Ordering};

use tempfile::TempDir;

/// The file system in memory, on Linux.
const MEMORY: &str = "/dev/shm";

/// How much room there must be in memory, in bytes: a container may have next to none.
const MIN_ROOM: u64 = 4 << 30;

/// What the folder of a run's sandboxes is called, before the number of its process.
const RUN: &str = "neon-mcp-tests.";

/// Where files lie in memory, if there is room.
pub fn memory() -> Option<&'static Path> {
    let memory = Path::new(MEMORY);
    let there = rustix::fs::statvfs(memory).ok()?;
    (there.f_bavail.saturating_mul(there.f_frsize) >= MIN_ROOM).then_some(memory)
}

/// A folder of one test's own, gone when it is dropped. The user that runs PostgreSQL can pass through it.
pub fn own() -> TempDir {
    let made = match memory() {
        Some(memory) => tempfile::tempdir_in(memory),
        None => tempfile::tempdir(),
    };
    let made = made.unwrap();
    passable(made.path());
    made
}

/// A folder of one sandbox's own in place of the system's temporary one. It stays: what a sandbox leaves to its tasks when it is
/// dropped is done below it. The next run removes it.
pub fn of_a_sandbox() -> PathBuf {
    static NUMBER: AtomicUsize = AtomicUsize::new(0);
    static ROOT: LazyLock<PathBuf> = LazyLock::new(|| {
        let root = memory().map_or_else(std::env::temp_dir, Path::to_owned);
        for entry in fs::read_dir(&root).into_iter().flatten().flatten() {
            let name = entry.file_name();
            let process = name.to_str().and_then(|name| name.strip_prefix(RUN));
            if process.is_some_and(|process| !Path::new("/proc").join(process).exists()) {
                let _ = fs::remove_dir_all(entry.path());
            }
        }
        root.join(format!("{RUN}{}", std::process::id()))
    });
    let folder = ROOT.join(NUMBER.fetch_add(1, Ordering::Relaxed).to_string());
    fs::create_dir_all(&folder).unwrap();
    passable(&ROOT);
    passable(&folder);
    folder
}

fn passable(folder: &Path) {
    fs::set_permissions(folder, fs::Permissions::from_mode(0o711)).unwrap();
}
