//! Which file of the sources uses items of which other file.
//!
//! Read from the text: the `use` lines, and the paths that begin with `crate`, `super`, `self` or a module beside the file. A
//! name that a module passes on (`use … ;` or `pub use …;`) counts as used in the file that defines it. That a module passes a
//! name of a file below it on with `pub use` is no use of its own.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use regex::Regex;

/// The path of a module within the crate: `["store", "sqlite"]`.
pub type Module = Vec<String>;

/// All files below a folder, and what they use.
pub struct Imports {
    uses: BTreeMap<Module, BTreeSet<Module>>,
}

impl Imports {
    /// Reads the sources below the folder, which is that of the crate's root module. Tests are left out.
    pub fn read(sources: &Path) -> Self {
        let mut files = BTreeMap::new();
        collect(sources, &Vec::new(), &mut files);
        let crate_of = Crate::of(files);
        let uses = crate_of.code.keys().map(|module| (module.clone(), crate_of.used_by(module))).collect();
        Self { uses }
    }

    /// How many files there are.
    pub fn files(&self) -> usize {
        self.uses.len()
    }

    /// The circles that are not allowed, each as the uses within it: `a -> b`. A file and the file of its parent module may use
    /// each other, as long as that closes no circle with a third.
    pub fn circles(&self) -> Vec<Vec<String>> {
        let all = self.groups().into_iter().map(|group| self.inner(&group));
        let forbidden = all.filter(|uses| uses.iter().any(|(from, to)| !is_parent(from, to) && !is_parent(to, from)));
        forbidden
            .map(|uses| uses.iter().map(|(from, to)| format!("{} -> {}", name(from), name(to))).collect())
            .collect()
    }

    /// Files that reach each other.
    fn groups(&self) -> Vec<BTreeSet<&Module>> {
        let reached: BTreeMap<&Module, BTreeSet<&Module>> =
            self.uses.keys().map(|module| (module, self.reached_from(module))).collect();
        let mut groups = Vec::new();
        let mut known: BTreeSet<&Module> = BTreeSet::new();
        for (module, far) in &reached {
            let group: BTreeSet<&Module> =
                far.iter().copied().filter(|other| reached[other].contains(module)).collect();
            if group.len() > 1 && known.insert(module) {
                known.extend(&group);
                groups.push(group);
            }
        }
        groups.dedup();
        groups
    }

    fn reached_from(&self, module: &Module) -> BTreeSet<&Module> {
        let mut reached = BTreeSet::new();
        let mut next: Vec<&Module> = self.uses[module].iter().collect();
        while let Some(module) = next.pop() {
            if reached.insert(module) {
                next.extend(&self.uses[module]);
            }
        }
        reached
    }

    fn inner<'s>(&'s self, group: &BTreeSet<&'s Module>) -> Vec<(&'s Module, &'s Module)> {
        let of = |from: &&'s Module| self.uses[*from].iter().map(move |to| (*from, to)).collect::<Vec<_>>();
        group.iter().flat_map(of).filter(|(_, to)| group.contains(to)).collect()
    }
}

fn is_parent(parent: &Module, child: &Module) -> bool {
    child.len() == parent.len() + 1 && child.starts_with(parent)
}

fn name(module: &Module) -> String {
    module.join("::")
}

/// The code of each module, and the names that each has from elsewhere.
struct Crate {
    code: BTreeMap<Module, String>,
    names: BTreeMap<Module, BTreeMap<String, Module>>,
    use_line: Regex,
    path: Regex,
    beside: Regex,
}

impl Crate {
    fn of(code: BTreeMap<Module, String>) -> Self {
        let mut all = Self {
            code,
            names: BTreeMap::new(),
            use_line: Regex::new(r"(?m)^\s*(pub(?:\([^)]*\))? )?use ([^;]*);").unwrap(),
            path: Regex::new(r"\b(?:crate|super|self)(?:::\w+)+").unwrap(),
            beside: Regex::new(r"(?:^|[^\w:.])([a-z_]\w*)::\w").unwrap(),
        };
        let names = all.code.keys().map(|module| (module.clone(), all.names_in(module))).collect();
        all.names = names;
        all
    }

    fn names_in(&self, module: &Module) -> BTreeMap<String, Module> {
        let lines = self.use_line.captures_iter(&self.code[module]);
        let paths = lines.flat_map(|line| branches(&line[2])).filter_map(|path| self.absolute(module, &path));
        paths.filter_map(|path| Some((path.last()?.clone(), path))).collect()
    }

    fn used_by(&self, module: &Module) -> BTreeSet<Module> {
        let code = &self.code[module];
        let mut used = BTreeSet::new();
        for line in self.use_line.captures_iter(code) {
            let targets = branches(&line[2]).into_iter().filter_map(|path| self.defining(module, &path));
            let is_passed_on = line.get(1).is_some();
            used.extend(targets.filter(|target| !(is_passed_on && target.starts_with(module))));
        }
        let rest = self.use_line.replace_all(code, "\n");
        for path in self.path.find_iter(&rest) {
            let path: Vec<String> = path.as_str().split("::").map(str::to_owned).collect();
            used.extend(self.defining(module, &path));
        }
        for beside in self.beside.captures_iter(&rest) {
            let child = [module.clone(), vec![beside[1].to_owned()]].concat();
            used.extend(self.code.contains_key(&child).then_some(child));
        }
        used.remove(module);
        used
    }

    /// The module that defines what a path in `module` names; `None` for what is of another crate.
    fn defining(&self, module: &Module, path: &[String]) -> Option<Module> {
        let mut path = self.absolute(module, path)?;
        // No name is passed on that often.
        for _ in 0..8 {
            let known = (1..=path.len()).rev().find(|length| self.code.contains_key(&path[..*length]))?;
            let next = path.get(known).and_then(|name| self.names[&path[..known]].get(name));
            match next {
                Some(next) if *next != path[..=known] => path = [next, &path[known + 1..]].concat(),
                _ => return Some(path[..known].to_vec()),
            }
        }
        None
    }

    /// A path in `module` from the root of the crate; `None` for what is of another crate.
    fn absolute(&self, module: &Module, path: &[String]) -> Option<Module> {
        let (first, rest) = path.split_first()?;
        Some(match first.as_str() {
            "crate" => rest.to_vec(),
            "self" => [module, rest].concat(),
            "super" => {
                let ups = path.iter().take_while(|part| *part == "super").count();
                [&module[..module.len().checked_sub(ups)?], &path[ups..]].concat()
            }
            _ if self.code.contains_key(&[&module[..], std::slice::from_ref(first)].concat()) => {
                [module, path].concat()
            }
            _ => return None,
        })
    }
}

/// The paths of a `use`: `a::{b, c::d}` is `a::b` and `a::c::d`. `as` is left out.
fn branches(tree: &str) -> Vec<Vec<String>> {
    let tree = tree.trim();
    if let Some((before, inside)) = tree.split_once('{') {
        let before: Vec<String> =
            before.split("::").map(str::trim).filter(|part| !part.is_empty()).map(str::to_owned).collect();
        let inside = inside.strip_suffix('}').unwrap_or(inside);
        return items(inside)
            .iter()
            .flat_map(|item| branches(item))
            .map(|path| [before.clone(), path].concat())
            .collect();
    }
    let path = tree.split(" as ").next().unwrap_or_default();
    vec![path.split("::").map(|part| part.trim().to_owned()).filter(|part| part != "self" || path == "self").collect()]
}

/// Splits at the commas that are in no inner braces.
fn items(text: &str) -> Vec<String> {
    let (mut depth, mut all) = (0, vec![String::new()]);
    for c in text.chars() {
        depth += i32::from(c == '{') - i32::from(c == '}');
        match c {
            ',' if depth == 0 => all.push(String::new()),
            _ => all.last_mut().unwrap().push(c),
        }
    }
    all.retain(|item| !item.trim().is_empty());
    all
}

fn collect(folder: &Path, module: &Module, files: &mut BTreeMap<Module, String>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path: PathBuf = entry.unwrap().path();
        let stem = path.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default().to_owned();
        let below = [module.clone(), vec![stem.clone()]].concat();
        if ["tests", "testing", "main"].contains(&stem.as_str()) {
            continue;
        }
        if path.is_dir() {
            collect(&path, &below, files);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let module = if ["mod", "lib"].contains(&stem.as_str()) { module.clone() } else { below };
            files.insert(module, super::code_of(&path));
        }
    }
}
