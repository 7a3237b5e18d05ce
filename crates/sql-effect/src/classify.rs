//! One statement's judgement, put together from its tree and its tokens.

use super::act::SessionAct;
use super::body::{self, Body};
use super::budget::{self, Budget};
use super::effect::Transaction;
use super::grade::Grade;
use super::lex::{self, Token};
use super::name::TableName;
use super::split::Piece;
use super::statement::{Script, Statement, UNREAD};
use super::unguarded::Unguarded;
use super::{
    alter, ambiguity, condition, functions, kind, name, relations, session, settings, split, table, tokens, tools,
    transaction, tree, unguarded,
};
use squawk_syntax::ast::{self, AstNode};
use squawk_syntax::{SyntaxKind, SyntaxNode};
use std::collections::{BTreeSet, HashSet};

use Grade::{Destructive, Leaves, Read, Write};
use SyntaxKind as K;

/// What is known of a statement so far.
struct Judgement {
    kind: String,
    reasons: Vec<(Grade, String)>,
    known: HashSet<String>,
    tables: Vec<TableName>,
    transaction: Transaction,
    unguarded: Unguarded,
    explain_analyze_ok: bool,
    deletes: bool,
    session: Vec<SessionAct>,
    refusal: Option<String>,
}

impl Judgement {
    fn add(&mut self, effect: Grade, reason: String) {
        if effect > Read && self.known.insert(reason.clone()) {
            self.reasons.push((effect, reason));
        }
    }

    fn grade(&self) -> Grade {
        self.reasons.iter().map(|(effect, _)| *effect).max().unwrap_or(Read)
    }

    /// Takes over what is worse in another judgement, and says under which circumstances it holds.
    fn worsen(&mut self, other: Self, when: &str) {
        let grade = self.grade();
        for (effect, reason) in other.reasons {
            if effect > grade {
                self.add(effect, format!("{when} {reason}"));
            }
        }
        self.deletes |= other.deletes;
        if other.transaction != self.transaction {
            self.add(Destructive, format!("{when} stands elsewhere to transactions"));
        }
    }

    /// What is told of the statement that this is the judgement of.
    fn told(self, text: &str, start: usize) -> Statement {
        let grade = self.grade();
        let mut reasons = self.reasons;
        reasons.sort_by_key(|(effect, _)| std::cmp::Reverse(*effect));
        Statement {
            of_made: false,
            text: text.to_owned(),
            start,
            kind: self.kind,
            effect: grade.effect(),
            leaves: grade == Leaves,
            reasons: reasons.into_iter().map(|(_, reason)| reason).collect(),
            tables: self.tables,
            transaction: self.transaction,
            unguarded: self.unguarded,
            explain_analyze_ok: self.explain_analyze_ok,
            deletes: self.deletes,
            session: self.session,
            refusal: self.refusal,
        }
    }

    fn unknown(kind: String, reason: String) -> Self {
        Self {
            kind,
            known: HashSet::from([reason.clone()]),
            reasons: vec![(Leaves, reason)],
            tables: Vec::new(),
            transaction: Transaction::Inside,
            unguarded: Unguarded::No,
            explain_analyze_ok: false,
            deletes: false,
            session: Vec::new(),
            refusal: None,
        }
    }
}

/// Judges one statement of a text.
pub(super) fn statement(text: &str, piece: &Piece<'_, '_>, budget: &mut Budget) -> Statement {
    let own = text.get(piece.start..piece.end).unwrap_or_default();
    let judgement = match piece.meta {
        Some(command) => {
            let (reason, instead) = tools::of_psql(command);
            Judgement {
                refusal: Some(format!("{reason}: {instead}")),
                ..Judgement::unknown(format!("psql {}", name::excerpt(command)), reason)
            }
        }
        None if budget.is_spent() => unparsed(piece.tokens, budget::EXCEEDED.to_owned()),
        None => alone(own, budget),
    };
    judgement.told(own, piece.start)
}

/// A text that isn't even split, as one statement that says why.
pub(super) fn unread(text: &str, reason: &str) -> Script {
    let statement = Judgement::unknown(UNREAD.to_owned(), reason.to_owned()).told(text, 0);
    Script {
        statements: vec![statement],
    }
}

/// Judges a statement by its own text alone, since that is what is sent: nothing that stood around it counts. Where it
/// could be read otherwise, the worse counts.
fn alone(own: &str, budget: &mut Budget) -> Judgement {
    let lexed = lex::lexed(own);
    let tokens = lexed.tokens.as_slice();
    let pieces = split::split(own, tokens, &lexed.comments);
    let mut judgement = match pieces.as_slice() {
        [only] if only.start == 0 && only.end == own.len() && only.meta.is_none() => as_read(own, tokens, budget),
        _ => unparsed(
            tokens,
            "isn't one statement by itself, so what it does isn't known".to_owned(),
        ),
    };
    let mut others = ambiguity::readings(own);
    if holds_code(tokens) {
        // The string is a text itself, which its escapes change even where it ends at the same place.
        others.extend(ambiguity::escaping(own));
    }
    for other in others {
        let lexed = lex::lexed(&other);
        let pieces = split::split(&other, &lexed.tokens, &lexed.comments);
        if pieces.len() != 1 {
            judgement.add(Destructive, format!("{OTHERWISE} is several statements"));
        }
        for piece in &pieces {
            let text = other.get(piece.start..piece.end).unwrap_or_default();
            judgement.worsen(as_read(text, &lex::lex(text), budget), OTHERWISE);
        }
    }
    judgement.explain_analyze_ok &= judgement.grade() == Read;
    if judgement.unguarded != Unguarded::No && judgement.grade() >= Destructive {
        judgement.unguarded = Unguarded::MayLose;
    }
    judgement
}

/// What begins the reason of a statement that is worse under other settings.
pub(super) const OTHERWISE: &str = "has a string that can end elsewhere, and then";

/// Judges a text as Postgres reads it by its usual settings.
fn as_read(text: &str, tokens: &[Token<'_>], budget: &mut Budget) -> Judgement {
    tree::with_statement(text, tokens, budget, |node| judge(node, tokens))
        .unwrap_or_else(|reason| unparsed(tokens, reason))
}

/// Whether a statement holds code in a string.
fn holds_code(tokens: &[Token<'_>]) -> bool {
    tokens.first().is_some_and(|word| word.is_any(&["create", "do"]))
}

/// A statement that can't be parsed. Its first words still tell whether it would end a transaction.
fn unparsed(tokens: &[Token<'_>], reason: String) -> Judgement {
    const CONTROL: [&str; 9] = [
        "begin",
        "start",
        "commit",
        "end",
        "rollback",
        "abort",
        "savepoint",
        "release",
        "prepare",
    ];
    let mut judgement = Judgement {
        refusal: tools::of_placeholders(tokens),
        ..Judgement::unknown(UNREAD.to_owned(), reason)
    };
    if tokens.first().is_some_and(|word| word.is_any(&CONTROL)) {
        judgement.transaction = Transaction::Control;
    }
    judgement
}

fn judge(node: &SyntaxNode, tokens: &[Token<'_>]) -> Judgement {
    let mut judgement = Judgement {
        kind: kind::of(node.kind()),
        reasons: Vec::new(),
        known: HashSet::new(),
        tables: Vec::new(),
        transaction: transaction::of(node),
        unguarded: Unguarded::No,
        explain_analyze_ok: false,
        deletes: false,
        session: session::of(node, tokens),
        refusal: tools::unrunnable(node),
    };
    for (effect, reason) in functions::called(tokens) {
        judgement.add(effect, reason);
    }
    let planned = node.kind() == K::EXPLAIN && !runs(node);
    if node.kind() == K::EXPLAIN {
        explain(&mut judgement, node, planned);
    }
    if !planned {
        inside(&mut judgement, node, "", &condition::variables(node));
        if matches!(node.kind(), K::DO | K::CREATE_FUNCTION | K::CREATE_PROCEDURE) {
            routine(&mut judgement, node);
        }
    }
    if judgement.grade() == Read
        && !planned
        && let Some(objection) = tokens::objection(tokens)
    {
        judgement.add(Write, objection.to_owned());
    }
    judgement.explain_analyze_ok = judgement.grade() == Read && selects(node.kind());
    // A block that commits is outside only by what its body holds.
    judgement.unguarded = unguarded::of(node, judgement.transaction);
    judgement
}

/// Whether a statement of this kind gives rows from a query.
fn selects(kind: SyntaxKind) -> bool {
    matches!(
        kind,
        K::SELECT | K::COMPOUND_SELECT | K::PAREN_SELECT | K::VALUES | K::TABLE
    )
}

/// Adds what every statement in a tree does, the tree's own among them.
fn inside(judgement: &mut Judgement, root: &SyntaxNode, prefix: &str, outside: &BTreeSet<String>) {
    let mut add =
        |judgement: &mut Judgement, effect, reason: String| judgement.add(effect, format!("{prefix}{reason}"));
    for node in root.descendants() {
        if let Some(reason) = settings::named(&node) {
            add(judgement, Destructive, reason);
        }
        match node.kind() {
            K::LOCKING_CLAUSE => add(judgement, Write, "locks the rows it reads".to_owned()),
            K::INTO_CLAUSE => add(judgement, Write, "writes what it reads into a table".to_owned()),
            K::PLPGSQL_DYN_EXECUTE_STMT
            | K::PLPGSQL_FOR_DYN_STMT
            | K::PLPGSQL_OPEN_EXECUTE
            | K::PLPGSQL_RETURN_QUERY_EXECUTE_STMT => {
                add(
                    judgement,
                    Leaves,
                    "runs SQL that is made at run time, which isn't seen here".to_owned(),
                );
            }
            K::PLPGSQL_DO_STMT => {
                add(
                    judgement,
                    Leaves,
                    "runs a block inside a block, which isn't looked into".to_owned(),
                );
            }
            K::PLPGSQL_CALL_STMT => {
                add(
                    judgement,
                    Write,
                    "calls a procedure, whose body isn't seen here".to_owned(),
                );
            }
            K::PLPGSQL_COMMIT_STMT | K::PLPGSQL_ROLLBACK_STMT => {
                add(judgement, Write, "ends transactions".to_owned());
                if prefix.is_empty() {
                    judgement.transaction = Transaction::Outside;
                }
            }
            // A definition deletes nothing by itself.
            K::MERGE_DELETE => judgement.deletes |= !judgement.kind.starts_with("CREATE"),
            kind if ast::Stmt::can_cast(kind) => {
                judgement.deletes |= kind == K::DELETE && !judgement.kind.starts_with("CREATE");
                let (effect, reason) = table::own(&node, outside);
                add(judgement, effect, reason);
                // `TABLE t` names what it reads.
                if prefix.is_empty() && effect > Read {
                    let known = &mut judgement.tables;
                    known.extend(relations::changed(&node));
                }
                if matches!(kind, K::CREATE_FUNCTION | K::CREATE_PROCEDURE) && node != *root {
                    add(
                        judgement,
                        Leaves,
                        "makes a routine inside of another statement, which isn't looked into".to_owned(),
                    );
                }
                if names_functions(&node) {
                    for (effect, reason) in functions::named(&lex::lex(&node.text().to_string())) {
                        add(judgement, effect, reason);
                    }
                }
                if format!("{kind:?}").starts_with("ALTER_") {
                    actions(judgement, &node, root, &mut add);
                }
            }
            _ => {}
        }
    }
    let mut seen = HashSet::new();
    judgement.tables.retain(|table| seen.insert(table.clone()));
}

/// Whether a definition can name functions without a bracket, so that what it defines calls them.
fn names_functions(node: &SyntaxNode) -> bool {
    match node.kind() {
        K::CREATE_OPERATOR
        | K::CREATE_OPERATOR_CLASS
        | K::CREATE_AGGREGATE
        | K::CREATE_CAST
        | K::CREATE_CONVERSION
        | K::CREATE_LANGUAGE
        | K::CREATE_FOREIGN_DATA_WRAPPER
        | K::CREATE_ACCESS_METHOD
        | K::CREATE_TRANSFORM
        | K::CREATE_TEXT_SEARCH_PARSER
        | K::CREATE_TEXT_SEARCH_TEMPLATE
        | K::ALTER_FUNCTION
        | K::ALTER_PROCEDURE
        | K::ALTER_ROUTINE
        | K::ALTER_AGGREGATE
        | K::ALTER_OPERATOR
        | K::ALTER_OPERATOR_FAMILY
        | K::ALTER_FOREIGN_DATA_WRAPPER
        | K::ALTER_EXTENSION => true,
        // A composite type's columns are called what they like; a base or range type lists its functions.
        K::CREATE_TYPE | K::ALTER_TYPE => node.descendants().any(|inner| inner.kind() == K::ATTRIBUTE_LIST),
        K::CREATE_FUNCTION | K::CREATE_PROCEDURE => {
            node.descendants().any(|inner| inner.kind() == K::SUPPORT_FUNC_OPTION)
        }
        _ => false,
    }
}

/// Adds what an `ALTER`'s actions do; the worst of the statement's own gives its kind a name.
fn actions(
    judgement: &mut Judgement,
    node: &SyntaxNode,
    root: &SyntaxNode,
    add: &mut impl FnMut(&mut Judgement, Grade, String),
) {
    let actions = alter::actions(node);
    for action in &actions {
        if action.effect >= Destructive {
            add(judgement, action.effect, action.reason.clone());
        }
    }
    if node == root
        && let Some(worst) = actions.iter().rev().max_by_key(|action| action.effect)
    {
        judgement.kind = format!("{} … {}", judgement.kind, worst.name);
    }
}

/// Adds what the code in a routine's body does: at once for `DO`, and for functions whenever they are called.
fn routine(judgement: &mut Judgement, node: &SyntaxNode) {
    let prefix = if node.kind() == K::DO {
        ""
    } else {
        "makes a routine that "
    };
    for option in node.descendants() {
        match option.kind() {
            K::SECURITY_DEFINER_FUNC_OPTION => judgement.add(Destructive, alter::SECURITY_DEFINER.to_owned()),
            K::LEAKPROOF_FUNC_OPTION => judgement.add(Destructive, alter::LEAKPROOF.to_owned()),
            _ => {}
        }
    }
    let reason = match body::of(node) {
        None => return,
        Some(Body::Parsed(tree, text, language)) => {
            let mut outside = condition::variables(node);
            outside.extend(condition::variables(&tree));
            code(judgement, &tree, &text, prefix, &outside);
            for other in ambiguity::readings(&text) {
                let otherwise = format!("{prefix}{OTHERWISE} ");
                let sound = tree::shallow(&lex::lex(&other)).is_ok();
                match sound.then(|| body::parse(&other, language)) {
                    Some(Body::Parsed(tree, text, _)) => code(judgement, &tree, &text, &otherwise, &outside),
                    _ => judgement.add(Leaves, format!("{otherwise}can't be parsed")),
                }
            }
            return;
        }
        Some(Body::Foreign {
            language,
            trusted: true,
        }) if node.kind() != K::DO => {
            let language = name::excerpt(&language);
            return judgement.add(
                Destructive,
                format!("makes a routine in {language}, which isn't looked into"),
            );
        }
        Some(Body::Foreign { language, .. }) => {
            format!("holds code in {}, which isn't looked into", name::excerpt(&language))
        }
        Some(Body::Broken) => "holds code that can't be parsed, so what it does isn't known".to_owned(),
    };
    judgement.add(Leaves, reason);
}

/// Adds what a body's code does.
fn code(judgement: &mut Judgement, tree: &SyntaxNode, text: &str, prefix: &str, outside: &BTreeSet<String>) {
    inside(judgement, tree, prefix, outside);
    for (effect, reason) in functions::called(&lex::lex(text)) {
        judgement.add(effect, format!("{prefix}{reason}"));
    }
}

/// Names what is explained. Without `ANALYZE` nothing of it runs.
fn explain(judgement: &mut Judgement, node: &SyntaxNode, planned: bool) {
    let Some(inner) = node.children().filter(|child| ast::Stmt::can_cast(child.kind())).last() else {
        return judgement.add(Leaves, "explains something that isn't known".to_owned());
    };
    let analyze = if planned { "" } else { " ANALYZE" };
    judgement.kind = format!("EXPLAIN{analyze} {}", kind::of(inner.kind()));
    if inner.kind() == K::EXECUTE {
        judgement.add(
            Leaves,
            "explains a prepared statement, which isn't seen here".to_owned(),
        );
    } else if !planned {
        judgement.add(
            if selects(inner.kind()) { Read } else { Write },
            "runs what it explains".to_owned(),
        );
    }
}

/// Whether an `EXPLAIN` runs its statement: anything but a plain refusal to counts.
fn runs(node: &SyntaxNode) -> bool {
    const HARMLESS: [&str; 9] = [
        "verbose",
        "costs",
        "settings",
        "generic_plan",
        "buffers",
        "wal",
        "timing",
        "summary",
        "format",
    ];
    node.descendants().any(|inner| match inner.kind() {
        K::EXPLAIN_ANALYZE => true,
        K::EXPLAIN_OPTION => {
            let text = inner.text().to_string();
            let tokens = lex::lex(&text);
            let option = tokens
                .first()
                .and_then(|first| name::named(first, tokens.get(1..).unwrap_or_default()));
            let value = tokens.get(1).map(|value| value.text.to_ascii_lowercase());
            let off = tokens.len() == 2 && value.is_some_and(|value| matches!(value.as_str(), "off" | "false" | "0"));
            !(off || option.is_some_and(|option| HARMLESS.contains(&option.as_str())))
        }
        _ => false,
    })
}
