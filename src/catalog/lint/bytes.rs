//! Lints of what isn't JSON: files in bodies, bytes in answers.

use serde_json::Value;

use super::Linter;
use crate::catalog::Effect;
use crate::catalog::declaration::{BodyForm, Content, FileSource};
use crate::catalog::load::Catalog;
use crate::catalog::tool::Tool;
use crate::neon::Method;

/// The longest base64 that 64 KiB take.
const MAX_BASE64: u64 = 87_384;

impl Linter {
    /// A body that carries files says where each comes from, and nothing of it goes elsewhere.
    pub(super) fn files(&mut self, tool: &Tool) {
        let declaration = &tool.declaration;
        let bodied = matches!(declaration.request.method, Method::Post | Method::Put | Method::Patch);
        let is_json = declaration.request.body == BodyForm::Json;
        self.require(is_json || bodied, "/request/body", "this method has no body");
        self.require(
            is_json || declaration.output.pages.is_none(),
            "/request/body",
            "a list is asked for in JSON",
        );
        self.require(
            is_json || declaration.safety.effect != Effect::Read,
            "/request/body",
            "what uploads something doesn't only read",
        );
        for (field, source) in declaration.request.body.files() {
            let pointer = format!("/request/body/files/{field}");
            let plain = |text: &str| {
                !text.is_empty()
                    && text
                        .bytes()
                        .all(|byte| byte.is_ascii_graphic() && !b"\";\\".contains(&byte))
            };
            let plainly = plain(field) && plain(&source.name) && plain(&source.content_type);
            self.require(plainly, &pointer, "field, name and content_type are plain text");
            self.require(
                source.path != source.base64,
                &pointer,
                "path and base64 are two arguments",
            );
            for name in [&source.path, &source.base64] {
                self.file_argument(tool, name, &pointer);
            }
            let longest = tool
                .property(&source.base64)
                .and_then(|schema| schema.get("maxLength")?.as_u64());
            self.require(
                longest.is_some_and(|longest| longest <= MAX_BASE64),
                &format!("/input/properties/{}", source.base64),
                format!("a file in an argument has at most 64 KiB: maxLength {MAX_BASE64}"),
            );
            self.require(begins(source), &format!("{pointer}/begins"), "is not hexadecimal");
        }
    }

    pub(super) fn file_argument(&mut self, tool: &Tool, name: &str, pointer: &str) {
        let schema = tool.property(name);
        let is_text = schema.is_some_and(|schema| schema.get("type") == Some(&Value::from("string")));
        self.require(
            is_text && tool.declares(name),
            pointer,
            format!("`{name}` is no argument of text"),
        );
        let required = tool.input.get("required").and_then(Value::as_array);
        let needed = required.is_some_and(|required| required.iter().any(|required| required == name));
        self.require(
            !needed,
            "/input/required",
            format!("`{name}` is one of two ways to give a file"),
        );
        let bound =
            tool.declaration.request.bind.contains_key(name) || tool.placeholders.iter().any(|other| other == name);
        self.require(!bound, &format!("/request/bind/{name}"), "goes into the form as a file");
    }

    /// An answer of bytes is read, whole, and has a tool that gives a link to what is too large.
    pub(super) fn bytes(&mut self, tool: &Tool, catalog: &Catalog) {
        let declaration = &tool.declaration;
        let output = &declaration.output;
        let link = output.link.as_deref();
        if output.content == Content::Json {
            self.require(link.is_none(), "/output/link", "is about bytes");
            return;
        }
        self.require(
            declaration.request.method == Method::Get,
            "/output/content",
            "bytes are read by a GET",
        );
        let whole = output.keep.is_none() && output.wrap.is_none() && output.done.is_none();
        self.require(
            whole && output.mask.is_empty() && output.reveal.is_empty() && declaration.output.pages.is_none(),
            "/output",
            "bytes have no fields",
        );
        self.require(
            link.is_none_or(|link| catalog.tool(link).is_some()),
            "/output/link",
            "is no tool",
        );
    }
}

fn begins(source: &FileSource) -> bool {
    source.begins.as_deref().is_none_or(|text| {
        !text.is_empty() && text.len().is_multiple_of(2) && text.bytes().all(|byte| byte.is_ascii_hexdigit())
    })
}
