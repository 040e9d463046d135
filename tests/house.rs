//! The floors of the house, and the price of a new vendor or destination: one file, one line, one folder of fixtures.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Rooms and their floors. A room imports only rooms of lower floors; rooms of one floor do not know each other.
const FLOORS: &[(&str, u8)] = &[
    ("domain", 0),
    ("telemetry", 1),
    ("settings", 1),
    ("verify", 2),
    ("text", 2),
    ("vendors", 3),
    ("routing", 3),
    ("incidents", 3),
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

/// Names of drawers into which everything is put in the end.
const NO_DRAWERS: &[&str] = &["util", "utils", "common", "helper", "helpers", "misc", "manager"];

#[test]
fn no_room_imports_from_its_own_floor_or_above() {
    let floors: BTreeMap<&str, u8> = FLOORS.iter().copied().collect();
    let mut faults = Vec::new();
    for (room, file) in rooms() {
        let Some(floor) = floors.get(room.as_str()) else {
            faults.push(format!("{}: the room '{room}' stands on no floor; add it to FLOORS", file.display()));
            continue;
        };
        for imported in imports(&file) {
            if imported == room {
                continue;
            }
            match floors.get(imported.as_str()) {
                Some(below) if below < floor => {}
                Some(_) => faults.push(format!("{}: '{room}' imports '{imported}'", file.display())),
                None => faults.push(format!("{}: 'crate::{imported}' is no room", file.display())),
            }
        }
    }
    assert!(faults.is_empty(), "\n{}", faults.join("\n"));
}

#[test]
fn the_plan_of_the_house_is_what_is_written_on_its_door() {
    let door = std::fs::read_to_string(root().join("src/lib.rs")).unwrap();
    for (room, floor) in FLOORS {
        let line = door.lines().find(|line| line.contains(&format!("| [`{room}`]")));
        let line = line.unwrap_or_else(|| panic!("src/lib.rs does not describe '{room}'"));
        assert!(line.starts_with(&format!("//! | {floor} |")), "src/lib.rs puts '{room}' elsewhere: {line}");
    }
}

#[test]
fn there_are_no_drawers() {
    for (_, file) in rooms() {
        let stem = file.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
        let folder = file.parent().and_then(|folder| folder.file_name()?.to_str()).unwrap_or_default();
        assert!(!NO_DRAWERS.contains(&stem) && !NO_DRAWERS.contains(&folder), "{}", file.display());
    }
}

#[test]
fn pure_rooms_do_no_input_or_output() {
    for (room, file) in rooms() {
        if !["domain", "verify", "text", "vendors", "routing", "incidents", "destinations"].contains(&room.as_str()) {
            continue;
        }
        let text = code_of(&file);
        for forbidden in ["std::fs", "std::net::Tcp", "tokio::net", "tokio::fs", "reqwest", "rusqlite", "async fn"] {
            assert!(!text.contains(forbidden), "{}: a pure room uses {forbidden}", file.display());
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
    complete("vendors", &names, &["lenient", "outcomes", "own_words", "severities", "source", "urgency_hint"]);
}

#[test]
fn every_destination_has_a_place_in_the_list_fixtures_and_documentation() {
    let names: Vec<&str> = gatepost::destinations::KINDS.iter().map(|kind| kind.name).collect();
    complete(
        "destinations",
        &names,
        &["base", "classify", "errors", "fingerprint", "life", "message", "probe", "receiver", "render", "testing"],
    );
}

/// Compares list, folder, fixtures and documentation of a room whose members are one file each.
fn complete(room: &str, names: &[&str], others: &[&str]) {
    assert!(names.is_sorted(), "the list of {room} is in alphabetical order: {names:?}");
    let documentation = std::fs::read_to_string(root().join(format!("docs/{room}.md"))).unwrap();
    let schema = std::fs::read_to_string(root().join("schemas/config.v1.schema.json")).unwrap();
    for name in names {
        let file = root().join(format!("src/{room}/{name}.rs"));
        let folder = root().join(format!("src/{room}/{name}/mod.rs"));
        assert!(file.exists() || folder.exists(), "{name} is in the list of {room}, but has no file");
        let fixtures = root().join(format!("tests/fixtures/{room}/{name}"));
        let count = std::fs::read_dir(&fixtures).map(Iterator::count).unwrap_or(0);
        assert!(count > 0, "{} holds no fixture", fixtures.display());
        assert!(documentation.contains(&format!("`{name}`")), "docs/{room}.md does not mention `{name}`");
        assert!(schema.contains(&format!("\"{name}\"")), "schemas/config.v1.schema.json does not know \"{name}\"");
    }
    for entry in std::fs::read_dir(root().join(format!("src/{room}"))).unwrap() {
        let path = entry.unwrap().path();
        let stem = path.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default().to_owned();
        let known = names.contains(&stem.as_str()) || others.contains(&stem.as_str());
        assert!(known || ["mod", "tests"].contains(&stem.as_str()), "{} is in no list", path.display());
    }
}

/// Every source file of a room, with the room's name.
fn rooms() -> Vec<(String, PathBuf)> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(root().join("src")).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            let room = path.file_name().and_then(|name| name.to_str()).unwrap().to_owned();
            collect(&path, &room, &mut found);
        }
    }
    assert!(found.len() > 50, "the walk through the house found only {} files", found.len());
    found
}

fn collect(folder: &Path, room: &str, found: &mut Vec<(String, PathBuf)>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let is_test = path.file_stem().is_some_and(|stem| stem == "tests" || stem == "testing");
        if path.is_dir() && !is_test {
            collect(&path, room, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") && !is_test {
            found.push((room.to_owned(), path));
        }
    }
}

/// The text of a file up to its tests, without comments.
fn code_of(file: &Path) -> String {
    let text = std::fs::read_to_string(file).unwrap();
    let code = text.split("#[cfg(test)]\nmod tests").next().unwrap_or_default();
    code.lines().filter(|line| !line.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n")
}

/// The rooms that a file names after `crate::`, each once, sorted.
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
