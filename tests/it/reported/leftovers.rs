//! What dead processes leave is input: nothing of it stops a start, is followed through a link, or harms a process that lives.

use harness::wording::line_with;
use std::fs;
use std::os::unix::fs::symlink;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use harness::postgres::Postgres;
use harness::sandbox_process::{Places, Running};

const REQUIRED: [&str; 2] = ["--sandbox-postgres", "required"];

/// The longest that a start takes where something waits for nothing.
const PATIENCE: Duration = Duration::from_secs(30);

/// A process that only lives.
struct Living(Child);

impl Living {
    fn pid(&self) -> u32 {
        self.0.id()
    }

    fn lives(&mut self) -> bool {
        matches!(self.0.try_wait(), Ok(None))
    }
}

impl Drop for Living {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Lives until its input ends, as this program with these arguments after its own.
fn living(program: &Path, arguments: &[&str], folder: &Path) -> Living {
    // It has become that program when this returns.
    let child = Command::new(program)
        .arg0("postgres")
        .args(["-c", "read line; true", "sh"])
        .args(arguments)
        .current_dir(folder)
        .stdin(Stdio::piped())
        .process_group(0)
        .spawn()
        .unwrap();
    Living(child)
}

fn fifo(path: &Path) {
    assert!(Command::new("mkfifo").arg(path).status().unwrap().success());
}

/// A file of 250 MiB that takes no room.
fn huge(path: &Path) {
    fs::File::create(path).unwrap().set_len(250 * 1024 * 1024).unwrap();
}

/// Where sandboxes of this user are.
fn all(places: &Places) -> PathBuf {
    let user = rustix::process::geteuid().as_raw();
    let all = places
        .file("x", "")
        .parent()
        .unwrap()
        .join(format!("tmp/neon-mcp-sandbox-{user}"));
    fs::create_dir_all(&all).unwrap();
    all
}

/// The folder of a sandbox that is over, with one data directory.
fn dead(all: &Path, name: &str) -> (PathBuf, PathBuf) {
    let folder = all.join(name);
    let data = folder.join("data/timelines/tl-1/data");
    fs::create_dir_all(&data).unwrap();
    fs::write(data.join("PG_VERSION"), "15\n").unwrap();
    fs::write(folder.join("lock"), "").unwrap();
    (folder, data)
}

/// Starts a sandbox and ends it; what it said.
async fn start_and_end(places: &Places) -> String {
    let started = tokio::time::timeout(PATIENCE, Running::of(places.command(&REQUIRED))).await;
    let sandbox = started.expect("a start that ends");
    sandbox.interrupt().await
}

/// How many folders it removed and how many servers it stopped, as the log tells: each number stands before its word.
fn cleared(said: &str) -> (u64, u64) {
    let line = line_with(said, "folders removed");
    let words: Vec<&str> = line.split_whitespace().collect();
    let number = |of: &str| {
        let at = words.iter().position(|word| *word == of).expect(of);
        words[..at].iter().rev().find_map(|word| word.parse().ok()).expect(line)
    };
    (number("folders"), number("servers"))
}

#[tokio::test(flavor = "multi_thread")]
async fn somebody_started_a_sandbox_after_one_that_left_broken_files() {
    let places = Places::new(crate::support::sandbox_program());
    let all = all(&places);
    let outside = all.parent().unwrap().join("outside");
    fs::create_dir(&outside).unwrap();
    fs::write(outside.join("pid"), "1\n").unwrap();
    fs::write(outside.join("kept"), "precious").unwrap();
    let mut group = living(Path::new("/bin/sh"), &[], &outside);

    let texts: [Vec<u8>; 12] = [
        format!("-{}\n/data\n", group.pid()).into_bytes(),
        b"0\n".to_vec(),
        b"1\n".to_vec(),
        b"-1\n".to_vec(),
        b"2147483648\n".to_vec(),
        b"-2147483648\n".to_vec(),
        b"99999999999999999999999\n".to_vec(),
        b"self\n".to_vec(),
        b"12 34\n".to_vec(),
        b"\0\0\0\0".to_vec(),
        b"\xff\xfe\n".to_vec(),
        Vec::new(),
    ];
    for (number, text) in texts.iter().enumerate() {
        let (_, data) = dead(&all, &format!("pid{number}"));
        fs::write(data.join("postmaster.pid"), text).unwrap();
    }
    let plant = |name: &str, of: &dyn Fn(&Path, &Path)| {
        let (folder, data) = dead(&all, name);
        of(&folder, &data);
    };
    plant("pid-link", &|_, data| {
        symlink(outside.join("pid"), data.join("postmaster.pid")).unwrap()
    });
    plant("pid-fifo", &|_, data| fifo(&data.join("postmaster.pid")));
    plant("pid-folder", &|_, data| {
        fs::create_dir(data.join("postmaster.pid")).unwrap()
    });
    plant("pid-huge", &|_, data| huge(&data.join("postmaster.pid")));
    let instead = |folder: &Path| fs::remove_file(folder.join("lock")).unwrap();
    plant("lock-fifo", &|folder, _| {
        instead(folder);
        fifo(&folder.join("lock"));
    });
    plant("lock-link", &|folder, _| {
        instead(folder);
        symlink(outside.join("made"), folder.join("lock")).unwrap();
    });
    plant("lock-folder", &|folder, _| {
        instead(folder);
        fs::create_dir(folder.join("lock")).unwrap();
    });
    plant("at-fifo", &|folder, _| fifo(&folder.join("data-at")));
    plant("at-huge", &|folder, _| huge(&folder.join("data-at")));
    plant("at-nothing", &|folder, _| {
        fs::write(folder.join("data-at"), "").unwrap()
    });
    plant("at-relative", &|folder, _| {
        fs::write(folder.join("data-at"), "../../outside").unwrap()
    });
    plant("at-outside", &|folder, _| {
        fs::write(folder.join("data-at"), outside.to_str().unwrap()).unwrap()
    });
    plant("at-link", &|folder, _| {
        symlink(outside.join("kept"), folder.join("data-at")).unwrap()
    });
    plant("within-link", &|folder, _| {
        symlink(&outside, folder.join("data/timelines/tl-2")).unwrap();
        symlink(folder, folder.join("data/round")).unwrap();
    });
    symlink(&outside, all.join("link")).unwrap();
    symlink(&outside, all.join("link.gone")).unwrap();
    symlink("link-to-itself", all.join("link-to-itself")).unwrap();
    fs::write(all.join("file"), "").unwrap();
    fifo(&all.join("fifo"));
    fifo(&all.join("fifo.gone"));

    let said = start_and_end(&places).await;
    assert_eq!(cleared(&said), (26, 0), "{said}");
    assert!(group.lives(), "a negative number was taken for a process group");
    assert_eq!(fs::read(outside.join("kept")).unwrap(), b"precious");
    let mut names: Vec<_> = fs::read_dir(&outside)
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    names.sort();
    assert_eq!(names, ["kept", "pid"], "something was made outside");
    assert_eq!(places.processes(), Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn somebody_had_processes_that_look_like_a_dead_sandboxs_servers() {
    let places = Places::new(crate::support::sandbox_program());
    let all = all(&places);
    // A program that is called as PostgreSQL's server is, and isn't.
    let alike = all.parent().unwrap().join("postgres");
    fs::copy("/bin/sh", &alike).unwrap();
    let (_, of_log) = dead(&all, "log");
    fs::write(of_log.with_extension("log"), "").unwrap();
    let mut tail = Living(
        Command::new("tail")
            .arg("-f")
            .arg(of_log.with_extension("log"))
            .arg("/dev/null")
            .arg0("tail-postgres")
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap(),
    );
    fs::write(of_log.join("postmaster.pid"), format!("{}\n", tail.pid())).unwrap();

    let (_, of_other) = dead(&all, "other");
    let other = format!("{}-other", of_other.display());
    fs::create_dir(&other).unwrap();
    let mut on_other = living(&alike, &["-D", &other], Path::new(&other));
    fs::write(of_other.join("postmaster.pid"), format!("{}\n", on_other.pid())).unwrap();

    let (_, named) = dead(&all, "named");
    let mut names_it = living(&alike, &["-d", named.to_str().unwrap(), "postgres"], &named);
    fs::write(named.join("postmaster.pid"), format!("{}\n", names_it.pid())).unwrap();

    let (_, shell) = dead(&all, "shell");
    let mut a_shell = living(Path::new("/bin/sh"), &["-D", shell.to_str().unwrap()], &shell);
    fs::write(shell.join("postmaster.pid"), format!("{}\n", a_shell.pid())).unwrap();

    // Somebody's own server, which a file of the dead points to.
    let own = tokio::task::spawn_blocking(|| Postgres::own(&[])).await.unwrap();
    let folder = own.socket.parent().unwrap().to_owned();
    fs::write(folder.join("lock"), "").unwrap();
    let (points, _) = dead(&all, "points");
    fs::write(points.join("data-at"), folder.to_str().unwrap()).unwrap();

    let said = start_and_end(&places).await;
    assert_eq!(cleared(&said).1, 0, "{said}");
    assert!(tail.lives(), "a reader of a log was stopped");
    assert!(on_other.lives(), "a server on another folder was stopped");
    assert!(names_it.lives(), "a program that names the folder was stopped");
    assert!(a_shell.lives(), "a shell was stopped");
    let client = own.connect("postgres").await;
    assert_eq!(client.query_one("SELECT 1", &[]).await.unwrap().get::<_, i32>(0), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn somebody_killed_a_sandbox_and_its_keeper_and_started_another() {
    for kept in [false, true] {
        let places = Places::new(crate::support::sandbox_program());
        let sandbox = match kept {
            true => places.start_kept(&REQUIRED).await,
            false => Running::of(places.command(&REQUIRED)).await,
        };
        assert_eq!(places.servers().len(), 1);
        let keeper = process_of(&places, "neon-mcp-sandbox-keeper");
        kill_process(keeper, Signal::KILL).unwrap();
        sandbox.kill().await;
        tokio::time::sleep(Duration::from_millis(300)).await;
        assert_eq!(places.servers().len(), 1, "nobody stops it any more");
        let said = start_and_end(&places).await;
        assert_eq!(cleared(&said), (1, 1), "{said}");
        assert_eq!(places.processes(), Vec::<String>::new(), "kept: {kept}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn somebody_killed_a_sandbox_and_its_keeper_alone_stopped_its_servers() {
    let places = Places::new(crate::support::sandbox_program());
    let all = all(&places);
    let sandbox = Running::of(places.command(&REQUIRED)).await;
    // What else lies in its folders by now is nobody's server.
    let run = fs::read_dir(&all).unwrap().next().unwrap().unwrap().path();
    let mut group = living(Path::new("/bin/sh"), &[], &run);
    let timelines = run.join("data/timelines");
    for (name, text) in [
        ("a", format!("-{}\n", group.pid())),
        ("b", format!("{}\n", group.pid())),
    ] {
        fs::create_dir_all(timelines.join(name).join("data")).unwrap();
        fs::write(timelines.join(name).join("data/postmaster.pid"), text).unwrap();
    }
    fs::create_dir_all(timelines.join("c/data")).unwrap();
    fifo(&timelines.join("c/data/postmaster.pid"));
    sandbox.kill().await;
    let began = Instant::now();
    while !places.servers().is_empty() {
        assert!(began.elapsed() < Duration::from_secs(10), "{:?}", places.servers());
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert!(group.lives());
    places.quiet().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn somebody_kept_a_sandbox_whose_files_are_something_else_now() {
    let places = Places::new(crate::support::sandbox_program());
    let sandbox = places.start_kept(&REQUIRED).await;
    let printed = sandbox.printed.clone();
    sandbox.interrupt().await;
    let kept = places.kept();
    let data = places.timelines()[0].join("data");
    let outside = places.file("outside", "precious");

    for lock in [kept.join("lock"), kept.join("postgres/lock")] {
        for plant in [
            &(|path: &Path| fifo(path)) as &dyn Fn(&Path),
            &|path: &Path| symlink(&outside, path).unwrap(),
            &|path: &Path| fs::create_dir(path).unwrap(),
            &|path: &Path| huge(path),
        ] {
            let _ = fs::remove_file(&lock);
            plant(&lock);
            for planted in [
                data.join("postmaster.pid"),
                data.with_extension("log"),
                kept.join("state.json.unfinished"),
            ] {
                let _ = fs::remove_file(&planted);
                plant(&planted);
            }
            let started = tokio::time::timeout(PATIENCE, places.start_kept(&REQUIRED)).await;
            let sandbox = started.expect("a start that ends");
            assert_eq!(sandbox.printed, printed);
            let one = harness::sandbox_process::number(sandbox.database_url(), "SELECT 1::int8").await;
            assert_eq!(one, 1);
            sandbox.interrupt().await;
        }
    }
    assert_eq!(fs::read(&outside).unwrap(), b"precious");

    // A state that can't be read is refused in words, and at once: to begin anew would delete the data.
    let state = kept.join("state.json");
    for plant in [
        &(|path: &Path| fifo(path)) as &dyn Fn(&Path),
        &|path: &Path| symlink(&outside, path).unwrap(),
        &|path: &Path| fs::create_dir(path).unwrap(),
        &|path: &Path| huge(path),
    ] {
        clear(&state);
        plant(&state);
        let kept = kept.to_str().unwrap();
        let mut command = places.command(&["--sandbox-dir", kept]);
        let ended = tokio::time::timeout(PATIENCE, command.output()).await;
        let output = ended.expect("a refusal").unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!output.status.success() && said.contains("state.json"), "{said}");
    }
    assert_eq!(fs::read(&outside).unwrap(), b"precious");
    assert_eq!(places.timelines().len(), 1);
}

/// Removes what stands there.
fn clear(path: &Path) {
    let _ = fs::remove_file(path);
    let _ = fs::remove_dir(path);
}

#[tokio::test(flavor = "multi_thread")]
async fn somebody_cleared_half_of_the_cache() {
    let places = Places::new(crate::support::sandbox_program());
    let cache = places.file("x", "").parent().unwrap().join("cache");
    let command = || {
        let mut command = places.command(&REQUIRED);
        command.env("XDG_CACHE_HOME", &cache);
        command
    };
    Running::of(command()).await.interrupt().await;
    let template = fs::read_dir(cache.join("neon-mcp"))
        .unwrap()
        .next()
        .unwrap()
        .unwrap()
        .path();
    let outside = places.file("outside", "precious");
    for broken in ["global/pg_control", "pg_wal", "base", "PG_VERSION", "link", "fifo"] {
        match broken {
            "link" => {
                fs::remove_dir_all(&template).unwrap();
                symlink(outside.parent().unwrap(), &template).unwrap();
            }
            "fifo" => {
                fs::remove_file(template.join("PG_VERSION")).unwrap();
                fifo(&template.join("PG_VERSION"));
            }
            path => {
                let path = template.join(path);
                let _ = fs::remove_file(&path);
                let _ = fs::remove_dir_all(&path);
            }
        }
        let started = tokio::time::timeout(PATIENCE, Running::of(command())).await;
        started.unwrap_or_else(|_| panic!("{broken}")).interrupt().await;
        assert!(
            template.join("global/pg_control").is_file(),
            "{broken}: it isn't made anew"
        );
    }
    assert_eq!(fs::read(&outside).unwrap(), b"precious");
}

/// The process whose command line names that, and a folder of these places.
fn process_of(places: &Places, name: &str) -> Pid {
    let ours = places.kept();
    let ours = ours.parent().unwrap().to_str().unwrap();
    fs::read_dir("/proc")
        .unwrap()
        .flatten()
        .find_map(|process| {
            let line = fs::read(process.path().join("cmdline")).ok()?;
            let line = String::from_utf8_lossy(&line);
            let pid = process.file_name().to_str()?.parse().ok()?;
            (line.contains(name) && line.contains(ours)).then(|| Pid::from_raw(pid))?
        })
        .expect("a process")
}
