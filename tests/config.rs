//! The configuration: what is valid, the message of each fault, and that the published schema agrees.

// A helper that fails is a test that fails.
#![allow(clippy::unwrap_used, clippy::panic)]

mod harness;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use gatepost::config::Config;
use gatepost::destinations::{KINDS, Kind};
use gatepost::settings::{Environment, Level, PathFacts};
use gatepost::vendors::{OnOld, VENDORS, Vendor};
use harness::shared;
use serde_json::Value;

/// An environment that has every variable and file that the tests name.
fn environment() -> Environment {
    Environment {
        variable: Box::new(|name| {
            Some(match name {
                "UNSET" => return None,
                "SLACK_WEBHOOK_URL" => "https://hooks.slack.com/services/T000/B000/x".to_owned(),
                "TEAMS_WEBHOOK_URL" => "https://prod-1.westeurope.logic.azure.com/workflows/1?sig=x".to_owned(),
                "DISCORD_WEBHOOK_URL" => "https://discord.com/api/webhooks/100000000000000000/x".to_owned(),
                "MATTERMOST_WEBHOOK_URL" => "https://chat.example.com/hooks/x".to_owned(),
                "PAGERDUTY_ROUTING_KEY" => "0123456789abcdef0123456789abcdef".to_owned(),
                "EMPTY" => String::new(),
                "SHORT" => "short".to_owned(),
                "MEDIUM" => "a secret of 24 characters".to_owned(),
                name => format!("the value of {name}, which is long enough"),
            })
        }),
        read_file: Box::new(|path| match path {
            path if path == Path::new("/run/secrets/akto") => Ok(b"the content of the secret file for akto\n".to_vec()),
            path if path == Path::new("/etc/gatepost/templates/text.txt") => Ok(b"{{ news or title }}\n".to_vec()),
            path if path == Path::new("/etc/gatepost/templates/broken.txt") => Ok(b"a\nb\n{{ sevrity }}".to_vec()),
            path if path == Path::new("/etc/gatepost/templates/storm.txt") => Ok(b"a\n{{ labels[0].name }}".to_vec()),
            path if path == Path::new("/etc/gatepost/beside") => Ok(b"a secret beside the configuration file".to_vec()),
            _ => Err(std::io::ErrorKind::NotFound.into()),
        }),
        paths: PathFacts::default(),
        now: gatepost::domain::Timestamp::from_millis(1_795_000_000_000),
        base: PathBuf::from("/etc/gatepost"),
    }
}

/// Everything that is said about a text, errors and warnings, by line.
fn said(text: &str) -> Vec<String> {
    let faults = match Config::parse(text, &environment()) {
        Ok(config) => {
            assert!(config.warnings.iter().all(|fault| fault.level == Level::Warning), "it runs in spite of a fault");
            config.warnings
        }
        Err(faults) => {
            assert!(faults.iter().any(|fault| fault.level == Level::Error), "it does not run, and nothing is wrong");
            faults
        }
    };
    assert!(faults.is_sorted_by_key(|fault| fault.line));
    let level = |level| if level == Level::Error { "error" } else { "warning" };
    faults.iter().map(|fault| format!("{}: {fault}", level(fault.level))).collect()
}

/// A sound source, destination and route, to be followed by what is under test.
const SOUND: &str = r#"[sources.adrian]
vendor = "secureagentics"
secrets = [{ env = "ADRIAN_SECRET" }]
[destinations.archive]
type = "file"
path = "events.ndjson"
[[routes]]
name = "everything"
to = ["archive"]
"#;

/// Lines that follow [`SOUND`], and everything that is said about them.
struct Case {
    text: String,
    said: Vec<String>,
}

impl Case {
    /// [`SOUND`] and the lines of the case.
    fn whole(&self) -> String {
        format!("{SOUND}{}", self.text)
    }

    fn is_error(&self) -> bool {
        self.said.iter().any(|line| line.starts_with("error"))
    }
}

/// The cases of the fixture, which stand apart by blank lines. `{vendors}` and `{destinations}` are the names of all.
fn cases() -> Vec<Case> {
    let vendors = VENDORS.iter().map(|vendor| vendor.name).collect::<Vec<_>>().join(", ");
    let kinds = KINDS.iter().map(|kind| kind.name).collect::<Vec<_>>().join(", ");
    let pieces = FAULTS.split("\n\n").filter(|piece| !piece.starts_with('#'));
    let case = |piece: &str| {
        let (said, text): (Vec<&str>, Vec<&str>) = piece.lines().partition(|line| line.starts_with("> "));
        let text = text.iter().map(|line| format!("{line}\n")).collect();
        let said = said.iter().map(|line| line[2..].replace("{vendors}", &vendors).replace("{destinations}", &kinds));
        Case { text, said: said.collect() }
    };
    pieces.map(case).collect()
}

const FAULTS: &str = include_str!("fixtures/config/faults.txt");

#[test]
fn each_fault_is_told_in_these_words_and_no_other() {
    assert_eq!(said(SOUND), [""; 0]);
    let mut wrong = Vec::new();
    for case in cases() {
        let found = said(&case.whole());
        if found != case.said {
            wrong.push(format!("{}  expected {:#?}\n  found {found:#?}", case.text, case.said));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn what_is_old_is_held_where_a_captured_request_stays_authentic() {
    let sources = r#"
[sources.adrian]
vendor = "secureagentics"
secrets = [{ env = "A" }]
[sources.released]
vendor = "secureagentics"
secrets = [{ env = "A" }]
on_old = "deliver"
[sources.akto]
vendor = "akto"
secrets = [{ env = "A" }]
[sources.strict]
vendor = "akto"
secrets = [{ env = "A" }]
on_old = "quarantine"
[sources.timed]
vendor = "generic"
secrets = [{ env = "A" }]
verify = { scheme = "hmac", header = "x-sig", signed = "{timestamp}.{body}", timestamp = { header = "x-time" } }
[sources.untimed]
vendor = "generic"
secrets = [{ env = "A" }]
verify = { scheme = "hmac", header = "x-sig" }
[sources.unsigned]
vendor = "generic"
danger_unsigned = true
"#;
    let config = Config::parse(sources, &environment()).unwrap_or_else(|faults| panic!("{faults:?}"));
    let with = |on_old| {
        let held = config.sources.values().filter(move |source| source.on_old == on_old);
        held.map(|source| source.name.as_str()).collect::<Vec<_>>()
    };
    assert_eq!(with(OnOld::QuarantineDocumented), ["adrian", "untimed"], "a mapped time holds nothing back by itself");
    assert_eq!(with(OnOld::Quarantine), ["strict"]);
}

#[test]
fn everything_that_is_wrong_is_told_at_once() {
    let apart =
        |case: &Case| ["[sources.x]", "[destinations.x]", "[[routes]]"].iter().any(|of| case.text.starts_with(of));
    let errors = |text: &str| -> Vec<(usize, String)> {
        let faults = Config::parse(text, &environment()).err().unwrap();
        let errors = faults.into_iter().filter(|fault| fault.level == Level::Error);
        errors.map(|fault| (fault.line, fault.message)).collect()
    };
    let (mut whole, mut expected) = (SOUND.to_owned(), Vec::new());
    for (index, case) in cases().iter().filter(|case| apart(case) && case.is_error()).enumerate() {
        let before = whole.lines().count() - SOUND.lines().count();
        let text = case.text.replace(".x]", &format!(".x{index}]")).replace("\"x\"", &format!("\"x{index}\""));
        expected.extend(errors(&format!("{SOUND}{text}")).into_iter().map(|(line, message)| (line + before, message)));
        whole.push_str(&text);
    }
    assert!(expected.len() > 40);
    assert_eq!(errors(&whole), expected);
}

#[test]
fn a_configuration_without_anything_runs_and_says_what_it_lacks() {
    assert_eq!(
        said(""),
        [
            "warning: line 1: routes: there is no route, so no destination is told; add [[routes]] with name and to",
            "warning: line 1: sources: there is no source, so nothing can come in; add [sources.NAME] with a vendor",
        ]
    );
    let config = Config::parse("", &environment()).ok().unwrap();
    assert_eq!(
        (config.listen.to_string(), config.admin_listen.to_string()),
        ("127.0.0.1:8080".into(), "127.0.0.1:8081".into())
    );
    assert_eq!(config.store, Path::new("/etc/gatepost/gatepost.db"));
}

#[test]
fn no_text_makes_the_parser_fail_or_repeat_a_secret() {
    let deep = format!("a = {}", "[".repeat(100_000));
    for text in
        ["\0", "=", "[", "[[", "[sources]\nsources = ", "[sources.\"\"]", "[routes]\nname = 1", "sources = []", &deep]
    {
        assert!(Config::parse(text, &environment()).is_err(), "{text:.40}");
    }
    let whole = format!(
        "{SOUND}[destinations.x]\ntype = \"slack\"\nwebhook_url = {{ value = \"ftp://u:hunter2@h/hunter2\" }}\n"
    );
    for end in 0..whole.len() {
        let said = match Config::parse(&whole[..end], &environment()) {
            Ok(config) => config.warnings,
            Err(faults) => faults,
        };
        assert!(!said.iter().any(|fault| fault.to_string().contains("hunter2")), "{said:?}");
    }
}

#[test]
fn the_example_of_the_product_is_sound() {
    let Some(folder) = shared("design") else { return };
    let page = std::fs::read_to_string(folder.join("product.md")).unwrap();
    let example = page.split("```toml\n").nth(1).unwrap().split("```").next().unwrap();
    let config = match Config::parse(example, &environment()) {
        Ok(config) => config,
        Err(faults) => panic!("{}", faults.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")),
    };
    // A file that is an example names the hosts of examples.
    let mut unwanted = config.warnings.iter().filter(|fault| !fault.message.contains(" of the example"));
    assert_eq!(unwanted.next(), None);
    let sources: Vec<(&str, &str)> =
        config.sources.values().map(|source| (source.name.as_str(), source.vendor.name)).collect();
    assert_eq!(sources, [("adrian", "secureagentics"), ("akto", "akto"), ("scanner", "generic")]);
    let destinations: Vec<&str> = config.destinations.keys().map(|name| name.as_str()).collect();
    assert_eq!(destinations, ["archive", "oncall", "soc", "tickets"]);
    let routes: Vec<(&str, usize)> =
        config.router.routes().iter().map(|route| (route.name.as_str(), route.to.len())).collect();
    assert_eq!(routes, [("page", 3), ("everything", 1)]);
    assert_eq!(config.listen.to_string(), "127.0.0.1:8080");
}

/// A configuration in which every component reads every one of its settings.
const EVERYTHING: &str = r#"
[server]
[admin]
[store]
[retention]
[incidents]
repeat_after = "4h"
storm = { per_rule = 5 }
[operator]
[sources.adrian]
vendor = "secureagentics"
backlog = { events = 1000 }
[sources.akto]
vendor = "akto"
[sources.signed]
vendor = "generic"
secrets = [{ env = "A" }]
verify = { scheme = "hmac", header = "x-sig", signed = "{timestamp}.{body}", timestamp = { header = "x-time" } }
id = { header = "x-id" }
map = { title = "/t" }
[sources.token]
vendor = "generic"
secrets = [{ env = "A" }]
verify = { scheme = "token" }
[destinations.archive]
type = "file"
path = "x"
rotate = { every = "1d" }
[destinations.webhook]
type = "slack"
webhook_url = { env = "SLACK_WEBHOOK_URL" }
[destinations.bot]
type = "slack"
token = { env = "A" }
channel = "C0123456789"
[destinations.tokens]
type = "webhook"
url = "https://h.example"
secret = { env = "A" }
oauth = { token_url = "https://h.example/token", client_id = "x", client_secret = { env = "A" }, scope = "x" }
[destinations.cloud]
type = "jira"
url = "https://h.example"
email = "a@b.example"
api_token = { env = "A" }
project = "SEC"
[destinations.datacenter]
type = "jira"
deployment = "datacenter"
url = "https://h.example"
token = { env = "A" }
project = "SEC"
[destinations.oncall]
type = "pagerduty"
routing_key = { env = "PAGERDUTY_ROUTING_KEY" }
[destinations.oncall.templates]
title = "{{ title }}"
[[annotations]]
when = "event.severity >= high"
runbook = "https://wiki.example.org/x"
owner = "@soc"
note = "x"
[[routes]]
name = "all"
to = ["archive"]
"#;

/// [`EVERYTHING`], and each vendor and destination as `init` writes it.
fn everything() -> String {
    let sources = VENDORS.iter().map(|vendor| {
        let Vendor { name, template, .. } = vendor;
        format!("[sources.init-{name}]\nvendor = \"{name}\"\n{template}\n")
    });
    let destinations = KINDS.iter().map(|kind| {
        let Kind { name, template, .. } = kind;
        format!("[destinations.init-{name}]\ntype = \"{name}\"\n{template}\n")
    });
    std::iter::once(EVERYTHING.to_owned()).chain(sources).chain(destinations).collect()
}

#[test]
fn the_published_schema_holds_what_is_asked_for_and_nothing_else() {
    let asked: BTreeSet<String> = Config::settings_asked(&everything(), &environment()).into_iter().collect();
    let schema: Value = serde_json::from_str(include_str!("../schemas/config.v1.schema.json")).unwrap();
    let mut published = BTreeSet::new();
    gather(&schema, &schema, "", &mut published);
    let unpublished: Vec<&String> = asked.difference(&published).collect();
    let unheard: Vec<&String> = published.difference(&asked).collect();
    assert!(unpublished.is_empty(), "asked for and not in the schema: {unpublished:?}");
    assert!(unheard.is_empty(), "in the schema and not asked for: {unheard:?}");
    assert!(asked.len() > 60, "{asked:?}");
}

/// Every setting below a schema, names of the operator's choice written `*` and elements of a list `[]`.
fn gather(root: &Value, schema: &Value, path: &str, found: &mut BTreeSet<String>) {
    if let Some(reference) = schema["$ref"].as_str() {
        // How a secret or a template is given is one setting, whose ways the schema spells out.
        if !["#/$defs/secret", "#/$defs/template"].contains(&reference) {
            gather(root, root.pointer(reference.trim_start_matches('#')).unwrap(), path, found);
        }
        return;
    }
    let below = |name: &str| if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") };
    for (name, property) in schema["properties"].as_object().into_iter().flatten() {
        found.insert(below(name));
        gather(root, property, &below(name), found);
    }
    for alternative in schema["oneOf"].as_array().into_iter().flatten() {
        gather(root, alternative, path, found);
    }
    if schema["additionalProperties"].is_object() {
        gather(root, &schema["additionalProperties"], &below("*"), found);
    }
    if schema["items"].is_object() {
        gather(root, &schema["items"], &format!("{path}[]"), found);
    }
}

#[test]
fn the_published_schema_and_the_program_agree_on_what_is_sound() {
    let schema: Value = serde_json::from_str(include_str!("../schemas/config.v1.schema.json")).unwrap();
    let schema = jsonschema::validator_for(&schema).unwrap();
    let complains = |text: &str| !schema.is_valid(&toml::from_str::<Value>(text).unwrap());
    assert!(!complains(SOUND));
    // What needs the environment, other settings or arithmetic is beyond a schema.
    let beyond = [
        "is not an address",
        "neither an IP address",
        "is not a host name",
        "listens where",
        "out of range",
        "UNSET",
        "absent",
        "is empty;",
        "has 5 bytes",
        "timestamp table",
        "JSON pointer",
        "no scheme of its own",
        "accepts every sender",
        "add webhook_url",
        "32 letters",
        "neither http",
        "no destination 'archiv'",
        "earlier route",
        "does not exist",
        "where it should answer",
        "is compared with the constants",
        "there is no source",
        "known here: vendor,",
        "is longer than `max_age`, so",
        "under which gatepost tells about itself",
        "does not tell people",
        "there is no destination 'oncal'",
        "leads back to where it began",
        "has no `fallback`",
        "has no `heartbeat`",
        "operator.heartbeat: is not a URL",
        "has no place at",
        "asks for what is not there",
    ];
    for case in cases().iter().filter(|case| !case.said.iter().any(|line| line.contains("not valid TOML"))) {
        let is_beyond = case.said.iter().any(|line| beyond.iter().any(|words| line.contains(words)));
        let complains = complains(&case.whole());
        assert!(case.is_error() || !complains, "the schema refuses what runs: {}", case.text);
        assert!(!case.is_error() || is_beyond || complains, "the schema takes what does not run: {}", case.text);
    }
}
