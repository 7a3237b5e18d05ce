//! The modules of a crate, read from its files, and which file defines what a path names.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use syn::visit::Visit as _;

use super::names::{Import, Name, Names, imports, is_for_tests};

/// Why a crate can't be read.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// A file can't be read.
    #[error("{} can't be read", .0.display())]
    Read(PathBuf, #[source] std::io::Error),
    /// A file is no Rust.
    #[error("{} can't be parsed", .0.display())]
    Parse(PathBuf, #[source] syn::Error),
    /// A module is declared, and has no file.
    #[error("{} declares the module {name}, which has no file", .file.display())]
    Module {
        /// The file.
        file: PathBuf,
        /// The module.
        name: String,
    },
}

/// The index of a module.
type Id = usize;

#[derive(Debug)]
struct Module {
    file: PathBuf,
    parent: Option<Id>,
    children: BTreeMap<String, Id>,
    defined: BTreeSet<String>,
    /// Whether it has any code: a module that only declares and re-exports is nobody's file.
    has_code: bool,
    imports: Vec<Import>,
    /// What its code needs: paths, and the imports that aren't handed on.
    needs: Vec<Name>,
}

/// The modules of one crate.
#[derive(Debug)]
pub struct Crate {
    src: PathBuf,
    modules: Vec<Module>,
}

/// What a path names.
enum Found {
    Module(Id),
    /// An item, or what is in one (a variant, an associated function).
    Item(Id),
}

/// How many re-exports a name is followed through: more is a loop of globs.
const MAX_STEPS: usize = 16;

impl Crate {
    /// Reads a crate from its root file.
    ///
    /// # Errors
    ///
    /// When a file of it can't be read or parsed.
    pub fn read(root: &Path) -> Result<Self, SourceError> {
        let src = root.parent().unwrap_or_else(|| Path::new("")).to_path_buf();
        let mut this = Self {
            src: src.clone(),
            modules: Vec::new(),
        };
        this.read_file(root, &src, None)?;
        Ok(this)
    }

    /// Which file names something that which other file defines, both relative to `src`.
    #[must_use]
    pub fn edges(&self) -> BTreeSet<(PathBuf, PathBuf)> {
        let mut edges = BTreeSet::new();
        for (id, module) in self.modules.iter().enumerate() {
            for need in &module.needs {
                let Some(Found::Item(target)) = self.find(id, need, MAX_STEPS) else {
                    continue;
                };
                let Some(target) = self.modules.get(target) else {
                    continue;
                };
                if target.file != module.file && self.has_code(&target.file) && self.has_code(&module.file) {
                    edges.insert((self.relative(&module.file), self.relative(&target.file)));
                }
            }
        }
        edges
    }

    fn has_code(&self, file: &Path) -> bool {
        self.modules.iter().any(|module| module.file == file && module.has_code)
    }

    fn relative(&self, file: &Path) -> PathBuf {
        file.strip_prefix(&self.src).unwrap_or(file).to_path_buf()
    }

    fn read_file(&mut self, file: &Path, folder: &Path, parent: Option<Id>) -> Result<Id, SourceError> {
        let text = std::fs::read_to_string(file).map_err(|error| SourceError::Read(file.to_path_buf(), error))?;
        let parsed = syn::parse_file(&text).map_err(|error| SourceError::Parse(file.to_path_buf(), error))?;
        self.read_items(&parsed.items, file, folder, parent)
    }

    /// Reads the items of a module in `file`, whose own modules have their files in `folder`.
    fn read_items(
        &mut self,
        items: &[syn::Item],
        file: &Path,
        folder: &Path,
        parent: Option<Id>,
    ) -> Result<Id, SourceError> {
        let id = self.modules.len();
        self.modules.push(Module {
            file: file.to_path_buf(),
            parent,
            children: BTreeMap::new(),
            defined: BTreeSet::new(),
            has_code: false,
            imports: Vec::new(),
            needs: Vec::new(),
        });
        let mut names = Names::default();
        let mut own = Vec::new();
        let mut needs = Vec::new();
        let mut defined = BTreeSet::new();
        let mut has_code = false;
        for item in items {
            match item {
                syn::Item::Mod(module) if is_for_tests(&module.attrs) => {}
                syn::Item::Mod(module) => {
                    let name = module.ident.to_string();
                    let child = match &module.content {
                        Some((_, items)) => self.read_items(items, file, &folder.join(&name), Some(id))?,
                        None => {
                            let (found, inner) = file_of(folder, &name).ok_or_else(|| SourceError::Module {
                                file: file.to_path_buf(),
                                name: name.clone(),
                            })?;
                            self.read_file(&found, &inner, Some(id))?
                        }
                    };
                    if let Some(this) = self.modules.get_mut(id) {
                        this.children.insert(name, child);
                    }
                }
                syn::Item::Use(line) if is_for_tests(&line.attrs) => {}
                syn::Item::Use(line) => {
                    let imports = imports(&line.tree);
                    if matches!(line.vis, syn::Visibility::Inherited) {
                        needs.extend(imports.iter().map(|import| import.path.clone()));
                    }
                    own.extend(imports);
                }
                syn::Item::ExternCrate(_) => {}
                item if attributes(item).is_some_and(is_for_tests) => {}
                item => {
                    has_code = true;
                    defined.extend(name_of(item));
                    names.visit_item(item);
                }
            }
        }
        needs.extend(names.imports.iter().map(|import| import.path.clone()));
        needs.extend(names.paths);
        own.extend(names.imports);
        if let Some(this) = self.modules.get_mut(id) {
            this.defined = defined;
            this.has_code = has_code;
            this.imports = own;
            this.needs = needs;
        }
        Ok(id)
    }

    /// Finds what a path in the module `from` names, if it is of this crate.
    fn find(&self, from: Id, path: &[String], steps: usize) -> Option<Found> {
        let (first, rest) = path.split_first()?;
        match first.as_str() {
            "crate" => self.descend(Found::Module(0), rest, steps),
            "self" => self.descend(Found::Module(from), rest, steps),
            "super" => {
                let parent = self.modules.get(from)?.parent?;
                match rest.first().is_some_and(|next| next == "super") {
                    true => self.find(parent, rest, steps),
                    false => self.descend(Found::Module(parent), rest, steps),
                }
            }
            _ => {
                let found = self.name(from, first, steps)?;
                self.descend(found, rest, steps)
            }
        }
    }

    fn descend(&self, found: Found, rest: &[String], steps: usize) -> Option<Found> {
        let Some((next, rest)) = rest.split_first() else {
            return Some(found);
        };
        match found {
            Found::Item(_) => Some(found),
            Found::Module(id) => {
                let found = self.name(id, next, steps)?;
                self.descend(found, rest, steps)
            }
        }
    }

    /// Finds what a name means in a module.
    fn name(&self, id: Id, name: &str, steps: usize) -> Option<Found> {
        let steps = steps.checked_sub(1)?;
        let module = self.modules.get(id)?;
        // A type and a module may share a name; what is defined decides, as it is what code can need.
        if module.defined.contains(name) {
            return Some(Found::Item(id));
        }
        if let Some(child) = module.children.get(name) {
            return Some(Found::Module(*child));
        }
        let by_alias = module
            .imports
            .iter()
            .filter(|import| import.alias.as_deref() == Some(name));
        for import in by_alias {
            // `use name;` of another crate would find itself.
            if import.path.first().is_some_and(|first| first == name) {
                continue;
            }
            if let Some(found) = self.find(id, &import.path, steps) {
                return Some(found);
            }
        }
        module
            .imports
            .iter()
            .filter(|import| import.alias.is_none())
            .find_map(|import| match self.find(id, &import.path, steps)? {
                Found::Module(target) if target != id => self.name(target, name, steps),
                _ => None,
            })
    }
}

/// The file of a module, and the folder of its own modules.
fn file_of(folder: &Path, name: &str) -> Option<(PathBuf, PathBuf)> {
    let inner = folder.join(name);
    let candidates = [folder.join(format!("{name}.rs")), inner.join("mod.rs")];
    let file = candidates.into_iter().find(|file| file.is_file())?;
    Some((file, inner))
}

/// The name that an item defines in its module.
fn name_of(item: &syn::Item) -> Option<String> {
    let ident = match item {
        syn::Item::Const(item) => &item.ident,
        syn::Item::Enum(item) => &item.ident,
        syn::Item::Fn(item) => &item.sig.ident,
        syn::Item::Macro(item) => item.ident.as_ref()?,
        syn::Item::Static(item) => &item.ident,
        syn::Item::Struct(item) => &item.ident,
        syn::Item::Trait(item) => &item.ident,
        syn::Item::TraitAlias(item) => &item.ident,
        syn::Item::Type(item) => &item.ident,
        syn::Item::Union(item) => &item.ident,
        _ => return None,
    };
    Some(ident.to_string())
}

fn attributes(item: &syn::Item) -> Option<&[syn::Attribute]> {
    let attributes = match item {
        syn::Item::Const(item) => &item.attrs,
        syn::Item::Enum(item) => &item.attrs,
        syn::Item::Fn(item) => &item.attrs,
        syn::Item::Impl(item) => &item.attrs,
        syn::Item::Macro(item) => &item.attrs,
        syn::Item::Static(item) => &item.attrs,
        syn::Item::Struct(item) => &item.attrs,
        syn::Item::Trait(item) => &item.attrs,
        syn::Item::Type(item) => &item.attrs,
        _ => return None,
    };
    Some(attributes)
}
