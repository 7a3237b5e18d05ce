//! The table of cases: `cases.txt` says how it is written.

const CASES: &str = include_str!("cases.txt");

/// What must become of a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Expected {
    /// It runs unasked.
    Runs,
    /// Someone must approve it: on a throwaway branch, too, where it is `everywhere`. It loses something there, if not `quietly`.
    Asks { everywhere: bool, quietly: bool },
    /// It ends with this kind of error: on a throwaway branch, too, where it is `everywhere`.
    Fails { kind: String, everywhere: bool },
}

/// A call, and what must become of it.
#[derive(Clone, Debug)]
pub struct Case {
    pub kind: String,
    pub title: String,
    pub expected: Expected,
    /// What was done before: by a superuser, or by the owner of the database.
    pub before: Vec<(bool, String)>,
    pub statements: Vec<String>,
    /// What the question must say.
    pub says: Vec<String>,
    /// Whether it is prepared and completed, too.
    pub prepared: bool,
}

impl Case {
    /// What tells it from the others.
    pub fn name(&self) -> String {
        format!("{}: {}", self.kind, self.title)
    }
}

fn expected(text: &str) -> Expected {
    let asks = |everywhere, quietly| Expected::Asks { everywhere, quietly };
    match text.split_once(' ') {
        None if text == "runs" => Expected::Runs,
        None if text == "asks" => asks(false, false),
        Some(("asks", "quietly")) => asks(false, true),
        Some(("asks", "everywhere")) => asks(true, true),
        Some((how @ ("stopped" | "refused"), kind)) => Expected::Fails {
            kind: kind.to_owned(),
            everywhere: how == "refused",
        },
        _ => panic!("{text}"),
    }
}

/// A statement as it is sent: escapes in it stand for their characters.
fn statement(text: &str) -> String {
    let mut plain = text.replace("\\n", "\n").replace("\\r", "\r");
    while let Some(at) = plain.find("\\u{") {
        let end = at + plain[at..].find('}').expect("an end");
        let code = u32::from_str_radix(&plain[at + 3..end], 16).expect("a number");
        let character = char::from_u32(code).expect("a character");
        plain.replace_range(at..=end, &character.to_string());
    }
    plain
}

/// All cases, in order.
pub fn cases() -> Vec<Case> {
    let mut cases: Vec<Case> = Vec::new();
    for line in CASES.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
        let last = cases.last_mut();
        match (line.split_once(' '), last) {
            (Some((who @ ("+" | "^"), rest)), Some(case)) => case.before.push((who == "^", rest.to_owned())),
            (Some((">", rest)), Some(case)) => case.statements.push(statement(rest)),
            (Some(("=", rest)), Some(case)) => case.says.push(rest.to_owned()),
            (None, Some(case)) if line == "*" => case.prepared = true,
            _ => {
                let mut fields = line.splitn(3, " | ").map(str::to_owned);
                let mut field = || fields.next().unwrap_or_else(|| panic!("{line}"));
                let (kind, outcome, title) = (field(), field(), field());
                cases.push(Case {
                    kind,
                    title,
                    expected: expected(&outcome),
                    before: Vec::new(),
                    statements: Vec::new(),
                    says: Vec::new(),
                    prepared: false,
                });
            }
        }
    }
    cases
}
