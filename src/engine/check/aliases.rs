//! Other names of arguments: in camel case, those that the declaration knows, and a call that stands whole inside one argument.

use serde_json::{Map, Value};

use crate::catalog::SelectedTool;

/// The arguments in which some clients put a whole call.
const WRAPPERS: [&str; 4] = ["params", "arguments", "args", "input"];

/// Gives every argument its own name, where it came under another and can mean nothing else.
pub(in crate::engine) fn apply(selected: &SelectedTool, given: &mut Map<String, Value>) {
    let knows = |name: &str| selected.arguments().any(|argument| argument == name);
    unwrap(selected, given);
    let others: Vec<(String, &str)> = given
        .keys()
        .filter(|name| !knows(name))
        .filter_map(|name| Some((name.clone(), meant(selected, name)?)))
        .collect();
    for (other, name) in &others {
        // Of two names for one thing, neither is taken: the check says that there is no such argument.
        let once = others.iter().filter(|(_, meant)| meant == name).count() == 1;
        if once
            && !given.contains_key(*name)
            && let Some(value) = given.shift_remove(other)
        {
            given.insert((*name).to_owned(), value);
        }
    }
}

/// Takes a call out of the one argument in which it stands whole.
fn unwrap(selected: &SelectedTool, given: &mut Map<String, Value>) {
    let inner = match given.iter().next() {
        Some((name, Value::Object(inner))) if given.len() == 1 && WRAPPERS.contains(&name.as_str()) => {
            let takes_object = selected
                .tool
                .property(name)
                .is_some_and(|schema| schema.get("type").is_none_or(|kind| kind != "array"));
            (!takes_object).then(|| inner.clone())
        }
        _ => None,
    };
    if let Some(inner) = inner {
        *given = inner;
    }
}

/// The argument that another name stands for.
fn meant<'s>(selected: &'s SelectedTool, name: &str) -> Option<&'s str> {
    let snake = snake_case(name);
    let own = |wanted: &str| selected.arguments().find(|argument| *argument == wanted);
    let mut aliases = selected.tool.aliases().filter(|(alias, _)| *alias == snake);
    own(&snake).or_else(|| aliases.find_map(|(_, name)| own(name)))
}

/// `projectId` and `ProjectID` as `project_id`.
fn snake_case(name: &str) -> String {
    let mut snake = String::with_capacity(name.len() + 4);
    let mut after_lower = false;
    for char in name.chars() {
        if char == '-' {
            snake.push('_');
            after_lower = false;
            continue;
        }
        if char.is_ascii_uppercase() && after_lower {
            snake.push('_');
        }
        after_lower = char.is_ascii_lowercase() || char.is_ascii_digit();
        snake.push(char.to_ascii_lowercase());
    }
    snake
}

#[cfg(test)]
mod tests {
    use super::snake_case;

    #[test]
    fn name_in_another_case_is_the_same_name() {
        for name in [
            "projectId",
            "ProjectId",
            "projectID",
            "project-id",
            "project_id",
            "PROJECT_ID",
        ] {
            assert_eq!(snake_case(name), "project_id", "{name}");
        }
        assert_eq!(snake_case("sqlStatements"), "sql_statements");
    }
}
