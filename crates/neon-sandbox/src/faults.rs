//! Faults on demand: what can go wrong, for which calls, and how often.

use globset::{GlobBuilder, GlobSet};
use http::Method;
use rand::{RngExt, SeedableRng, rngs::StdRng};
use serde::{Deserialize, Serialize};

/// The longest delay, in milliseconds: an hour. No client waits longer, and times are added to a clock that has an end.
const MAX_MILLIS: u64 = 3_600_000;

/// Something that goes wrong for the calls that match. The first armed fault that matches a call applies, alone.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fault {
    /// The HTTP method it is for; any, when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub method: Option<String>,
    /// The path below `/api/v2` it is for, such as `/projects/*/branches`; any, when absent.
    /// A `*` stands for any characters, slashes included.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// How many calls it hits; 0 for all of them. In JSON, 1 when absent.
    #[serde(default = "once")]
    pub times: u32,
    /// What goes wrong.
    pub kind: FaultKind,
    /// How likely a matching call is hit, from 0 to 1; always, when absent. The sandbox's seed decides which are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub probability: Option<f64>,
}

fn once() -> u32 {
    1
}

/// What goes wrong. In JSON, `{"type": "status", "status": 503}`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
pub enum FaultKind {
    /// An error answer; the work is not done.
    Status {
        /// The HTTP status.
        status: u16,
        /// The `Retry-After` header, sent as it is: seconds or a date.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        retry_after: Option<String>,
        /// The `code` of the body.
        #[serde(default)]
        code: String,
        /// The `message` of the body.
        #[serde(default)]
        message: String,
    },
    /// The connection is reset; the work is not done.
    ResetBefore,
    /// The work is done, then the connection is reset without one byte of the answer.
    LostAnswer,
    /// The answer's body takes this long.
    SlowBody {
        /// Milliseconds.
        millis: u64,
    },
    /// The whole body is promised, half of it is sent, and the connection closes.
    CutBody,
    /// The body ends in the middle of the JSON, and its length says so.
    MalformedJson,
    /// A redirect; the work is not done.
    Redirect {
        /// Where to.
        location: String,
    },
    /// The work is accepted, and its operations end `failed`.
    FailedOperation,
    /// The work is accepted, and its operations never end.
    StuckOperation,
    /// The call is held this long, then goes its way.
    Delay {
        /// Milliseconds.
        millis: u64,
    },
}

/// The armed faults.
#[derive(Debug)]
pub(crate) struct Faults {
    armed: Vec<Armed>,
    random: StdRng,
}

impl Faults {
    pub(crate) fn new(armed: Vec<Fault>, seed: u64) -> Self {
        Self {
            armed: armed.into_iter().map(Armed::new).collect(),
            random: StdRng::seed_from_u64(seed),
        }
    }

    /// Adds a fault behind the armed ones.
    pub(crate) fn arm(&mut self, fault: Fault) {
        self.armed.push(Armed::new(fault));
    }

    /// Disarms all.
    pub(crate) fn clear(&mut self) {
        self.armed.clear();
    }

    /// The armed ones, with the times that are left.
    pub(crate) fn armed(&self) -> Vec<&Fault> {
        self.armed.iter().map(|armed| &armed.fault).collect()
    }

    /// The fault that hits this call, counted.
    pub(crate) fn pick(&mut self, method: &Method, path: &str) -> Option<FaultKind> {
        let Self { armed, random } = self;
        let position = armed.iter().position(|armed| {
            armed.matches(method, path)
                && armed
                    .fault
                    .probability
                    .is_none_or(|probability| random.random_bool(probability.clamp(0.0, 1.0)))
        })?;
        let fault = &mut armed.get_mut(position)?.fault;
        let kind = fault.kind.clone();
        if fault.times == 1 {
            armed.remove(position);
        } else if fault.times > 1 {
            fault.times -= 1;
        }
        Some(kind)
    }
}

impl Fault {
    /// One that can be armed, to show how they are written.
    pub const EXAMPLE: &str = r#"{"path": "/projects/*", "times": 2, "kind": {"type": "status", "status": 503}}"#;

    /// Reads a fault, and sees whether it can be armed.
    ///
    /// # Errors
    /// When it can't; the text says why, and gives one that can.
    pub fn read(value: serde_json::Value) -> Result<Self, String> {
        let told = |why: &dyn std::fmt::Display| format!("not a fault: {why}; one is written e.g. {}", Self::EXAMPLE);
        let fault: Self = serde_json::from_value(value).map_err(|error| told(&error))?;
        match fault.problem() {
            Some(problem) => Err(told(&problem)),
            None => Ok(fault),
        }
    }

    /// Why the fault cannot be armed, if it can't.
    pub(crate) fn problem(&self) -> Option<&'static str> {
        if let FaultKind::Status { status, .. } = self.kind
            && !(400..=599).contains(&status)
        {
            return Some("a status fault takes a status from 400 to 599");
        }
        if let FaultKind::SlowBody { millis } | FaultKind::Delay { millis } = self.kind
            && millis > MAX_MILLIS
        {
            return Some("a delay takes at most 3600000 milliseconds, an hour");
        }
        if self
            .probability
            .is_some_and(|probability| !(0.0..=1.0).contains(&probability))
        {
            return Some("a probability lies between 0 and 1");
        }
        if self.path.as_deref().is_some_and(|path| pattern(path).is_err()) {
            return Some("the path is too large a pattern");
        }
        None
    }
}

/// A fault with its pattern.
#[derive(Debug)]
struct Armed {
    fault: Fault,
    path: Option<GlobSet>,
}

impl Armed {
    fn new(fault: Fault) -> Self {
        // A pattern that can't be compiled is refused before; what comes past that fits nothing.
        let path = fault.path.as_deref().map(|path| pattern(path).unwrap_or_default());
        Self { fault, path }
    }

    fn matches(&self, method: &Method, path: &str) -> bool {
        let method_fits = self
            .fault
            .method
            .as_ref()
            .is_none_or(|wanted| wanted.eq_ignore_ascii_case(method.as_str()));
        method_fits && self.path.as_ref().is_none_or(|pattern| pattern.is_match(path))
    }
}

/// A pattern in which `*` alone is special, and stands for any characters.
fn pattern(text: &str) -> Result<GlobSet, globset::Error> {
    let mut glob = globset::escape(text).replace("[*]", "*");
    // Several stars in a row say no more than one; `globset` would read folders into them.
    while glob.contains("**") {
        glob = glob.replace("**", "*");
    }
    let glob = GlobBuilder::new(&glob).backslash_escape(false).build()?;
    GlobSet::builder().add(glob).build()
}

#[cfg(test)]
mod tests {
    use super::pattern;

    #[test]
    fn star_stands_for_any_characters_and_nothing_else_is_special() {
        for (glob, path, fits) in [
            ("*", "/projects/p/branches", true),
            ("/projects/*/branches", "/projects/p/branches", true),
            ("/projects/*", "/projects/p/branches", true),
            ("/projects/*/branches", "/projects/p/branches/b", false),
            ("/projects", "/projects/p", false),
            ("/projects/**/branches", "/projects/branches", false),
            ("/projects/**", "/projects/", true),
            ("/a?", "/ab", false),
            ("/a?", "/a?", true),
            ("/[ab]", "/a", false),
            ("/[a*]", "/[ab]", true),
            ("/{a,b}", "/a", false),
            ("/{a", "/{a", true),
            (r"/\*", r"/\b", true),
        ] {
            assert_eq!(pattern(glob).unwrap().is_match(path), fits, "{glob} {path}");
        }
    }
}
