//! Two servers over HTTP that share a Redis store: an approval asked of one is granted at the other, and the call runs once.

mod redis;

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use neon_mcp::guard::{Approvals, Decision, RedisOptions, RedisStore, Sealer, StoreAddress};
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use rmcp::RoleClient;
use rmcp::service::RunningService;
use serde_json::{Value, json};

use self::redis::{Ends, PASSWORD, Redis, free_port, listens, program_of};
use crate::support::http::{OverHttp, connect, plain};
use crate::support::policy::write_policy;
use crate::support::server::{Era, KEY, TestClient, call, program, state_home};
use crate::support::world::{BRANCH, PROJECT, World};

/// The secret of the approval page.
const SECRET: &str = "the-operators-own-secret";

/// The key that replicas share.
const SEAL_KEY: [u8; 40] = [b'k'; 40];

type Client = RunningService<RoleClient, TestClient>;

/// Two servers, their store and the Neon that both call.
struct Scene {
    redis: Redis,
    world: World,
    folder: PathBuf,
    replicas: Vec<OverHttp>,
    clients: Vec<Client>,
}

impl Scene {
    async fn start() -> Option<Self> {
        let redis = Redis::start()?;
        let folder = state_home();
        std::fs::write(folder.join("seal.key"), SEAL_KEY).expect("written");
        std::fs::write(folder.join("page.secret"), SECRET).expect("written");
        let policy = format!(
            "[approval]\nchannels = [\"terminal\", \"page\"]\nwithout_terminal = true\npage_secret_file = \"{}\"\n",
            folder.join("page.secret").display()
        );
        write_policy(folder.join("policy.toml"), &policy);
        let mut scene = Self {
            redis,
            world: World::start().await,
            folder,
            replicas: Vec::new(),
            clients: Vec::new(),
        };
        for _ in 0..2 {
            let replica = scene.replica().await;
            scene.clients.push(client(&replica.url).await);
            scene.replicas.push(replica);
        }
        Some(scene)
    }

    /// One more server on the same store.
    async fn replica(&self) -> OverHttp {
        let mut command = program(
            &["http", "--listen", "127.0.0.1:0", "--toolsets", "all", "--no-auth"],
            &self.world.url(),
            KEY,
        );
        command
            .arg("--policy")
            .arg(self.folder.join("policy.toml"))
            .arg("--seal-key-file")
            .arg(self.key())
            .env("NEON_MCP_STORE", self.redis.url())
            .env("NEON_MCP_LOG", "warn")
            .stderr(Stdio::null());
        OverHttp::start(command, &state_home()).await
    }

    fn key(&self) -> PathBuf {
        self.folder.join("seal.key")
    }

    /// What waits, as another process of the operator's sees it.
    fn approvals(&self) -> Approvals {
        let Ok(StoreAddress::Redis(address)) = StoreAddress::parse(&self.redis.url()) else {
            panic!("an address");
        };
        let store = RedisStore::open(RedisOptions::new(address), Sealer::shared(&SEAL_KEY).expect("a key"));
        Approvals::in_redis(store.expect("a store"), None)
    }

    /// `neon-mcp approve`, with the store from the environment, as the command of a result has it.
    fn approve(&self, code: &str) -> std::process::Output {
        Command::new(crate::support::program())
            .args(["approve", code, "--yes", "--seal-key-file"])
            .arg(self.key())
            .env_clear()
            .env("NEON_MCP_STORE", self.redis.url())
            .output()
            .expect("runs")
    }

    fn runs(&self) -> usize {
        self.world.changes().len()
    }
}

async fn client(url: &str) -> Client {
    connect(url, None, TestClient::alone(), Era::Modern).await
}

/// Deletes the branch, giving back what was handed out with the code.
async fn delete(client: &Client, approval: Option<&str>) -> (Value, bool) {
    let mut arguments = json!({"project_id": PROJECT, "branch_id": BRANCH});
    if let Some(approval) = approval {
        arguments["approval"] = approval.into();
    }
    call(client, "delete_branch", arguments).await
}

/// The same until the store is back.
async fn delete_once_it_can(client: &Client, approval: Option<&str>) -> (Value, bool) {
    let until = Instant::now() + Duration::from_secs(60);
    loop {
        let told = delete(client, approval).await;
        if told.0["error"]["kind"] != "store_unavailable" {
            return told;
        }
        assert!(Instant::now() < until, "{}", told.0);
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// The code and what was handed out with it.
fn asked(told: &(Value, bool)) -> (String, String) {
    let error = &told.0["error"];
    assert_eq!(error["kind"], "requires_approval", "{}", told.0);
    let text = |name: &str| {
        error[name]
            .as_str()
            .unwrap_or_else(|| panic!("{name}: {error}"))
            .to_owned()
    };
    (text("code"), text("approval"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn approval_asked_of_one_is_granted_at_the_other_and_the_call_runs_once() {
    let Some(scene) = Scene::start().await else { return };
    for by_page in [false, true] {
        let before = scene.runs();
        let (code, approval) = asked(&delete(&scene.clients[0], None).await);
        if by_page {
            let page = format!("{}/approve/{code}", scene.replicas[1].origin());
            let form = format!("secret={SECRET}&decision=approve");
            let request = plain()
                .post(&page)
                .header("content-type", "application/x-www-form-urlencoded");
            let answer = request.body(form).send().await.expect("an answer");
            assert!(answer.status().is_success(), "{}", answer.status());
        } else {
            let output = scene.approve(&code);
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        }
        assert_eq!(scene.runs(), before, "nobody called yet");
        let (here, there) = tokio::join!(
            delete(&scene.clients[0], Some(&approval)),
            delete(&scene.clients[1], Some(&approval))
        );
        assert_ne!(here.1, there.1, "one of both runs: {} {}", here.0, there.0);
        for client in &scene.clients {
            assert!(delete(client, Some(&approval)).await.1, "it was used");
        }
        assert_eq!(scene.runs(), before + 1);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn caller_is_told_nothing_of_the_store_which_wants_the_same_key() {
    let Some(scene) = Scene::start().await else { return };
    let told = delete(&scene.clients[0], None).await;
    assert!(!told.0.to_string().contains(PASSWORD), "{}", told.0);
    for ours in ["--store", "--seal-key-file", "`neon-mcp approve", "redis"] {
        assert!(!told.0.to_string().contains(ours), "{ours}: {}", told.0);
    }
    // Whoever runs it has the list tell the command.
    let mut listed = Command::new(crate::support::program());
    let listed = listed.args(["approve", "--seal-key-file"]).arg(scene.key()).env_clear();
    let listed = listed.env("NEON_MCP_STORE", scene.redis.url()).output().expect("runs");
    let listed = String::from_utf8_lossy(&listed.stdout).into_owned();
    assert!(
        listed.contains("--store \"$NEON_MCP_STORE\" --seal-key-file") && !listed.contains(PASSWORD),
        "{listed}"
    );
    let (code, _) = asked(&told);
    let other = scene.folder.join("other.key");
    std::fs::write(&other, [b'o'; 40]).expect("written");
    let approve = |key: &Path, store: &str| {
        let output = Command::new(crate::support::program())
            .args(["approve", &code, "--yes", "--store", store, "--seal-key-file"])
            .arg(key)
            .env_clear()
            .output()
            .expect("runs");
        let text = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
        assert!(!text.contains(PASSWORD), "{text}");
        output.status.code()
    };
    assert_eq!(
        approve(&other, &scene.redis.url()),
        Some(2),
        "nothing waits under another key"
    );
    let wrong = scene.redis.url().replace(PASSWORD, "wrong-password");
    assert_eq!(approve(&scene.key(), &wrong), Some(1));
    assert_eq!(approve(&scene.key(), &scene.redis.url()), Some(0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn store_that_is_away_stops_what_needs_an_approval_and_nothing_else() {
    let Some(mut scene) = Scene::start().await else { return };
    let (code, approval) = asked(&delete(&scene.clients[0], None).await);
    assert!(scene.approve(&code).status.success());
    scene.redis.kill();
    let listing = json!({"project_id": PROJECT});
    let (value, is_error) = call(&scene.clients[1], "list_branches", listing).await;
    assert!(!is_error, "{value}");
    for given in [None, Some(approval.as_str())] {
        let (value, is_error) = delete(&scene.clients[1], given).await;
        assert!(is_error && value["error"]["kind"] == "store_unavailable", "{value}");
        assert!(!value.to_string().contains(PASSWORD), "{value}");
    }
    // It comes back with nothing: what was approved before counts no more, and is asked anew.
    scene.redis.revive(true);
    let (code, approval) = asked(&delete_once_it_can(&scene.clients[1], Some(&approval)).await);
    assert_eq!(scene.runs(), 0);
    assert!(scene.approve(&code).status.success());
    // With its data, it counts.
    scene.redis.kill();
    scene.redis.revive(false);
    let (value, is_error) = delete_once_it_can(&scene.clients[0], Some(&approval)).await;
    assert!(!is_error, "{value}");
    assert_eq!(scene.runs(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn interleavings_over_http_run_each_approval_once() {
    let Some(mut scene) = Scene::start().await else { return };
    let seed: u64 = rand::random();
    eprintln!("seed {seed}");
    let mut random = StdRng::seed_from_u64(seed);
    let approvals = scene.approvals();
    let mut granted = 0;
    for round in 0..150 {
        let at = random.random_range(0..2);
        let (code, approval) = asked(&delete_once_it_can(&scene.clients[at], None).await);
        if random.random_bool(0.3) {
            let (value, is_error) = delete_once_it_can(&scene.clients[1 - at], Some(&approval)).await;
            assert!(is_error, "nobody approved it: {value}");
        }
        if random.random_bool(0.2) {
            continue;
        }
        let decision = Decision::Approve { typed: None };
        approvals
            .decide(&code, &decision, chrono::Utc::now())
            .expect("approved");
        if round % 50 == 25 {
            scene.redis.kill();
            scene.redis.revive(false);
        }
        if round % 40 == 30 {
            let replica = scene.replica().await;
            scene.clients[at] = client(&replica.url).await;
            scene.replicas[at] = replica;
        }
        granted += 1;
        let (here, there) = tokio::join!(
            delete_once_it_can(&scene.clients[0], Some(&approval)),
            delete_once_it_can(&scene.clients[1], Some(&approval))
        );
        assert_ne!(here.1, there.1, "round {round}: {} {}", here.0, there.0);
        assert_eq!(scene.runs(), granted, "round {round}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn clients_behind_nginx_without_affinity_get_each_approval_once() {
    let Some(nginx) = program_of(&["nginx"], "nginx-light") else {
        return;
    };
    let Some(scene) = Scene::start().await else { return };
    let folder = tempfile::tempdir().expect("a directory");
    let port = free_port();
    let servers: String = scene
        .replicas
        .iter()
        .map(|replica| format!("server {};", replica.origin().trim_start_matches("http://")))
        .collect();
    let place = folder.path().display();
    let paths: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
        .iter()
        .map(|kind| format!("{kind}_temp_path {place}/{kind};"))
        .collect();
    let config = format!(
        "daemon off; master_process off; pid {place}/pid; error_log {place}/error.log; events {{}}\n\
         http {{ access_log {place}/access.log; {paths} log_format to '$upstream_addr'; access_log {place}/to.log to;\n\
         upstream replicas {{ {servers} }}\n\
         server {{ listen 127.0.0.1:{port}; location / {{ proxy_pass http://replicas; proxy_http_version 1.1; \
         proxy_set_header Connection ''; proxy_set_header Host $http_host; proxy_buffering off; }} }} }}\n"
    );
    let file = folder.path().join("nginx.conf");
    std::fs::write(&file, config).expect("written");
    let child = Command::new(nginx)
        .arg("-c")
        .arg(&file)
        .arg("-p")
        .arg(folder.path())
        .stderr(Stdio::null())
        .spawn()
        .expect("starts");
    let _ends = Ends(child);
    listens(port);
    let client = client(&format!("http://127.0.0.1:{port}/mcp")).await;
    for round in 0..10 {
        let (code, approval) = asked(&delete(&client, None).await);
        assert!(delete(&client, Some(&approval)).await.1, "nobody approved it");
        assert!(scene.approve(&code).status.success());
        let (value, is_error) = delete(&client, Some(&approval)).await;
        assert!(!is_error, "{value}");
        assert!(delete(&client, Some(&approval)).await.1, "it was used");
        assert_eq!(scene.runs(), round + 1);
    }
    let mut met: HashMap<String, usize> = HashMap::new();
    for to in std::fs::read_to_string(folder.path().join("to.log"))
        .expect("a log")
        .lines()
    {
        *met.entry(to.to_owned()).or_default() += 1;
    }
    assert_eq!(met.len(), 2, "both were called: {met:?}");
}

#[test]
fn store_that_refuses_or_has_no_key_ends_the_start_and_shows_no_password() {
    let Some(redis) = Redis::start() else { return };
    let folder = tempfile::tempdir().expect("a directory");
    let key = folder.path().join("seal.key");
    std::fs::write(&key, SEAL_KEY).expect("written");
    let key = key.to_str().expect("a path");
    let wrong = redis.url().replace(PASSWORD, "canary-wrong-password");
    let url = redis.url();
    for (arguments, says) in [
        (vec!["--store", url.as_str()], "--seal-key-file"),
        (vec!["--store", wrong.as_str(), "--seal-key-file", key], "refuses"),
        (vec!["--store", "redis://:canary-password@"], "store:"),
        (vec!["--store", "memory", "--store-prefix", "a"], "--store-prefix"),
    ] {
        let output = Command::new(crate::support::program())
            .args(["http", "--listen", "127.0.0.1:0", "--no-auth"])
            .args(arguments)
            .env_clear()
            .env("HOME", folder.path())
            .env("NEON_API_KEY", KEY)
            .env("NEON_API_HOST", "http://127.0.0.1:1")
            .output()
            .expect("runs");
        let text = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
        assert!(!output.status.success() && text.contains(says), "{text}");
        assert!(!text.contains("canary"), "{text}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn store_over_tls_is_taken_by_its_own_authority_alone() {
    let Some((redis, ca)) = Redis::encrypted() else { return };
    let (world, folder) = (World::start().await, state_home());
    let key = folder.join("seal.key");
    std::fs::write(&key, SEAL_KEY).expect("written");
    let policy = folder.join("policy.toml");
    std::fs::write(
        &policy,
        "[approval]\nchannels = [\"terminal\"]\nwithout_terminal = true\n",
    )
    .expect("written");
    let replica = async |ca: Option<&Path>| {
        let mut command = program(&["http", "--listen", "127.0.0.1:0", "--no-auth"], &world.url(), KEY);
        command
            .arg("--policy")
            .arg(&policy)
            .arg("--seal-key-file")
            .arg(&key)
            .env("NEON_MCP_STORE", redis.encrypted_url());
        if let Some(ca) = ca {
            command.env("NEON_MCP_STORE_CA", ca);
        }
        OverHttp::start(command, &state_home()).await
    };
    let approve = |code: &str, ca: Option<&Path>| {
        let mut command = Command::new(crate::support::program());
        command.args(["approve", code, "--yes", "--seal-key-file"]).arg(&key);
        command.env_clear().env("NEON_MCP_STORE", redis.encrypted_url());
        if let Some(ca) = ca {
            command.env("NEON_MCP_STORE_CA", ca);
        }
        command.output().expect("runs")
    };
    let (one, other) = (replica(Some(&ca)).await, replica(Some(&ca)).await);
    let (code, approval) = asked(&delete(&client(&one.url).await, None).await);
    // Whose certificate isn't known may be anybody: nothing is asked of it, the password least of all.
    let stranger = approve(&code, None);
    let told = String::from_utf8_lossy(&[stranger.stdout, stranger.stderr].concat()).into_owned();
    assert!(!stranger.status.success() && told.contains("certificate"), "{told}");
    assert!(!told.contains(PASSWORD), "{told}");
    let output = approve(&code, Some(&ca));
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let (value, is_error) = delete(&client(&other.url).await, Some(&approval)).await;
    assert!(!is_error, "{value}");
    assert_eq!(world.changes().len(), 1);
    // A server that doesn't know it serves what needs no store, and asks nobody.
    let untrusting = replica(None).await;
    let (value, is_error) = delete(&client(&untrusting.url).await, None).await;
    assert!(is_error && value["error"]["kind"] == "store_unavailable", "{value}");
    assert_eq!(world.changes().len(), 1);
}
