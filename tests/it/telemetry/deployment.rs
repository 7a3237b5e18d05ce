//! What people copy from `packaging/deploy`: it names metrics that there are, and holds what its manifests promise.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use neon_mcp::telemetry::{Row, TABLE, metrics_reference};
use serde_json::Value;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("packaging/deploy")
}

fn read(file: &str) -> String {
    fs::read_to_string(folder().join(file)).unwrap_or_else(|error| panic!("{file}: {error}"))
}

/// The documents of a YAML file.
fn documents(file: &str) -> Vec<Value> {
    let text = read(file);
    let texts = text.split("\n---\n");
    texts
        .map(|text| yaml_serde::from_str(text).unwrap_or_else(|error| panic!("{file}: {error}")))
        .collect()
}

/// The metrics that a text names, without the endings of a histogram's series.
fn named(text: &str) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for part in text.split(|character: char| !(character.is_ascii_alphanumeric() || character == '_')) {
        if part.starts_with("neon_mcp_") {
            let endings = ["_bucket", "_sum", "_count"];
            let base = endings.iter().find_map(|ending| part.strip_suffix(ending));
            names.insert(base.unwrap_or(part).to_owned());
        }
    }
    names
}

#[test]
fn dashboard_and_rules_name_metrics_that_there_are_and_the_dashboard_all_of_them() {
    let exported: BTreeSet<String> = TABLE.iter().map(Row::prometheus_name).collect();
    for file in [
        "prometheus/rules.yml",
        "prometheus/rules_test.yml",
        "grafana/neon-mcp.json",
    ] {
        let unknown: Vec<String> = named(&read(file)).difference(&exported).cloned().collect();
        assert!(unknown.is_empty(), "{file} names what nobody exports: {unknown:?}");
    }
    let missing: Vec<String> = exported
        .difference(&named(&read("grafana/neon-mcp.json")))
        .cloned()
        .collect();
    assert!(missing.is_empty(), "the dashboard lacks {missing:?}");
}

#[test]
fn labels_of_dashboard_and_rules_are_those_of_the_table() {
    let known: BTreeSet<&str> = TABLE.iter().flat_map(|row| row.labels).copied().collect();
    for file in ["prometheus/rules.yml", "grafana/neon-mcp.json"] {
        let text = read(file);
        for behind in text.split("by (").skip(1) {
            let inner = behind.split(')').next().unwrap();
            for label in inner.split(',').map(str::trim).filter(|label| *label != "le") {
                assert!(known.contains(label) || label == "instance", "{file}: by ({label})");
            }
        }
        for metric in text.split("neon_mcp_").skip(1) {
            let name: String = metric
                .chars()
                .take_while(|character| character.is_ascii_alphanumeric() || *character == '_')
                .collect();
            let rest = &metric[name.len()..];
            let full = named(&format!("neon_mcp_{name}")).into_iter().next().unwrap();
            let row = TABLE.iter().find(|row| row.prometheus_name() == full).unwrap();
            let Some(inner) = rest.strip_prefix('{').and_then(|rest| rest.split('}').next()) else {
                continue;
            };
            for label in inner.split(',').filter_map(|part| part.split(['=', '!']).next()) {
                let label = label.trim();
                let is_known = row.labels.contains(&label) || ["instance", "job"].contains(&label);
                assert!(is_known, "{file}: {full} has no label {label}");
            }
        }
    }
}

#[test]
fn image_is_that_of_this_version() {
    let image = concat!("ghcr.io/neon-mcp/neon-mcp:", env!("CARGO_PKG_VERSION"));
    for file in ["compose.yaml", "kubernetes/neon-mcp.yaml"] {
        assert!(read(file).contains(&format!("image: {image}\n")), "{file}: {image}");
    }
}

#[test]
fn reference_of_the_metrics_is_up_to_date() {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/metrics.md");
    let page = fs::read_to_string(page).unwrap();
    assert_eq!(page, metrics_reference(), "cargo xtask metrics > docs/metrics.md");
}

fn of_kind<'a>(all: &'a [Value], kind: &str) -> Vec<&'a Value> {
    let of_kind: Vec<&Value> = all.iter().filter(|one| one["kind"] == kind).collect();
    assert!(!of_kind.is_empty(), "no {kind}");
    of_kind
}

#[test]
fn pods_run_with_nothing_that_they_do_not_need() {
    let all = [
        documents("kubernetes/neon-mcp.yaml"),
        documents("kubernetes/valkey.yaml"),
    ]
    .concat();
    for one in &all {
        for place in ["/apiVersion", "/kind", "/metadata/name"] {
            assert!(one.pointer(place).is_some_and(Value::is_string), "{place}: {one}");
        }
    }
    let workloads = [of_kind(&all, "Deployment"), of_kind(&all, "StatefulSet")].concat();
    for workload in workloads {
        let labels = &workload["spec"]["template"]["metadata"]["labels"];
        assert_eq!(&workload["spec"]["selector"]["matchLabels"], labels);
        let pod = &workload["spec"]["template"]["spec"];
        assert_eq!(pod["automountServiceAccountToken"], false);
        assert_eq!(pod["securityContext"]["runAsNonRoot"], true);
        assert_eq!(pod["securityContext"]["seccompProfile"]["type"], "RuntimeDefault");
        let volumes = pod["volumes"].as_array().unwrap();
        for container in pod["containers"].as_array().unwrap() {
            let security = &container["securityContext"];
            assert_eq!(security["readOnlyRootFilesystem"], true, "{container}");
            assert_eq!(security["allowPrivilegeEscalation"], false, "{container}");
            assert_eq!(security["capabilities"]["drop"][0], "ALL", "{container}");
            assert!(container["resources"]["limits"]["memory"].is_string(), "{container}");
            assert!(container["readinessProbe"].is_object() && container["livenessProbe"].is_object());
            let own = workload["spec"]["volumeClaimTemplates"].as_array();
            let own = own.into_iter().flatten().map(|claim| &claim["metadata"]["name"]);
            let there: Vec<&Value> = volumes.iter().map(|volume| &volume["name"]).chain(own).collect();
            for mount in container["volumeMounts"].as_array().unwrap() {
                assert!(there.contains(&&mount["name"]), "{mount}");
            }
            // No secret stands in a variable, where every child and core file has it.
            let variables = container["env"].as_array();
            assert!(
                variables
                    .into_iter()
                    .flatten()
                    .all(|one| one["valueFrom"]["secretKeyRef"].is_null())
            );
        }
    }
    let deployment = of_kind(&all, "Deployment")[0];
    assert_eq!(deployment["spec"]["replicas"], 2);
    let container = &deployment["spec"]["template"]["spec"]["containers"][0];
    // Where clients' connections keep no probe out.
    assert_eq!(
        container["livenessProbe"]["httpGet"],
        serde_json::json!({"path": "/healthz", "port": "metrics"})
    );
    assert_eq!(container["readinessProbe"]["httpGet"]["path"], "/readyz");
    let names = |kind| -> Vec<&Value> {
        of_kind(&all, kind)
            .into_iter()
            .map(|one| &one["spec"]["podSelector"]["matchLabels"])
            .collect()
    };
    assert_eq!(names("NetworkPolicy").len(), 2);
    assert_eq!(of_kind(&all, "PodDisruptionBudget")[0]["spec"]["minAvailable"], 1);
    for policy in of_kind(&all, "NetworkPolicy") {
        assert_eq!(policy["spec"]["policyTypes"], serde_json::json!(["Ingress", "Egress"]));
    }
    let secrets: Vec<Value> = documents("kubernetes/secrets.example.yaml");
    for secret in of_kind(&secrets, "Secret") {
        let text = secret["stringData"].to_string();
        assert!(text.contains("REPLACE_WITH"), "an example with a secret in it: {text}");
    }
}

#[test]
fn containers_run_with_nothing_that_they_do_not_need() {
    let compose = documents("compose.yaml").remove(0);
    let services = compose["services"].as_object().unwrap();
    for name in ["neon-mcp-1", "neon-mcp-2", "valkey", "nginx"] {
        // A merge key is left to whoever reads the file.
        let mut service = services[name].clone();
        if let Some(base) = service.get("<<").cloned() {
            for (key, value) in base.as_object().unwrap() {
                if service.get(key).is_none() {
                    service[key] = value.clone();
                }
            }
        }
        assert_eq!(service["read_only"], true, "{name}");
        assert_eq!(service["cap_drop"], serde_json::json!(["ALL"]), "{name}");
        assert_eq!(
            service["security_opt"],
            serde_json::json!(["no-new-privileges:true"]),
            "{name}"
        );
        let user = service["user"].as_str().unwrap();
        assert!(!user.starts_with('0') && !user.starts_with("root"), "{name}: {user}");
        assert!(service["healthcheck"]["test"].is_array(), "{name}");
        assert_eq!(
            service["ports"].is_array(),
            name == "nginx",
            "{name} is open to the outside"
        );
        for list in ["secrets", "configs"] {
            for used in service[list].as_array().into_iter().flatten() {
                let source = used.as_str().or(used["source"].as_str()).unwrap();
                assert!(compose[list].get(source).is_some(), "{name}: {source}");
            }
        }
        let networks: Vec<&str> = match &service["networks"] {
            Value::Object(networks) => networks.keys().map(String::as_str).collect(),
            networks => networks.as_array().unwrap().iter().filter_map(Value::as_str).collect(),
        };
        for network in networks {
            assert!(compose["networks"].get(network).is_some(), "{name}: {network}");
        }
        // nginx looks addresses up once: those of replicas stay.
        if name.starts_with("neon-mcp") {
            let address = service["networks"]["front"]["ipv4_address"].as_str().unwrap();
            let subnet = compose["networks"]["front"]["ipam"]["config"][0]["subnet"]
                .as_str()
                .unwrap();
            assert!(
                address.starts_with(subnet.strip_suffix("0/24").unwrap()),
                "{name}: {address}"
            );
        }
        // Secrets are files, in no variable and no argument.
        let text = service.to_string();
        assert!(
            !text.contains("API_KEY\"") && !text.contains("redis://"),
            "{name}: {text}"
        );
    }
    assert_eq!(compose["networks"]["store"]["internal"], true);
}

#[test]
fn files_that_the_program_reads_are_taken_by_it() {
    let check = |arguments: &[&str]| {
        let ran = std::process::Command::new(crate::support::program())
            .args(arguments)
            .current_dir(folder())
            .env_clear()
            .output()
            .unwrap();
        assert!(
            ran.status.success(),
            "{arguments:?}: {}",
            String::from_utf8_lossy(&ran.stderr)
        );
    };
    check(&["policy", "check", "policy.toml"]);
    let settings = read("settings.toml.example");
    let table: toml_check::Table = toml_check::parse(&settings);
    let of_secret = documents("kubernetes/secrets.example.yaml");
    let of_secret = toml_check::parse(of_secret[0]["stringData"]["settings.toml"].as_str().unwrap());
    // What the proxies of a cluster want is no setting of the compose file.
    let mut keys = of_secret.keys();
    keys.retain(|key| key != "header_timeout_seconds");
    assert_eq!(table.keys(), keys);
}

#[test]
fn policy_is_the_same_in_both_deployments() {
    let maps = documents("kubernetes/neon-mcp.yaml");
    let map = of_kind(&maps, "ConfigMap")[0];
    let text = map["data"]["policy.toml"].as_str().unwrap();
    assert_eq!(text.trim_end(), read("policy.toml").trim_end());
}

#[test]
fn proxies_keep_idle_connections_shorter_than_the_server_does() {
    let server = neon_mcp::server::http::HttpLimits::default().head.as_secs();
    for (file, before) in [
        ("nginx/nginx.conf", "\n        keepalive_timeout "),
        ("caddy/Caddyfile", "\n\t\t\tkeepalive "),
    ] {
        let text = read(file);
        let rest = text
            .split_once(before)
            .unwrap_or_else(|| panic!("{file}: no idle time"))
            .1;
        let seconds: u64 = rest.split_once('s').unwrap().0.parse().unwrap();
        assert!(seconds + 5 <= server, "{file}: {seconds} of {server}");
    }
    // Those of clusters keep them a minute, and don't all let a route say otherwise.
    let secrets = documents("kubernetes/secrets.example.yaml");
    let settings: toml::Table = toml::from_str(secrets[0]["stringData"]["settings.toml"].as_str().unwrap()).unwrap();
    assert!(settings["http"]["header_timeout_seconds"].as_integer().unwrap() >= 65);
}

#[test]
fn job_of_every_scrape_is_the_one_that_alerts_name() {
    let rules = read("prometheus/rules.yml");
    assert!(rules.contains(r#"absent(up{job="neon-mcp"})"#));
    for file in ["prometheus/prometheus.yml", "prometheus/kubernetes.yml"] {
        assert_eq!(
            documents(file)[0]["scrape_configs"][0]["job_name"],
            "neon-mcp",
            "{file}"
        );
    }
    let monitor = &documents("kubernetes/podmonitor.yaml")[0]["spec"];
    assert_eq!(monitor["jobLabel"], "app.kubernetes.io/name");
    let label = &monitor["selector"]["matchLabels"]["app.kubernetes.io/name"];
    assert_eq!(label, "neon-mcp");
    let route = &documents("kubernetes/gateway.yaml")[0];
    assert_eq!(route["kind"], "HTTPRoute");
}

/// The settings of an example, as the program's own type reads them.
mod toml_check {
    use neon_mcp::settings::HttpLayer;

    pub(super) struct Table(HttpLayer);

    pub(super) fn parse(text: &str) -> Table {
        #[derive(serde::Deserialize)]
        #[serde(deny_unknown_fields)]
        struct File {
            http: HttpLayer,
        }
        let file: File = toml::from_str(text).unwrap_or_else(|error| panic!("{error}\n{text}"));
        Table(file.http)
    }

    impl Table {
        pub(super) fn keys(&self) -> Vec<String> {
            let value = serde_json::to_value(&self.0).unwrap();
            let set = value.as_object().unwrap().iter().filter(|(_, value)| !value.is_null());
            set.map(|(name, _)| name.clone()).collect()
        }
    }
}
