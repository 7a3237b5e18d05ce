//! The paths that a piece of Rust names: `use` lines, paths in code, and paths in the tokens of macros.

use proc_macro2::{TokenStream, TokenTree};
use syn::visit::{self, Visit};

/// A path as it is written, without its generics.
pub type Name = Vec<String>;

/// One name that a `use` line brings in.
#[derive(Clone, Debug)]
pub struct Import {
    /// What it is called here; `None` for `*`.
    pub alias: Option<String>,
    /// Where it comes from.
    pub path: Name,
}

/// Takes a `use` line apart.
pub fn imports(tree: &syn::UseTree) -> Vec<Import> {
    let mut found = Vec::new();
    take_apart(tree, &mut Vec::new(), &mut found);
    found
}

fn take_apart(tree: &syn::UseTree, before: &mut Name, found: &mut Vec<Import>) {
    let mut add = |ident: &syn::Ident, alias: &syn::Ident, before: &Name| {
        let mut path = before.clone();
        let itself = ident == "self";
        if !itself {
            path.push(ident.to_string());
        }
        let alias = match itself && alias == "self" {
            true => path.last().cloned(),
            false => Some(alias.to_string()),
        };
        found.push(Import { alias, path });
    };
    match tree {
        syn::UseTree::Path(path) => {
            before.push(path.ident.to_string());
            take_apart(&path.tree, before, found);
            before.pop();
        }
        syn::UseTree::Name(name) => add(&name.ident, &name.ident, before),
        syn::UseTree::Rename(rename) => add(&rename.ident, &rename.rename, before),
        syn::UseTree::Glob(_) => found.push(Import {
            alias: None,
            path: before.clone(),
        }),
        syn::UseTree::Group(group) => {
            for tree in &group.items {
                take_apart(tree, before, found);
            }
        }
    }
}

/// Whether an item is there in tests alone.
pub fn is_for_tests(attributes: &[syn::Attribute]) -> bool {
    attributes.iter().any(|attribute| {
        attribute.path().is_ident("cfg")
            && matches!(&attribute.meta, syn::Meta::List(list) if is_test_alone(&list.tokens.to_string()))
    })
}

/// Whether a condition can't hold outside of tests: `test`, and `all(test, …)`; `any(test, …)` and `not(test)` can.
fn is_test_alone(condition: &str) -> bool {
    let condition: String = condition.chars().filter(|char| !char.is_whitespace()).collect();
    condition == "test" || condition.starts_with("all(test,") || condition.starts_with("all(test)")
}

/// Collects the paths and the `use` lines of what it visits, modules and tests left out.
#[derive(Debug, Default)]
pub struct Names {
    /// Paths in code.
    pub paths: Vec<Name>,
    /// `use` lines inside of functions.
    pub imports: Vec<Import>,
}

impl<'ast> Visit<'ast> for Names {
    fn visit_path(&mut self, path: &'ast syn::Path) {
        if path.leading_colon.is_none() {
            self.paths
                .push(path.segments.iter().map(|segment| segment.ident.to_string()).collect());
        }
        visit::visit_path(self, path);
    }

    fn visit_macro(&mut self, invoked: &'ast syn::Macro) {
        self.tokens(invoked.tokens.clone());
        visit::visit_macro(self, invoked);
    }

    fn visit_item_use(&mut self, item: &'ast syn::ItemUse) {
        self.imports.extend(imports(&item.tree));
    }

    fn visit_item_mod(&mut self, _: &'ast syn::ItemMod) {}

    fn visit_impl_item_fn(&mut self, item: &'ast syn::ImplItemFn) {
        if !is_for_tests(&item.attrs) {
            visit::visit_impl_item_fn(self, item);
        }
    }

    fn visit_attribute(&mut self, attribute: &'ast syn::Attribute) {
        // `#[derive(…)]` and `#[serde(with = "…")]` name paths too; a documentation comment links, and needs nothing.
        if !attribute.path().is_ident("doc")
            && let syn::Meta::List(list) = &attribute.meta
        {
            self.tokens(list.tokens.clone());
        }
    }
}

impl Names {
    /// Collects each run of `a::b::c` in tokens, whatever they mean to the macro that takes them.
    fn tokens(&mut self, tokens: TokenStream) {
        let mut path = Name::new();
        let mut colons = 0;
        for token in tokens {
            match &token {
                TokenTree::Ident(ident) => {
                    if colons != 2 {
                        self.end(&mut path);
                    }
                    path.push(ident.to_string());
                    colons = 0;
                }
                TokenTree::Punct(punct) if punct.as_char() == ':' => colons += 1,
                _ => {
                    self.end(&mut path);
                    colons = 0;
                }
            }
            match token {
                TokenTree::Group(group) => self.tokens(group.stream()),
                TokenTree::Literal(literal) => self.literal(&literal.to_string()),
                _ => {}
            }
        }
        self.end(&mut path);
    }

    fn end(&mut self, path: &mut Name) {
        if !path.is_empty() {
            self.paths.push(std::mem::take(path));
        }
    }

    /// Takes a text such as `"crate::json::raw"`, as serde's attributes name a function.
    fn literal(&mut self, literal: &str) {
        let text = literal.trim_matches('"');
        let is_path = text.contains("::") && text.chars().all(|char| char.is_alphanumeric() || "_:".contains(char));
        if is_path {
            self.paths.push(text.split("::").map(str::to_owned).collect());
        }
    }
}
