//! What a call did, as a sentence, and what is so after it.

use serde_json::{Map, Value, json};

use crate::catalog::{self, Former, Tool, Undo};
use crate::engine::context::CallContext;
use crate::engine::decide::target::branch_of;
use crate::engine::error::Failure;
use crate::engine::present::untrusted::Fence;
use crate::engine::snapshot::ReadSnapshot;
use crate::engine::values::{id, text};
use crate::guard::{mask, mask_text, told};
use crate::neon::ProjectId;
use crate::neon::views::{Branch, Role};

/// A template filled with arguments and parts of the answer; names from outside stand in the fence.
pub(in crate::engine) fn filled(
    template: &str,
    arguments: &Map<String, Value>,
    answer: &Value,
    fence: &Fence,
) -> String {
    let value = |name: &str| {
        let found = match name.starts_with('/') {
            true => answer.pointer(name),
            false => arguments.get(name),
        };
        found.filter(|value| !value.is_null()).map(shown)
    };
    let told = |name: &str| value(name).unwrap_or_else(|| "unknown".to_owned());
    fence.resolved_line(&catalog::filled(template, |name| value(name).is_some(), told))
}

/// How much of a list is told in words.
const MAX_LISTED: usize = 5;

/// An id as it is, a name in quotes.
fn shown(value: &Value) -> String {
    match value {
        Value::String(text) => {
            let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b':' | b'+');
            match !text.is_empty() && text.len() <= 100 && text.bytes().all(plain) {
                true => text.clone(),
                false => told(&mask_text(text)),
            }
        }
        // Neon gives 2.0 for the 2 that it was given.
        Value::Number(number) => match number.as_f64().filter(|number| number.fract() == 0.0) {
            Some(whole) if number.is_f64() => format!("{whole:.0}"),
            _ => number.to_string(),
        },
        other => other.to_string(),
    }
}

/// Whether two values are the same setting, however their numbers are written.
fn is_same(one: &Value, other: &Value) -> bool {
    // Of two whole numbers a float would lose digits.
    let is_mixed = one.is_f64() != other.is_f64();
    one == other || is_mixed && matches!((one.as_f64(), other.as_f64()), (Some(one), Some(other)) if one == other)
}

/// A value in words; nothing where that would be JSON again. Neon takes some settings as a list of names with values, and gives them as an
/// object.
fn in_words(value: &Value) -> Option<String> {
    let list = |words: Vec<Option<String>>| match words.len() {
        0 => Some("none".to_owned()),
        count => {
            let first: Option<Vec<String>> = words.into_iter().take(MAX_LISTED).collect();
            let more = match count.saturating_sub(MAX_LISTED) {
                0 => String::new(),
                more => format!(" and {more} more"),
            };
            Some(format!("{}{more}", first?.join(", ")))
        }
    };
    let pair = |name: &str, value: &Value| {
        (!value.is_array() && !value.is_object()).then(|| format!("{} = {}", shown(&name.into()), shown(value)))
    };
    match value {
        Value::Null => Some("none".to_owned()),
        Value::Array(items) => list(
            items
                .iter()
                .map(|item| match item {
                    Value::Object(fields) => match (fields.get("name").and_then(Value::as_str), fields.get("value")) {
                        (Some(name), Some(value)) if fields.len() == 2 => pair(name, value),
                        _ => None,
                    },
                    Value::Array(_) => None,
                    item => Some(shown(item)),
                })
                .collect(),
        ),
        Value::Object(fields) => list(fields.iter().map(|(name, value)| pair(name, value)).collect()),
        value => Some(shown(value)),
    }
}

/// What is so now: what the declared reading tools show after the call. What can't be read is left out.
pub(in crate::engine) async fn state(call: &CallContext<'_>, arguments: &Map<String, Value>) -> Option<Value> {
    let look = ReadSnapshot::new(call);
    let mut state = Map::new();
    for declared in &call.selected.tool.declaration.output.state {
        let Ok(answer) = look.tool(&declared.read, &Default::default(), arguments).await else {
            continue;
        };
        let mut answer = Value::clone(&answer);
        let reader = call.catalog.tool(&declared.read);
        let masked = reader.map(|reader| reader.declaration.output.mask.as_slice());
        mask(&mut answer, masked.unwrap_or_default(), &[]);
        let shown = declared.show.iter();
        state.extend(shown.filter_map(|(name, pointer)| Some((name.clone(), answer.pointer(pointer)?.clone()))));
    }
    let mut state = Value::Object(state);
    call.fence.enclose(&mut state);
    state
        .as_object()
        .is_some_and(|state| !state.is_empty())
        .then_some(state)
}

/// What a call changed, where what was there before is known: `Now: expires_at none (was 2026-12-02T22:15:55Z).`
pub(in crate::engine) fn changes(
    tool: &Tool,
    arguments: &Map<String, Value>,
    before: &Value,
    fence: &Fence,
) -> Option<String> {
    let Some(Undo::Way(way)) = &tool.declaration.safety.undo else {
        return None;
    };
    let change = |(name, former): (&String, &Former)| {
        let (now, former) = (arguments.get(name)?, former.value(before));
        let is_equal = is_same(now, &former);
        // Under its own name, which tells a secret, too.
        let mut both = json!([{ name: now }, { name: former }]);
        mask(&mut both, &[], &[]);
        let told = |index: usize| in_words(both.get(index)?.get(name)?);
        let (now, was) = (told(0)?, told(1)?);
        match () {
            () if tool.is_write_only(name) => None,
            () if is_equal => Some(format!("{name} {was}, as before")),
            () => Some(format!("{name} {now} (was {was})")),
        }
    };
    let changes: Vec<String> = way.former.iter().filter_map(change).collect();
    (!changes.is_empty()).then(|| fence.resolved_line(&format!("Now: {}.", changes.join("; "))))
}

/// Whose password a result holds: the role, the branch, and where the branch has it from.
pub(in crate::engine) async fn password_of(
    call: &CallContext<'_>,
    arguments: &Map<String, Value>,
) -> Result<Option<Value>, Failure> {
    let tool = &call.selected.tool;
    if !tool.declaration.output.password_of_role {
        return Ok(None);
    }
    let look = ReadSnapshot::new(call);
    let (Some(role), Some(project)) = (text(arguments, "role_name"), id::<ProjectId>(arguments, "project_id")?) else {
        return Ok(None);
    };
    let branch = match branch_of(&look, tool, arguments).await? {
        Some(branch) => branch,
        None => {
            let branches = look.branches(&project).await?;
            let default = Branch::all(&branches).find(|branch| branch.is_default());
            let Some(default) = default.and_then(|branch| branch.id().ok()) else {
                return Ok(None);
            };
            default
        }
    };
    let answer = look.branch(&project, &branch).await?;
    let about = Branch::in_answer(&answer);
    let mut told = Map::new();
    told.insert("role".into(), role.into());
    told.insert("branch".into(), about.shown("name").clone());
    if let Some(parent) = about.parent().known() {
        let (above, its_roles, roles) = (
            look.branch(&project, &parent).await?,
            look.roles(&project, &parent).await?,
            look.roles(&project, &branch).await?,
        );
        let above = Branch::in_answer(&above);
        let made = |roles: &Value| {
            let role = Role::all(roles).find(|one| one.name() == Some(role));
            role.map(|role| role.shown("updated_at").clone())
        };
        // Children of a protected branch get passwords of their own, and so does a role that was reset.
        let same = made(&its_roles).is_some_and(|there| made(&roles).is_some_and(|here| here == there));
        if same && !above.is_protected() {
            told.insert("inherited_from".into(), above.shown("name").clone());
        }
    }
    let mut told = Value::Object(told);
    call.fence.enclose(&mut told);
    Ok(Some(told))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_the_same_however_they_are_written() {
        assert!(is_same(&json!(2), &json!(2.0)) && is_same(&json!(0.25), &json!(0.25)));
        assert!(
            !is_same(&json!(2), &json!(2.5)) && !is_same(&json!(2), &json!("2")) && !is_same(&json!(1), &json!(true))
        );
        assert!(!is_same(
            &json!(9_007_199_254_740_993_u64),
            &json!(9_007_199_254_740_992_u64)
        ));
        for (number, told) in [
            (json!(2.0), "2"),
            (json!(0.25), "0.25"),
            (json!(-1), "-1"),
            (json!(9_007_199_254_740_993_u64), "9007199254740993"),
        ] {
            assert_eq!(shown(&number), told);
        }
    }

    #[test]
    fn lists_of_settings_are_told_in_the_same_words_whichever_form_neon_takes_and_gives() {
        let taken = json!([{"name": "work_mem", "value": "64MB"}, {"name": "jit", "value": "off"}]);
        let given = json!({"work_mem": "64MB", "jit": "off"});
        assert_eq!(in_words(&taken), Some("work_mem = 64MB, jit = off".to_owned()));
        assert_eq!(in_words(&taken), in_words(&given));
        let many: Vec<u8> = (0..9).collect();
        for (value, words) in [
            (json!([]), Some("none")),
            (json!({}), Some("none")),
            (json!(null), Some("none")),
            (json!(many), Some("0, 1, 2, 3, 4 and 4 more")),
            (json!([[1]]), None),
            (json!([{"name": "a", "value": {"b": 1}}]), None),
            (json!([{"id": "a"}]), None),
        ] {
            let told = in_words(&value);
            assert_eq!(told.as_deref(), words, "{value}");
        }
    }
}
