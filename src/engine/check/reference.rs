//! Arguments that name something of Neon's: hostile ones are refused here, before any request.

use serde_json::{Map, Value};

use crate::catalog::{Argument, Resource, Tool};
use crate::engine::error::ArgumentProblem;
use crate::neon::PathSegment;
use crate::neon::is_id;
use crate::neon::text::{is_zero_width, trimmed};

/// What marks an argument as a name, whatever it looks like.
const NAME_PREFIX: &str = "name:";

/// The most characters of a name (project and branch, in Neon's reference).
const MAX_NAME: usize = 256;

/// What an argument holds that takes an id or a name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::engine) enum Reference {
    /// It has the form that Neon gives to such ids: taken as one.
    Id(String),
    /// It could be an id, and could be a name: looked up, as an id first.
    Either(String),
    /// It is a name: looked up.
    Name(String),
}

/// Checks every argument that names something. Nothing has been sent when this runs.
///
/// # Errors
/// Each argument that can't name anything, with why.
pub(in crate::engine) fn check(tool: &Tool, arguments: &Map<String, Value>) -> Result<(), Vec<ArgumentProblem>> {
    let problems: Vec<ArgumentProblem> = arguments
        .iter()
        .filter_map(|(name, value)| {
            let message = match tool.names(name) {
                Some(argument) => problem(argument, value),
                None => {
                    let lines = tool
                        .property(name)
                        .is_some_and(|schema| schema.contains_key("contentMediaType"));
                    let allowed = if tool.declaration.request.lines.contains(name) {
                        Controls::AllButNul
                    } else if lines {
                        Controls::Lines
                    } else {
                        Controls::None
                    };
                    control(value, allowed)
                }
            };
            Some(ArgumentProblem {
                argument: name.clone(),
                message: message?,
            })
        })
        .collect();
    if problems.is_empty() { Ok(()) } else { Err(problems) }
}

/// Takes what stands around ids off: blanks, and what shows nothing. No id has any. A name may have blanks, and keeps them.
pub(in crate::engine) fn trim(tool: &Tool, arguments: &mut Map<String, Value>) {
    for (name, value) in arguments.iter_mut() {
        if let Some(argument @ (Argument::Resource(_) | Argument::Item(_) | Argument::Uuid)) = tool.names(name) {
            trim_value(argument, value);
        }
    }
}

fn trim_value(argument: Argument, value: &mut Value) {
    match value {
        Value::String(text) => {
            let bare = trimmed(text);
            let is_id = match argument {
                Argument::Resource(resource) | Argument::Item(resource) => {
                    resource.has_id_form(bare) && PathSegment::id(bare).is_ok()
                }
                _ => true,
            };
            let kept = if is_id {
                bare
            } else {
                text.trim_matches(|character| is_zero_width(character) || matches!(character, '\n' | '\r' | '\t'))
            };
            if kept != text {
                *text = kept.to_owned();
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| trim_value(argument, item)),
        _ => {}
    }
}

/// What is wrong with a value that names something.
fn problem(argument: Argument, value: &Value) -> Option<String> {
    let says = |result: Result<(), String>| result.err();
    match (argument, value) {
        (Argument::Integer, value) => (!value.is_i64() && !value.is_u64()).then(|| "is no whole number".to_owned()),
        (Argument::Resource(resource) | Argument::Item(resource), Value::String(text)) => {
            says(parse(resource, text).map(|_| ()))
        }
        // The id of a key is one.
        (Argument::Item(_), Value::Number(_)) => None,
        (Argument::Uuid, Value::String(text)) => {
            says(PathSegment::uuid(text).map(|_| ()).map_err(|error| error.to_string()))
        }
        (Argument::Name, Value::String(text)) => {
            says(PathSegment::name(text).map(|_| ()).map_err(|error| error.to_string()))
        }
        // A list or null in the body: the schema has checked what it is made of, here each text is.
        (argument, Value::Array(items)) => items.iter().find_map(|item| problem(argument, item)),
        (_, Value::Null) => None,
        _ => Some("is no text".to_owned()),
    }
}

/// Which control characters a text that names nothing may hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Controls {
    None,
    /// Line breaks and tabs: its schema has a `contentMediaType`.
    Lines,
    /// All that Postgres takes: SQL and its values.
    AllButNul,
}

impl Controls {
    fn allow(self, char: char) -> bool {
        match self {
            Self::None => false,
            Self::Lines => matches!(char, '\n' | '\r' | '\t'),
            Self::AllButNul => char != '\0',
        }
    }
}

/// What is wrong with the characters of a text that names nothing.
fn control(value: &Value, allowed: Controls) -> Option<String> {
    match value {
        Value::String(text) => text
            .chars()
            .find(|char| char.is_control() && !allowed.allow(*char))
            .map(|char| format!("holds a control character (U+{:04X})", u32::from(char))),
        Value::Array(items) => items.iter().find_map(|item| control(item, allowed)),
        Value::Object(object) => object.iter().find_map(|(name, value)| {
            control(&Value::from(name.as_str()), Controls::None).or_else(|| control(value, allowed))
        }),
        _ => None,
    }
}

/// Reads an id or a name.
///
/// An id that stands in a path is checked by its pattern. A name is never put into a path: it is compared with the
/// names in a list. Words between slashes are a name, as of git's branches (`feature/login`). A text with other characters that mean
/// something in a URL is taken for a name only when it says so (`name:fix#7`), so that a mangled id fails here and not at Neon.
///
/// # Errors
/// Why the text is neither an id nor a name, as the end of a sentence that begins with the argument.
pub(in crate::engine) fn parse(resource: Resource, text: &str) -> Result<Reference, String> {
    if let Some(name) = text.strip_prefix(NAME_PREFIX) {
        PathSegment::name(name).map_err(|error| error.to_string())?;
        return legal_name(name).map(Reference::Name);
    }
    PathSegment::name(text).map_err(|error| error.to_string())?;
    if resource.has_id_form(text) && is_id(text) {
        return Ok(Reference::Id(text.to_owned()));
    }
    if is_id(text) {
        return Ok(Reference::Either(text.to_owned()));
    }
    let in_urls = |char: &char| match char {
        '/' => !are_words(resource, text),
        char => matches!(char, '\\' | '%' | '?' | '#' | '&' | ';'),
    };
    if let Some(char) = text.chars().find(in_urls) {
        return Err(format!(
            "holds `{char}`, so it is no id; if it is a name, write {NAME_PREFIX}{text}"
        ));
    }
    let name = legal_name(text)?;
    // What is only an item of a list may have an id of any form.
    Ok(match resource.is_item() {
        true => Reference::Either(name),
        false => Reference::Name(name),
    })
}

/// Whether a text is words between slashes, and no id with a piece of a path behind it.
fn are_words(resource: Resource, text: &str) -> bool {
    // A name of what is only an item of a list may stand in a path itself.
    !resource.is_item()
        && text
            .split('/')
            .all(|word| PathSegment::name(word).is_ok() && !(resource.has_id_form(word) && is_id(word)))
}

fn legal_name(name: &str) -> Result<String, String> {
    match name.chars().count() {
        0 => Err("is empty".to_owned()),
        count if count > MAX_NAME => Err(format!("is longer than {MAX_NAME} characters")),
        _ => Ok(name.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_names_and_what_could_be_either() {
        let parse = |text| parse(Resource::Branch, text);
        let id = |text: &str| text.to_owned();
        assert_eq!(parse("br-cool-sun-a1b2"), Ok(Reference::Id(id("br-cool-sun-a1b2"))));
        assert_eq!(parse("main"), Ok(Reference::Either(id("main"))));
        assert_eq!(parse("Main Branch"), Ok(Reference::Name("Main Branch".into())));
        assert_eq!(parse("name:feature/login"), Ok(Reference::Name("feature/login".into())));
        assert_eq!(parse("feature/login"), Ok(Reference::Name("feature/login".into())));
        assert_eq!(parse("dev/alice/try-2"), Ok(Reference::Name("dev/alice/try-2".into())));
        assert!(parse("br-cool-sun-a1b2/restore").is_err(), "an id with more of a path");
        assert!(parse("dev/br-cool-sun-a1b2").is_err());
        assert!(super::parse(Resource::ApiKey, "a/b").is_err(), "it may stand in a path");
        assert_eq!(
            super::parse(Resource::Project, "quiet-sun-12345678"),
            Ok(Reference::Id(id("quiet-sun-12345678")))
        );
        assert_eq!(
            super::parse(Resource::Project, "shop"),
            Ok(Reference::Either(id("shop")))
        );
    }

    #[test]
    fn what_stands_around_ids_is_taken_off() {
        let taken = |argument, text: &str| {
            let mut value = Value::from(text);
            trim_value(argument, &mut value);
            value.as_str().map(str::to_owned).unwrap_or_default()
        };
        let branch = Argument::Resource(Resource::Branch);
        for around in [
            "br-cool-sun-a1b2 ",
            "\u{feff}br-cool-sun-a1b2",
            "\u{a0}br-cool-sun-a1b2\u{200b}\n",
        ] {
            assert_eq!(taken(branch, around), "br-cool-sun-a1b2", "{around:?}");
        }
        assert_eq!(taken(branch, " main "), " main ", "a name may have blanks");
        assert_eq!(taken(branch, "\u{200b}main\n"), "main");
        assert_eq!(taken(branch, "br-a\u{200b}b"), "br-a\u{200b}b");
        assert_eq!(
            taken(branch, "\u{202e}br-ab"),
            "\u{202e}br-ab",
            "what reorders stays, and is refused"
        );
        assert_eq!(taken(Argument::Uuid, " 1b4e "), "1b4e");
    }

    #[test]
    fn what_is_hostile_is_refused_whatever_the_resource() {
        let hostile = [
            "",
            ".",
            "..",
            "%2e%2e",
            "%2E.",
            "/",
            "a/",
            "/a",
            "a//b",
            "a/../b",
            "a/./b",
            "a/b?x=1",
            "a/b%2e",
            "a%2Fb",
            "x?y",
            "x#y",
            "a\r\nb",
            "a\0b",
            "\u{2024}\u{2024}",
            "name:",
            "name:..",
            "name:a\nb",
            "a\\b",
            "../../users/me",
        ];
        for resource in [
            Resource::Project,
            Resource::Branch,
            Resource::Endpoint,
            Resource::Snapshot,
            Resource::Organization,
            Resource::ApiKey,
            Resource::OrganizationMember,
            Resource::Trigger,
        ] {
            for text in hostile {
                assert!(parse(resource, text).is_err(), "{resource:?} {text:?}");
            }
        }
    }
}
