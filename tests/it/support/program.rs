//! The program that is tested.

use std::path::{Path, PathBuf};
use std::sync::LazyLock;
use std::time::Duration;

/// Where cargo put it.
const BUILT: &str = env!("CARGO_BIN_EXE_neon-mcp");

/// After what time a copy of another build is taken for unused.
const UNUSED: Duration = Duration::from_secs(2 * 60 * 60);

/// The path of the program: of a copy, made anew whenever it was built anew. What a linker wrote lies in the page cache in single pages,
/// and what was copied in large pieces: a start of the copy takes half of the processor's time or less, and the tests start it
/// thousands of times.
pub fn program() -> &'static str {
    static COPY: LazyLock<PathBuf> = LazyLock::new(|| copy().unwrap_or_else(|| BUILT.into()));
    COPY.to_str().unwrap_or(BUILT)
}

/// Nothing where it can't be made: the program runs without, too.
fn copy() -> Option<PathBuf> {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let built = std::fs::metadata(BUILT).ok()?;
    let age = built.modified().ok()?.duration_since(std::time::UNIX_EPOCH).ok()?;
    // Another build has another place: nothing is replaced that another process may be running.
    let place = folder.join(format!("program-{}-{}", age.as_nanos(), built.len()));
    let program = place.join(Path::new(BUILT).file_name()?);
    if !program.exists() {
        for old in std::fs::read_dir(folder).ok()?.flatten() {
            let is_copy = old.file_name().to_string_lossy().starts_with("program-");
            let made = old.metadata().and_then(|old| old.modified()).ok();
            if is_copy
                && made
                    .and_then(|made| made.elapsed().ok())
                    .is_some_and(|age| age > UNUSED)
            {
                let _ = std::fs::remove_dir_all(old.path());
            }
        }
        std::fs::create_dir_all(&place).ok()?;
        let part = place.join(format!("part-{}", std::process::id()));
        std::fs::copy(BUILT, &part).ok()?;
        std::fs::rename(&part, &program).ok()?;
    }
    Some(program)
}
