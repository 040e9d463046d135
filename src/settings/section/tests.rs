use super::*;
use crate::settings::{Environment, Fault};

fn environment() -> Environment {
    Environment {
        variable: Box::new(|name| (name == "SET").then(|| "from-env".to_owned())),
        read_file: Box::new(|path| match path.to_str() {
            Some("/etc/gatepost/secret") => Ok(b"from-file\n".to_vec()),
            _ => Err(std::io::ErrorKind::NotFound.into()),
        }),
        paths: PathFacts::default(),
        now: crate::domain::Timestamp::from_millis(1_795_000_000_000),
        base: PathBuf::from("/etc/gatepost"),
    }
}

#[test]
fn every_fault_is_reported_with_its_line_and_a_way_out() {
    let text = "[server]\nlisten = 8080\nlisen = \"x\"\nidle = \"5 parsecs\"\n[store]\nkey = { env = \"UNSET\" }\n";
    let environment = environment();
    let document = Document::new(text, &environment);
    let table = document.parse();
    let root = document.root(table.get_ref());
    let server = root.section("server").unwrap();
    assert_eq!(server.text("listen"), None);
    assert_eq!(server.duration("idle", Duration::ZERO..Duration::MAX), None);
    assert_eq!(server.required_text("name"), None);
    server.finish();
    let store = root.section("store").unwrap();
    assert!(store.secret("key").is_none());
    store.finish();
    root.finish();
    let faults: Vec<String> = document.into_faults().iter().map(Fault::to_string).collect();
    assert_eq!(
        faults,
        [
            "line 1: server.name: is missing; add name = …",
            "line 2: server.listen: is an integer, not a text in quotes; write a text in quotes",
            "line 3: server.lisen: is not a known key; did you mean 'listen'?",
            "line 4: server.idle: '5 parsecs' is not a duration; write it like 30s, 5m, 12h or 30d",
            "line 6: store.key: the environment variable UNSET is not set; set UNSET where gatepost is started",
        ]
    );
}

#[test]
fn secrets_come_from_outside_the_file() {
    let text = "a = { env = \"SET\" }\nb = { file = \"secret\" }\nc = { value = \"inline\" }\nd = \"bare\"\n";
    let environment = environment();
    let document = Document::new(text, &environment);
    let table = document.parse();
    let root = document.root(table.get_ref());
    assert_eq!(root.secret("a").unwrap().expose(), b"from-env");
    assert_eq!(root.secret("b").unwrap().expose(), b"from-file");
    assert_eq!(root.secret("c").unwrap().expose(), b"inline");
    assert!(root.secret("d").is_none());
    let faults = document.into_faults();
    assert_eq!(faults.iter().map(|f| (f.line, f.level)).collect::<Vec<_>>(), [(3, Level::Warning), (4, Level::Error)]);
    assert!(!faults.iter().any(|fault| fault.to_string().contains("inline")));
}

#[test]
fn what_is_pasted_in_place_of_a_reference_is_not_repeated() {
    let text = "a = { env = \"https://h.example/services/TSECRET\" }\nb = { file = \"https://h.example/services/TSECRET\" }\n\
                c = { env = \"\" }\nd = { env = \"1TSECRET\" }\n\
                f = \"http://TSECRET\"\n[e]\nx = { y = { env = \"T-SECRET\" } }\n";
    let environment = environment();
    let document = Document::new(text, &environment);
    let table = document.parse();
    let root = document.root(table.get_ref());
    assert!(["a", "b", "c", "d"].iter().all(|key| root.secret(key).is_none()));
    assert!(root.section("e").unwrap().secret_map("x", |_| true).is_empty());
    assert!(root.secret_file_content("f").is_none());
    let faults: Vec<String> = document.into_faults().iter().map(Fault::to_string).collect();
    assert!(!faults.iter().any(|fault| fault.contains("SECRET")), "{faults:?}");
    assert_eq!(
        faults.first().unwrap(),
        "line 1: a: what stands after env is not the name of an environment variable; \
         set a variable to the secret, and write its name, such as { env = \"NAME\" }"
    );
    assert_eq!(
        faults.get(1).unwrap(),
        "line 2: b: what stands after file is an address and not a path; \
         put the secret into a file, and write its path, such as { file = \"PATH\" }"
    );
}

#[test]
fn broken_toml_is_a_fault_and_not_the_end() {
    let environment = environment();
    let document = Document::new("a = \n[b]\nc = 1\n[b]\n", &environment);
    let table = document.parse();
    assert!(document.root(table.get_ref()).section("b").is_some());
    assert!(document.any_error());
    assert!(document.into_faults().iter().all(|fault| fault.line >= 1));
}
