//! What every first branch begins with: an empty cluster, made once and kept for the next sandbox.

use std::{
    fs, io,
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use uuid::Uuid;

use super::{
    DataPlaneError, copy,
    directories::Directories,
    server::{Common, SUPERUSER, Server, Start},
    wal::SEGMENT_BYTES,
};
use local_files::leftover;
use local_postgres::Install;

/// Raised when what is in a template changes, so that older ones are not used.
const FORM: u32 = 1;

/// What a template in the cache is called while it is made, before something that nobody else has.
const UNFINISHED: &str = "unfinished-";

/// How long somebody may take to make one.
const UNFINISHED_PATIENCE: Duration = Duration::from_secs(3_600);

/// Who may connect how: passwords for everybody, and for the superuser the socket alone, where the system says who it is.
const CONNECTIONS: &str = "\
local all         cloud_admin                peer map=sandbox
local replication cloud_admin                peer map=sandbox
host  all         cloud_admin  all           reject
local all         all                        scram-sha-256
host  all         all          127.0.0.1/32  scram-sha-256
";

/// What Neon's clusters have from the start: the role that all roles made through the API belong to, and where the sandbox
/// notes which of its roles and databases are which.
const FIRST: &str = "\
CREATE ROLE neon_superuser NOLOGIN CREATEDB CREATEROLE BYPASSRLS;
GRANT pg_read_all_data, pg_write_all_data, pg_monitor, pg_signal_backend TO neon_superuser WITH ADMIN OPTION;
REVOKE ALL ON DATABASE postgres FROM PUBLIC;
CREATE SCHEMA control_plane;
CREATE TABLE control_plane.databases (id int8 PRIMARY KEY, oid oid NOT NULL);
CREATE TABLE control_plane.roles (oid oid PRIMARY KEY);
";

/// Makes the template at its place: from the user's cache, else anew, which takes about a second.
pub(crate) async fn prepare(place: &Directories, common: &Common) -> Result<(), DataPlaneError> {
    let template = place.template();
    if is_whole(&template, &common.install) {
        return Ok(());
    }
    leftover::remove(&template).map_err(|error| DataPlaneError::io("remove", &template, &error))?;
    let unfinished = place.work();
    let owner = common.install.owner;
    let cached = cache(&common.install);
    if let Some(cached) = cached.as_ref().filter(|cached| is_whole(cached, &common.install)) {
        copy::data_aside(cached.clone(), unfinished.clone(), owner, copy::Log::Whole).await?;
    } else {
        make(&unfinished, common).await?;
        if let Some(cached) = cached
            && let Err(error) = keep(&unfinished, &cached, &common.install).await
        {
            tracing::debug!(%error, "the template isn't kept for the next sandbox");
        }
    }
    copy::write(&unfinished.join("pg_hba.conf"), CONNECTIONS, owner)?;
    copy::write(&unfinished.join("pg_ident.conf"), who_we_are(&common.install), owner)?;
    move_folder(&unfinished, &template)
}

async fn make(folder: &Path, common: &Common) -> Result<(), DataPlaneError> {
    let install = &common.install;
    copy::folder(folder, install.owner)?;
    let mut command = install.command("initdb");
    command
        .arg("-D")
        .arg(folder)
        .args([
            "-U",
            SUPERUSER,
            "-A",
            "trust",
            "--encoding=UTF8",
            "--no-sync",
            "--no-instructions",
        ])
        .arg(format!("--wal-segsize={}", SEGMENT_BYTES / 1024 / 1024))
        .arg(if install.major >= 17 {
            "--locale-provider=builtin"
        } else {
            "--locale=C.UTF-8"
        });
    if install.major >= 17 {
        command.args(["--builtin-locale=C.UTF-8", "--locale=C.UTF-8"]);
    }
    command.stdin(Stdio::null());
    let output = run(command).await?;
    if !output.status.success() && install.major < 17 {
        // macOS has no C.UTF-8.
        fs::remove_dir_all(folder).map_err(|error| DataPlaneError::io("remove", folder, &error))?;
        copy::folder(folder, install.owner)?;
        let mut command = install.command("initdb");
        command
            .arg("-D")
            .arg(folder)
            .args([
                "-U",
                SUPERUSER,
                "-A",
                "trust",
                "--encoding=UTF8",
                "--no-sync",
                "--locale=C",
            ])
            .arg(format!("--wal-segsize={}", SEGMENT_BYTES / 1024 / 1024))
            .stdin(Stdio::null());
        succeed("initdb", &run(command).await?)?;
    } else {
        succeed("initdb", &output)?;
    }
    let server = Server::start(common, local(folder)).await?;
    let client = server.connect("postgres").await?;
    client
        .batch_execute(FIRST)
        .await
        .map_err(|error| DataPlaneError::sql("fill the template", &error))?;
    drop(client);
    server.stop().await;
    Ok(())
}

/// The users of the operating system that may connect as the superuser: ourselves, and whom the servers run as.
fn who_we_are(install: &Install) -> String {
    let mut text = String::new();
    for user in &install.users {
        text.push_str(&format!("sandbox \"{user}\" {SUPERUSER}\n"));
    }
    text
}

/// A start that nobody connects to over TCP.
fn local(folder: &Path) -> Start {
    Start {
        data: folder.to_owned(),
        archive: None,
        settings: vec![("listen_addresses".to_owned(), String::new())],
        standby: false,
        port: None,
    }
}

/// Where the user's cache has the template of this PostgreSQL.
fn cache(install: &Install) -> Option<PathBuf> {
    let base = std::env::var_os("XDG_CACHE_HOME")
        .map(PathBuf::from)
        .filter(|path| path.is_absolute())
        .or_else(|| std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".cache")))?;
    Some(
        base.join("neon-mcp")
            .join(format!("postgres-{}-{FORM}", install.version)),
    )
}

async fn keep(folder: &Path, cached: &Path, install: &Install) -> Result<(), DataPlaneError> {
    let parent = cached.parent().unwrap_or(Path::new("/"));
    fs::create_dir_all(parent).map_err(|error| DataPlaneError::io("make", parent, &error))?;
    remove_unfinished(parent);
    let unfinished = parent.join(format!("{UNFINISHED}{}", Uuid::new_v4().simple()));
    copy::data_aside(folder.to_owned(), unfinished.clone(), None, copy::Log::Whole).await?;
    // Something else may stand in its place, or what is left of one.
    if !is_whole(cached, install) {
        leftover::remove(cached).map_err(|error| DataPlaneError::io("remove", cached, &error))?;
    }
    move_folder(&unfinished, cached)
}

/// Removes what others before us began to keep and were stopped at.
fn remove_unfinished(cache: &Path) {
    for entry in fs::read_dir(cache).into_iter().flatten().flatten() {
        let begun = entry
            .file_name()
            .to_str()
            .is_some_and(|name| name.starts_with(UNFINISHED));
        let age = entry.metadata().and_then(|metadata| metadata.modified());
        let age = age
            .ok()
            .and_then(|modified| modified.elapsed().ok())
            .unwrap_or_default();
        if begun && age > UNFINISHED_PATIENCE {
            let _ = leftover::remove(&entry.path());
        }
    }
}

/// Whether a folder is an empty cluster of this PostgreSQL with all that a start needs: another process may have been stopped
/// in the middle of it, and whoever clears caches by age leaves what is young.
fn is_whole(folder: &Path, install: &Install) -> bool {
    let size = |path: &str| fs::symlink_metadata(folder.join(path)).map(|metadata| metadata.len());
    let version = leftover::read(&folder.join("PG_VERSION"), 16).unwrap_or_default();
    let log = fs::read_dir(folder.join("pg_wal")).into_iter().flatten().flatten();
    let mut segments = log.filter(|entry| entry.metadata().is_ok_and(|segment| segment.len() == SEGMENT_BYTES));
    leftover::is_folder(folder)
        && version.trim_ascii() == install.major.to_string().as_bytes()
        && leftover::is_file(&folder.join("global/pg_control"))
        // `PG_CONTROL_FILE_SIZE`, whatever is in it.
        && size("global/pg_control").is_ok_and(|size| size == 8_192)
        && leftover::is_file(&folder.join("global/pg_filenode.map"))
        && leftover::is_folder(&folder.join("base/1"))
        && leftover::is_file(&folder.join("postgresql.conf"))
        && segments.next().is_some()
}

/// Moves a folder to where it belongs, in one step. Where another one came first, that one stays.
fn move_folder(from: &Path, to: &Path) -> Result<(), DataPlaneError> {
    match fs::rename(from, to) {
        Ok(()) => Ok(()),
        Err(error)
            if matches!(
                error.kind(),
                io::ErrorKind::DirectoryNotEmpty | io::ErrorKind::AlreadyExists
            ) =>
        {
            fs::remove_dir_all(from).map_err(|error| DataPlaneError::io("remove", from, &error))
        }
        // Another file system, when the data is kept elsewhere.
        Err(error) if error.kind() == io::ErrorKind::CrossesDevices => move_across(from, to),
        Err(error) => Err(DataPlaneError::io("move", from, &error)),
    }
}

fn move_across(from: &Path, to: &Path) -> Result<(), DataPlaneError> {
    #[cfg(unix)]
    let owner = {
        use std::os::unix::fs::MetadataExt as _;
        let metadata = fs::metadata(from).map_err(|error| DataPlaneError::io("look at", from, &error))?;
        Some(local_postgres::Owner {
            uid: metadata.uid(),
            gid: metadata.gid(),
        })
    };
    #[cfg(not(unix))]
    let owner = None;
    copy::data(from, to, owner, copy::Log::Whole)?;
    fs::remove_dir_all(from).map_err(|error| DataPlaneError::io("remove", from, &error))
}

/// Runs a program to its end without holding up anything else.
pub(crate) async fn run(command: std::process::Command) -> Result<std::process::Output, DataPlaneError> {
    let program = PathBuf::from(command.get_program());
    let mut command = tokio::process::Command::from(command);
    command.kill_on_drop(true);
    command
        .output()
        .await
        .map_err(|error| DataPlaneError::io("run", &program, &error))
}

/// Refuses the output of a program that failed.
pub(crate) fn succeed(program: &str, output: &std::process::Output) -> Result<(), DataPlaneError> {
    if output.status.success() {
        return Ok(());
    }
    let text = String::from_utf8_lossy(&output.stderr);
    let lines: Vec<&str> = text.lines().rev().take(5).collect();
    Err(DataPlaneError::new(format!(
        "{program} failed: {}",
        lines.into_iter().rev().collect::<Vec<_>>().join(" | ")
    )))
}
