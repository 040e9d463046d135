//! `gatepost schema`: valid, and true of what `init` writes.

use serde_json::Value;

use crate::harness::Folder;

#[test]
fn schemas_are_valid_and_describe_what_init_writes() {
    let folder = Folder::new();
    let schema = |of: &str| -> Value { serde_json::from_str(&folder.run(&["schema", of]).done().stdout).unwrap() };
    for of in ["event", "config"] {
        let schema = schema(of);
        assert!(jsonschema::meta::is_valid(&schema), "{of}");
        jsonschema::validator_for(&schema).unwrap();
    }
    let schema = jsonschema::validator_for(&schema("config")).unwrap();
    let faults_of = |text: &str| {
        let document: Value = toml::from_str(text).unwrap();
        schema.iter_errors(&document).map(|fault| format!("{}: {fault}", fault.instance_path())).collect::<Vec<_>>()
    };
    let all = gatepost::destinations::KINDS.iter().map(|kind| kind.name);
    let mut everything = vec!["init", "--vendor", "secureagentics", "--vendor", "akto", "--vendor", "generic"];
    all.for_each(|destination| everything.extend(["--destination", destination]));
    for arguments in [vec!["init"], everything] {
        folder.run(&[&arguments[..], &["--force"]].concat()).done();
        assert_eq!(faults_of(&folder.read("gatepost.toml")), [""; 0]);
    }
    for wrong in
        ["[sever]\n", "[sources.a]\nvendor = \"okta\"\n", "[[routes]]\nname = \"x\"\n", "[retention]\nkeys = 4\n"]
    {
        assert!(!faults_of(wrong).is_empty(), "{wrong}");
    }
}
