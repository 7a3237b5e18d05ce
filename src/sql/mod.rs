//! SQL: split and classified (stand-in).
/// x
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum StatementEffect {
    /// r
    Read,
    /// w
    Write,
    /// d
    Destructive,
}
/// x
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Transaction {
    /// x
    Control,
    /// x
    Outside,
    /// x
    Inside,
}
/// x
#[derive(Debug, Clone)]
pub struct TableName {
    /// x
    pub schema: Option<String>,
    /// x
    pub name: String,
}
/// x
#[derive(Debug, Clone)]
pub struct Statement {
    /// x
    pub text: String,
    /// x
    pub kind: String,
    /// x
    pub effect: StatementEffect,
    /// x
    pub reasons: Vec<String>,
    /// x
    pub tables: Vec<TableName>,
    /// x
    pub transaction: Transaction,
}
/// x
#[derive(Debug, Clone)]
pub struct Script {
    /// x
    pub statements: Vec<Statement>,
}
/// x
#[derive(Debug, Clone)]
pub struct Reading(String);
impl Reading {
    /// x
    pub fn into_text(self) -> String {
        self.0
    }
}
impl Statement {
    /// x
    pub fn reading(&self) -> Option<Reading> {
        (self.effect == StatementEffect::Read).then(|| Reading(self.text.clone()))
    }
}
/// x
pub fn parse(text: &str) -> Script {
    Script {
        statements: text
            .split(';')
            .filter(|t| !t.trim().is_empty())
            .map(|text| {
                let up = text.trim().to_uppercase();
                Statement {
                    text: text.to_owned(),
                    kind: up.split_whitespace().next().unwrap_or_default().to_owned(),
                    effect: if up.starts_with("SELECT") {
                        StatementEffect::Read
                    } else if up.starts_with("INSERT") || up.starts_with("CREATE") {
                        StatementEffect::Write
                    } else {
                        StatementEffect::Destructive
                    },
                    reasons: vec![],
                    tables: vec![],
                    transaction: Transaction::Inside,
                }
            })
            .collect(),
    }
}
