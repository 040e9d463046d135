//! The layers of the modules, the order of the files within them, and the price of a new vendor or destination: one file, one
//! line, one folder of fixtures.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

#[path = "architecture/imports.rs"]
mod imports;
use imports::Imports;

/// Modules and their layers. A module imports only modules of lower layers; never one of its own layer.
const LAYERS: &[(&str, u8)] = &[
    ("domain", 0),
    ("telemetry", 1),
    ("settings", 1),
    ("verify", 2),
    ("text", 2),
    ("vendors", 3),
    ("routing", 3),
    ("incidents", 3),
    ("notices", 3),
    ("destinations", 3),
    ("store", 4),
    ("egress", 4),
    ("pipeline", 5),
    ("server", 5),
    ("config", 6),
    ("app", 7),
    ("standins", 7),
    ("cli", 8),
];

/// Names of modules that become collections of unrelated code.
const NO_CATCH_ALLS: &[&str] = &["util", "utils", "common", "helper", "helpers", "misc", "manager"];

#[test]
fn no_module_imports_from_its_own_layer_or_above() {
    let layers: BTreeMap<&str, u8> = LAYERS.iter().copied().collect();
    let mut faults = Vec::new();
    for (module, file) in modules() {
        let Some(layer) = layers.get(module.as_str()) else {
            faults.push(format!("{}: the module '{module}' is in no layer; add it to LAYERS", file.display()));
            continue;
        };
        for imported in imports(&file) {
            if imported == module {
                continue;
            }
            match layers.get(imported.as_str()) {
                Some(below) if below < layer => {}
                Some(_) => faults.push(format!("{}: '{module}' imports '{imported}'", file.display())),
                None => faults.push(format!("{}: 'crate::{imported}' is no module", file.display())),
            }
        }
    }
    assert!(faults.is_empty(), "\n{}", faults.join("\n"));
}

#[test]
fn no_files_use_each_other_in_a_circle() {
    let imports = Imports::read(&root().join("src"));
    assert!(imports.files() > 250, "the walk through the sources found only {} files", imports.files());
    let circles = imports.circles();
    assert!(circles.is_empty(), "{} circles:\n{}", circles.len(), circles.concat().join("\n"));
}

#[test]
fn the_assertion_about_circles_can_fail() {
    let circles = |files: &[(&str, &str)]| {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in files {
            let path = folder.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        Imports::read(folder.path()).circles().concat()
    };
    let (a, b) = (("a.rs", "use super::b::{self, B as C};"), ("b.rs", "fn f() { crate::a::f() }"));
    assert_eq!(circles(&[("lib.rs", ""), a, b]), ["a -> b", "b -> a"]);
    assert!(circles(&[("lib.rs", ""), a, ("b.rs", "// crate::a::f()\nstruct B;")]).is_empty());
    // A parent and each of its children may use each other, but not by way of a third.
    let parent = ("p/mod.rs", "mod c;\nmod d;\npub use d::D;\nfn f() { c::g(); d::g() }");
    let c = ("p/c.rs", "use super::f;");
    assert!(circles(&[("lib.rs", ""), parent, c, ("p/d.rs", "use super::f;")]).is_empty());
    let by_a_third = circles(&[("lib.rs", ""), parent, c, ("p/d.rs", "use super::c::g;\nuse super::f;")]);
    assert!(by_a_third.contains(&"p::d -> p::c".to_owned()), "{by_a_third:?}");
    // A name that a module passes on leads to the file that defines it.
    let passed_on = [("lib.rs", ""), ("p/mod.rs", "mod c;\nmod d;\npub use d::D;"), ("p/c.rs", "use super::D;")];
    assert!(circles(&[passed_on[0], passed_on[1], passed_on[2], ("p/d.rs", "")]).is_empty());
    let closed = circles(&[passed_on[0], passed_on[1], passed_on[2], ("p/d.rs", "use crate::p::c::C;")]);
    assert_eq!(closed, ["p::c -> p::d", "p::d -> p::c"]);
}

#[test]
fn the_layers_are_those_that_the_crate_documentation_describes() {
    let documentation = std::fs::read_to_string(root().join("src/lib.rs")).unwrap();
    for (module, layer) in LAYERS {
        let line = documentation.lines().find(|line| line.contains(&format!("| [`{module}`]")));
        let line = line.unwrap_or_else(|| panic!("src/lib.rs does not describe '{module}'"));
        assert!(line.starts_with(&format!("//! | {layer} |")), "src/lib.rs puts '{module}' elsewhere: {line}");
    }
}

#[test]
fn there_are_no_catch_all_modules() {
    for (_, file) in modules() {
        let stem = file.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
        let folder = file.parent().and_then(|folder| folder.file_name()?.to_str()).unwrap_or_default();
        assert!(!NO_CATCH_ALLS.contains(&stem) && !NO_CATCH_ALLS.contains(&folder), "{}", file.display());
    }
}

#[test]
fn pure_modules_do_no_input_or_output() {
    for (module, file) in modules() {
        if !["domain", "verify", "text", "vendors", "routing", "incidents", "notices", "destinations"]
            .contains(&module.as_str())
        {
            continue;
        }
        let text = code_of(&file);
        for forbidden in ["std::fs", "std::net::Tcp", "tokio::net", "tokio::fs", "reqwest", "rusqlite", "async fn"] {
            assert!(!text.contains(forbidden), "{}: a pure module uses {forbidden}", file.display());
        }
    }
}

#[test]
fn the_assertion_about_imports_can_fail() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("x.rs");
    let text = "use crate::app::App;\nuse crate::{cli, store};\nfn f() { crate::server::g() }\n#[cfg(test)]\nmod tests { use crate::config::C; }\n";
    std::fs::write(&file, text).unwrap();
    assert_eq!(imports(&file), ["app", "cli", "server", "store"]);
}

#[test]
fn every_vendor_has_a_place_in_the_list_fixtures_and_documentation() {
    let names: Vec<&str> = gatepost::vendors::VENDORS.iter().map(|vendor| vendor.name).collect();
    complete(
        "vendors",
        &names,
        &["authenticated", "lenient", "outcomes", "own_words", "request_kind", "severities", "source", "urgency_hint"],
    );
}

#[test]
fn every_destination_has_a_place_in_the_list_fixtures_and_documentation() {
    let names: Vec<&str> = gatepost::destinations::KINDS.iter().map(|kind| kind.name).collect();
    complete(
        "destinations",
        &names,
        &[
            "annotated",
            "append_only",
            "base",
            "classify",
            "compression",
            "connected",
            "connection",
            "errors",
            "event_format",
            "fingerprint",
            "flow",
            "hook",
            "life",
            "mailing",
            "markdown",
            "message",
            "next",
            "notifier",
            "pace",
            "probe",
            "receiver",
            "render",
            "spoken",
            "templates",
            "testing",
            "tls",
            "uncertain",
            "userinfo",
        ],
    );
}

/// Compares list, folder, fixtures and documentation of a module whose members are one file each.
fn complete(module: &str, names: &[&str], others: &[&str]) {
    assert!(names.is_sorted(), "the list of {module} is in alphabetical order: {names:?}");
    let documentation = std::fs::read_to_string(root().join(format!("docs/{module}.md"))).unwrap();
    let schema = std::fs::read_to_string(root().join("schemas/config.v1.schema.json")).unwrap();
    for name in names {
        let file = root().join(format!("src/{module}/{name}.rs"));
        let folder = root().join(format!("src/{module}/{name}/mod.rs"));
        assert!(file.exists() || folder.exists(), "{name} is in the list of {module}, but has no file");
        let fixtures = root().join(format!("tests/fixtures/{module}/{name}"));
        let count = std::fs::read_dir(&fixtures).map(Iterator::count).unwrap_or(0);
        assert!(count > 0, "{} holds no fixture", fixtures.display());
        assert!(documentation.contains(&format!("`{name}`")), "docs/{module}.md does not mention `{name}`");
        let page = root().join(format!("docs/{module}/{name}.md"));
        assert!(module != "destinations" || page.exists(), "{name} has no page of documentation");
        assert!(schema.contains(&format!("\"{name}\"")), "schemas/config.v1.schema.json does not know \"{name}\"");
    }
    for entry in std::fs::read_dir(root().join(format!("src/{module}"))).unwrap() {
        let path = entry.unwrap().path();
        let stem = path.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default().to_owned();
        let known = names.contains(&stem.as_str()) || others.contains(&stem.as_str());
        assert!(known || ["mod", "tests"].contains(&stem.as_str()), "{} is in no list", path.display());
    }
}

/// Every source file of a module, with the module's name.
fn modules() -> Vec<(String, PathBuf)> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(root().join("src")).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            let module = path.file_name().and_then(|name| name.to_str()).unwrap().to_owned();
            collect(&path, &module, &mut found);
        }
    }
    assert!(found.len() > 50, "the walk through the sources found only {} files", found.len());
    found
}

fn collect(folder: &Path, module: &str, found: &mut Vec<(String, PathBuf)>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let is_test = path.file_stem().is_some_and(|stem| stem == "tests" || stem == "testing");
        if path.is_dir() && !is_test {
            collect(&path, module, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") && !is_test {
            found.push((module.to_owned(), path));
        }
    }
}

/// The text of a file up to its tests, without comments.
fn code_of(file: &Path) -> String {
    let text = std::fs::read_to_string(file).unwrap();
    let code = text.split("#[cfg(test)]\nmod tests").next().unwrap_or_default();
    code.lines().filter(|line| !line.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n")
}

/// The modules that a file names after `crate::`, each once, sorted.
fn imports(file: &Path) -> Vec<String> {
    let code = code_of(file);
    let mut names = Vec::new();
    for (at, _) in code.match_indices("crate::") {
        let rest = &code[at + "crate::".len()..];
        if let Some(list) = rest.strip_prefix('{') {
            let list = list.split('}').next().unwrap_or_default();
            names.extend(list.split(',').filter_map(|item| first_word(item.trim())));
        } else {
            names.extend(first_word(rest));
        }
    }
    names.sort();
    names.dedup();
    names
}

fn first_word(text: &str) -> Option<String> {
    let word: String = text.chars().take_while(|c| c.is_ascii_lowercase() || *c == '_').collect();
    (!word.is_empty()).then_some(word)
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}
