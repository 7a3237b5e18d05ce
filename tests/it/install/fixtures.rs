//! Files as people have them.

use super::{Client, Kind};

/// A file before: what it is called in the snapshot, and what stands in it.
pub struct Fixture {
    pub name: &'static str,
    pub text: Option<String>,
    /// Whether taking the entry out again gives the file as it was.
    pub comes_back: bool,
}

fn fixture(name: &'static str, text: &str, comes_back: bool) -> Fixture {
    Fixture {
        name,
        text: Some(text.to_owned()),
        comes_back,
    }
}

/// The files of a client that can be changed.
pub fn good(client: &Client) -> Vec<Fixture> {
    let key = client.key;
    let mut all = vec![
        Fixture {
            name: "absent",
            text: None,
            comes_back: false,
        },
        fixture("empty", "", false),
    ];
    all.extend(match client.kind {
        Kind::Json => vec![
            fixture("blank", "\n", false),
            fixture("braces", "{}", true),
            fixture("comments", COMMENTS, false),
            fixture("others", &OTHERS.replace("KEY", key), true),
            fixture("no-comma", &NO_COMMA.replace("KEY", key), true),
            fixture("crlf", &OTHERS.replace("KEY", key).replace('\n', "\r\n"), true),
            fixture(
                "one-line",
                &format!(r#"{{"{key}":{{"mine":{{"command":"x"}}}},"z":1}}"#),
                true,
            ),
            // What is left empty goes, as an installation made it.
            fixture("none", &format!("{{\n  \"{key}\": {{}}\n}}\n"), false),
            fixture("mark", &format!("\u{feff}{{\n  \"{key}\": {{}}\n}}\n"), false),
        ],
        Kind::Toml => vec![
            fixture("comments", "# mine\n\n# yours\n", true),
            fixture("others", &TOML.replace("KEY", key), true),
            fixture("crlf", &TOML.replace("KEY", key).replace('\n', "\r\n"), true),
            fixture("no-newline", &format!("[{key}.mine]\ncommand = 'x' # mine"), false),
            fixture("mark", "\u{feff}model = \"x\"\n", true),
        ],
        Kind::Yaml => vec![
            fixture("comments", "# mine\n---\n# yours\n", false),
            fixture("others", &YAML.replace("KEY", key), true),
            fixture("crlf", &YAML.replace("KEY", key).replace('\n', "\r\n"), true),
            fixture("none", &format!("{key}: {{}} # none\nGOOSE_MODEL: x\n"), true),
            fixture("no-newline", &format!("{key}:\n  mine:\n    enabled: true"), false),
        ],
    });
    if client.kind == Kind::Yaml {
        // A mark of parts is no plain file.
        all.retain(|fixture| fixture.name != "comments");
        all.push(fixture("comments", "# mine\n\n# yours\n", false));
    }
    all
}

/// Those that must be left as they are.
pub fn bad(client: &Client) -> Vec<(&'static str, String)> {
    let key = client.key;
    match client.kind {
        Kind::Json => vec![
            ("cut off", format!("{{ \"{key}\": {{ \"mine\": ")),
            ("a list", "[1, 2]".to_owned()),
            ("key is a list", format!("{{\"{key}\": []}}")),
            ("key twice", format!("{{\"{key}\": {{}}, \"{key}\": {{}}}}")),
            (
                "name twice",
                format!("{{\"{key}\": {{\"neon\": {{}}, \"neon\": {{}}}}}}"),
            ),
            ("entry is a text", format!("{{\"{key}\": {{\"neon\": \"x\"}}}}")),
            ("two values", "{} {}".to_owned()),
            ("deep", "[".repeat(100_000)),
            ("not JSON", "mcpServers: {}\n".to_owned()),
        ],
        Kind::Toml => vec![
            ("cut off", format!("[{key}.mine\n")),
            ("key is a number", format!("{key} = 1\n")),
            (
                "key within a line",
                format!("{key} = {{ mine = {{ command = 'x' }} }}\n"),
            ),
            ("key twice", format!("[{key}.a]\nx = 1\n[{key}.a]\nx = 2\n")),
        ],
        Kind::Yaml => vec![
            ("within a line", format!("{key}: {{ mine: {{ enabled: true }} }}\n")),
            ("an anchor", format!("{key}: &all\n  mine:\n    enabled: true\n")),
            ("a list", format!("{key}:\n- mine\n")),
            ("tabulators", format!("{key}:\n\tmine:\n")),
            ("key twice", format!("{key}:\n  a:\n    x: 1\n{key}:\n  b:\n    x: 1\n")),
            ("over lines", format!("{key}:\n  a:\n    x: 1\nB: \"one\ntwo\"\n")),
            ("less far in", format!("{key}:\n    a:\n      x: 1\n  b:\n    x: 1\n")),
            ("several parts", format!("{key}:\n  a:\n    x: 1\n---\nB: 1\n")),
            (
                "name twice",
                format!("{key}:\n  neon:\n    enabled: true\n  \"neon\":\n    enabled: false\n"),
            ),
            (
                "an entry within a line",
                format!("{key}:\n  neon: {{ enabled: true }}\n"),
            ),
        ],
    }
}

const COMMENTS: &str = "// mine
/* yours, \"mcpServers\": {} */
{
\t// nothing here yet
}
// the end
";

/// Four blanks, comments everywhere, trailing commas, blank lines.
const OTHERS: &str = r#"// my settings
{
    "before": { "a": 1 }, // kept

    "KEY": {

        // a server of mine: { "not": "this" }
        "mine": { "command": "x", "args": ["1",], "env": {"A_TOKEN": "tok-0123456789"} },
        "yours": {
            "url": "https://example.com/mcp", /* over the network */
        }, // the last

    },

    "after": [1, 2, 3],
}
"#;

/// Tabulators, and no comma behind the last.
const NO_COMMA: &str = "{
\t\"KEY\": {
\t\t\"mine\": {\"command\": \"x\"} // the only one
\t}
}";

const TOML: &str = r#"# my settings
model = "gpt"   # the good one

[KEY.mine]
command = 'x'
args = [
  "1",  # one
]

# about projects
[projects."/home/ada/x"]
trust_level = "trusted"

[[history]]
a = 1
"#;

const YAML: &str = r#"# my settings
GOOSE_MODEL: gpt # the good one

KEY:
    # mine
    mine:
        cmd: x
        args:
            - "1"
        enabled: true

    yours:
        uri: https://example.com/mcp # far away

# about the rest
GOOSE_MODE: auto
list:
- a
- b
"#;
