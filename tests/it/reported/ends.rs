//! How servers end: by a signal, whatever their input is, and by the end of their input.

use std::fs;
use std::io::{Read as _, Write as _};
use std::os::fd::OwnedFd;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use harness::wait::blocking;
use rustix::process::{Pid, Signal, kill_process};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use serde_json::json;

use crate::support::server::{KEY, program};
use harness::sandbox_process::Places;

/// How long a server may take that was told to end by a signal.
const HALF_A_SECOND: Duration = Duration::from_millis(500);

const INITIALIZE: &str = concat!(
    r#"{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{},"#,
    r#""clientInfo":{"name":"t","version":"1"}}}"#,
    "\n",
    r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#,
    "\n"
);

/// What standard input is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Input {
    Pipe,
    Fifo,
    Socket,
    Terminal,
    /// A file that has been read to its end is at its end; this one never is.
    Device,
}

/// A program with such an input: it, and the other end.
fn started(mut command: Command, input: Input, place: &Path) -> (Child, Option<fs::File>) {
    command.stdout(Stdio::piped()).stderr(Stdio::null());
    match input {
        Input::Pipe => {
            let mut child = command.stdin(Stdio::piped()).spawn().unwrap();
            let other = child.stdin.take().map(|stdin| fs::File::from(OwnedFd::from(stdin)));
            (child, other)
        }
        Input::Fifo => {
            let path = place.join("fifo");
            assert!(Command::new("mkfifo").arg(&path).status().unwrap().success());
            let open = || fs::File::options().read(true).write(true).open(&path).unwrap();
            (command.stdin(open()).spawn().unwrap(), Some(open()))
        }
        Input::Socket => {
            let (ours, theirs) = UnixStream::pair().unwrap();
            let child = command.stdin(OwnedFd::from(theirs)).spawn().unwrap();
            (child, Some(fs::File::from(OwnedFd::from(ours))))
        }
        Input::Terminal => {
            let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
            grantpt(&master).unwrap();
            unlockpt(&master).unwrap();
            let name = ptsname(&master, Vec::new()).unwrap();
            let slave = fs::File::options()
                .read(true)
                .write(true)
                .open(name.to_str().unwrap())
                .unwrap();
            (command.stdin(slave).spawn().unwrap(), Some(fs::File::from(master)))
        }
        Input::Device => {
            let zeros = fs::File::open("/dev/zero").unwrap();
            (command.stdin(zeros).spawn().unwrap(), None)
        }
    }
}

/// Whether a program has something of its own to do at this signal, and waits for something: its start is behind it.
fn catches(child: &Child, signal: Signal) -> bool {
    let status = fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap_or_default();
    let caught = status.lines().find_map(|line| line.strip_prefix("SigCgt:"));
    let caught = u64::from_str_radix(caught.unwrap_or_default().trim(), 16).unwrap_or_default();
    let waits = status.lines().any(|line| line.starts_with("State:\tS"));
    waits && caught & (1 << (signal.as_raw() - 1)) != 0
}

fn signal(child: &Child, signal: Signal) {
    kill_process(Pid::from_raw(child.id().try_into().unwrap()).unwrap(), signal).unwrap();
}

/// Waits for the end; how long it took.
fn ended(mut child: Child, patience: Duration) -> Duration {
    let began = Instant::now();
    loop {
        if let Some(status) = child.try_wait().unwrap() {
            assert!(status.success(), "{status}");
            return began.elapsed();
        }
        if began.elapsed() > patience {
            child.kill().unwrap();
            child.wait().unwrap();
            panic!("it still runs after {patience:?}");
        }
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// An upstream that takes requests and never answers, until it is dropped.
fn silent() -> (std::net::TcpListener, String) {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/api/v2", listener.local_addr().unwrap());
    (listener, url)
}

fn stdio(api: &str) -> Command {
    program(&["stdio"], api, KEY).into_std()
}

/// One of three tries is within the time: a machine that is busy for a moment breaks no rule, and a server that waits for something
/// breaks it every time.
fn within(most: Duration, what: &str, mut took: impl FnMut() -> Duration) {
    let tries: Vec<Duration> = (0..3).map(|_| took()).take_while(|took| *took >= most).collect();
    assert!(tries.len() < 3, "{what}: {tries:?}");
}

#[test]
fn somebody_ended_a_server_with_a_signal_whatever_its_input_was() {
    for input in [Input::Pipe, Input::Fifo, Input::Socket, Input::Terminal, Input::Device] {
        for told in [Signal::TERM, Signal::INT, Signal::HUP] {
            for calls in [false, true] {
                let what = format!("{input:?} {told:?} calls={calls}");
                within(HALF_A_SECOND, &what, || ended_by(told, input, calls));
            }
        }
    }
}

/// How long a server takes to end that is told so.
fn ended_by(told: Signal, input: Input, calls: bool) -> Duration {
    let place = tempfile::tempdir().unwrap();
    let (listener, api) = silent();
    let (mut child, mut other) = started(stdio(&api), input, place.path());
    // That it listens to one of them says that it has begun.
    blocking("its listening to signals", || catches(&child, Signal::TERM));
    if let (true, Some(other)) = (calls, &mut other) {
        other.write_all(INITIALIZE.as_bytes()).unwrap();
        let call = r#"{"jsonrpc":"2.0","id":2,"method":"tools/call","params":{"name":"list_projects","arguments":{}}}"#;
        writeln!(other, "{call}").unwrap();
        let mut first = [0; 1];
        child.stdout.as_mut().unwrap().read_exact(&mut first).unwrap();
        // The call has come to the API.
        listener.accept().unwrap();
    }
    signal(&child, told);
    ended(child, Duration::from_secs(10))
}

#[test]
fn somebody_closed_the_input_of_a_sandbox_with_data() {
    for kept in [false, true] {
        for told in [None, Some(Signal::TERM), Some(Signal::INT), Some(Signal::HUP)] {
            let most = if told.is_some() {
                HALF_A_SECOND
            } else {
                Duration::from_secs(1)
            };
            within(most, &format!("kept={kept} {told:?}"), || closed_on_data(kept, told));
        }
    }
}

/// How long a server on a sandbox with data takes to end, and that it leaves nothing.
fn closed_on_data(kept: bool, told: Option<Signal>) -> Duration {
    let places = Places::new(crate::support::sandbox_program());
    let mut arguments = vec![
        "stdio",
        "--sandbox",
        "--sandbox-postgres",
        "required",
        "--toolsets",
        "all",
    ];
    let folder = places.kept();
    if kept {
        arguments.extend(["--sandbox-dir", folder.to_str().unwrap()]);
    }
    let mut command = Command::new(crate::support::program());
    command
        .args(arguments)
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .env("TMPDIR", places.file("x", "").parent().unwrap().join("tmp"))
        .env("XDG_STATE_HOME", places.file("x", "").parent().unwrap().join("state"))
        .env("XDG_CACHE_HOME", Path::new(env!("CARGO_TARGET_TMPDIR")).join("cache"));
    let place = tempfile::tempdir().unwrap();
    let (mut child, other) = started(command, Input::Pipe, place.path());
    let mut other = other.unwrap();
    other.write_all(INITIALIZE.as_bytes()).unwrap();
    let mut answers = std::io::BufReader::new(child.stdout.take().unwrap());
    let mut call = |id: u64, tool: &str, arguments: serde_json::Value| {
        let params = json!({"name": tool, "arguments": arguments});
        let call = json!({"jsonrpc": "2.0", "id": id, "method": "tools/call", "params": params});
        writeln!(other, "{call}").unwrap();
        loop {
            let mut line = String::new();
            assert!(std::io::BufRead::read_line(&mut answers, &mut line).unwrap() > 0);
            let answer: serde_json::Value = serde_json::from_str(&line).unwrap();
            if answer["id"] == id {
                assert_ne!(answer["result"]["isError"], true, "{line}");
                return answer["result"]["structuredContent"]["result"].clone();
            }
        }
    };
    let organizations = call(2, "list_organizations", json!({}));
    let organization = &organizations["organizations"][0]["id"];
    call(3, "create_project", json!({"name": "p", "org_id": organization}));
    assert!(!places.servers().is_empty(), "no data");
    let began = Instant::now();
    match told {
        None => drop(other),
        Some(told) => signal(&child, told),
    }
    ended(child, Duration::from_secs(20));
    let took = began.elapsed();
    assert_eq!(places.processes(), Vec::<String>::new());
    assert_eq!(places.short_lived(), Vec::<std::path::PathBuf>::new());
    took
}

/// The temporary folder of a process, which the user that runs PostgreSQL can pass through.
fn temporary() -> tempfile::TempDir {
    let place = harness::folder::own();
    fs::set_permissions(place.path(), fs::Permissions::from_mode(0o711)).unwrap();
    place
}

/// The command lines of processes that name a folder.
fn processes_in(folder: &Path) -> Vec<String> {
    let processes = fs::read_dir("/proc").unwrap().flatten();
    processes
        .filter_map(|process| fs::read(process.path().join("cmdline")).ok())
        .map(|line| String::from_utf8_lossy(&line).replace('\0', " "))
        .filter(|line| line.contains(folder.to_str().unwrap()))
        .collect()
}

#[test]
fn somebody_stopped_the_demo_in_the_middle() {
    for told in [Signal::TERM, Signal::INT, Signal::HUP] {
        let place = temporary();
        let mut child = Command::new(crate::support::program())
            .args(["demo", "--sandbox-postgres", "required"])
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("TMPDIR", place.path())
            .env("XDG_CACHE_HOME", Path::new(env!("CARGO_TARGET_TMPDIR")).join("cache"))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = std::io::BufRead::lines(std::io::BufReader::new(child.stdout.take().unwrap()));
        // The story is under way: something of it has been checked.
        assert!(lines.by_ref().any(|line| line.unwrap().contains('\u{2713}')));
        signal(&child, told);
        let began = Instant::now();
        blocking("the end of the demo", || child.try_wait().unwrap().is_some());
        assert!(
            began.elapsed() < Duration::from_secs(5),
            "{told:?}: {:?}",
            began.elapsed()
        );
        assert_eq!(child.wait().unwrap().code(), Some(1), "{told:?}");
        let mut said = String::new();
        child.stderr.take().unwrap().read_to_string(&mut said).unwrap();
        assert_eq!(said.lines().count(), 1, "{told:?}: {said}");
        assert_eq!(processes_in(place.path()), Vec::<String>::new(), "{told:?}");
        // Neither the sandbox's folders nor those of the demo's server.
        assert_eq!(fs::read_dir(place.path()).unwrap().count(), 0, "{told:?}");
    }
}

#[test]
fn hangups_that_are_ignored_stay_so() {
    let place = temporary();
    let child = Command::new("/bin/sh")
        .args(["-c", "trap '' HUP; exec \"$0\" sandbox --sandbox-postgres off"])
        .arg(crate::support::program())
        .env_clear()
        .env("TMPDIR", place.path())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn();
    let mut child = child.unwrap();
    let mut line = String::new();
    let mut out = std::io::BufReader::new(child.stdout.take().unwrap());
    std::io::BufRead::read_line(&mut out, &mut line).unwrap();
    signal(&child, Signal::HUP);
    std::thread::sleep(Duration::from_millis(300));
    assert!(child.try_wait().unwrap().is_none(), "a hangup ended it");
    signal(&child, Signal::TERM);
    ended(child, Duration::from_secs(10));
}

#[test]
fn somebody_sent_hangups_and_a_second_signal_to_an_http_server() {
    let (listener, api) = silent();
    let mut command = program(&["http", "--listen", "127.0.0.1:0", "--no-auth"], &api, KEY).into_std();
    let mut child = command.stderr(Stdio::null()).spawn().unwrap();
    let mut line = String::new();
    let mut out = std::io::BufReader::new(child.stdout.take().unwrap());
    std::io::BufRead::read_line(&mut out, &mut line).unwrap();
    signal(&child, Signal::HUP);
    std::thread::sleep(Duration::from_millis(300));
    assert!(child.try_wait().unwrap().is_none(), "a hangup ended it");
    // A call that runs makes it wait.
    let address = line
        .trim()
        .trim_start_matches("http://")
        .trim_end_matches("/mcp")
        .to_owned();
    let mut client = std::net::TcpStream::connect(&address).unwrap();
    let body = concat!(
        r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"list_projects","arguments":{},"#,
        r#""_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","#,
        r#""io.modelcontextprotocol/clientCapabilities":{},"#,
        r#""io.modelcontextprotocol/clientInfo":{"name":"t","version":"1"}}}}"#
    );
    write!(
        client,
        "POST /mcp HTTP/1.1\r\nhost: {address}\r\ncontent-type: application/json\r\n\
         accept: application/json, text/event-stream\r\nmcp-protocol-version: 2026-07-28\r\n\
         mcp-method: tools/call\r\nmcp-name: list_projects\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    )
    .unwrap();
    listener.set_nonblocking(false).unwrap();
    let _running = listener.accept().unwrap();
    signal(&child, Signal::TERM);
    std::thread::sleep(Duration::from_millis(600));
    assert!(child.try_wait().unwrap().is_none(), "a running call was cut at once");
    signal(&child, Signal::TERM);
    let began = Instant::now();
    while child.try_wait().unwrap().is_none() {
        assert!(began.elapsed() < HALF_A_SECOND, "the second signal doesn't end it");
        std::thread::sleep(Duration::from_millis(2));
    }
}
