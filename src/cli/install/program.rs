//! The path under which this program will still be there tomorrow.

use std::path::{Path, PathBuf};

use anyhow::Context as _;

/// Its absolute path: the one in `PATH` that leads to it, which stays when the version behind it changes; else its own.
pub(super) fn path() -> anyhow::Result<String> {
    let own = std::env::current_exe().context("where this program is can't be told")?;
    let real = std::fs::canonicalize(&own).unwrap_or_else(|_| own.clone());
    let name = own.file_name().unwrap_or_default().to_owned();
    let found = std::env::var_os("PATH").and_then(|folders| {
        std::env::split_paths(&folders)
            .filter(|folder| folder.is_absolute())
            .map(|folder| folder.join(&name))
            .find(|path| leads_to(path, &real))
    });
    let path: PathBuf = found.unwrap_or(own);
    let text = path.into_os_string().into_string();
    text.map_err(|_| anyhow::anyhow!("the path of this program isn't UTF-8: put it elsewhere"))
}

fn leads_to(path: &Path, real: &Path) -> bool {
    std::fs::canonicalize(path).is_ok_and(|found| found == real)
}

/// Why the program may be gone soon, where that is to be expected.
pub(super) fn does_not_last(command: &str) -> Option<String> {
    let parts: Vec<&str> = command.split(['/', '\\']).collect();
    let built = parts.contains(&"target") && (parts.contains(&"debug") || parts.contains(&"release"));
    let passing = parts.contains(&"_npx") || Path::new(command).starts_with(std::env::temp_dir());
    (built || passing).then(|| {
        format!("{command} may be gone after the next clean-up: put the program where it stays, such as ~/.local/bin, and run `neon-mcp install` from there")
    })
}
