//! The documentation and `deploy/` are correct: configurations parse, links lead somewhere, commands and their
//! flags exist, every setting and every metric is described.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

use gatepost::config::Config;
use gatepost::domain::{Headers, Request, Timestamp};
use gatepost::settings::{Environment, PathFacts};
use serde_json::Value;

#[test]
fn the_complete_example_is_sound_without_a_warning() {
    let text = read("deploy/gatepost.toml");
    let config = sound(&text).unwrap_or_else(|faults| panic!("deploy/gatepost.toml: {faults:#?}"));
    assert_eq!((config.sources.len(), config.destinations.len(), config.router.routes().len()), (3, 4, 4));
}

/// GitHub signs neither its delivery id nor a time.
#[test]
fn a_request_captured_from_the_complete_example_is_known_under_every_id() {
    let config = sound(&read("deploy/gatepost.toml")).unwrap();
    let source = &config.sources[&"github".parse().unwrap()];
    let key = |id: Option<&str>| {
        let now = Timestamp::from_millis(1_795_000_000_000);
        let body = bytes::Bytes::from_static(br#"{"action":"created"}"#);
        let signed = source.verifier.sign(&body, now, "x");
        let mut headers = Headers::default();
        signed.iter().for_each(|(name, value)| headers.push(name, value.expose_str().unwrap()));
        id.into_iter().for_each(|id| headers.push("x-github-delivery", id));
        let request = Request { headers, body, received_at: now };
        source.authenticate(request, now).unwrap().key().own
    };
    assert_eq!(key(Some("1")), key(Some("2")));
    assert_eq!(key(Some("1")), key(None));
}

#[test]
fn the_complete_example_fits_the_unit_that_runs_it() {
    let (example, unit) = (read("deploy/gatepost.toml"), read("deploy/gatepost.service"));
    let state: Vec<&str> = unit.lines().filter_map(|line| line.strip_prefix("StateDirectory=")).collect();
    let writable = format!("/var/lib/{}/", state[0]);
    let written = example.lines().filter(|line| line.starts_with("path = ") || line.starts_with("url = \"sqlite:"));
    let written: Vec<&str> = written.collect();
    assert_eq!(written.len(), 2);
    for line in written {
        assert!(line.contains(&writable), "the unit may not write what stands in: {line}");
    }
    assert!(unit.lines().any(|line| line == "ExecReload=/bin/kill -HUP $MAINPID"));
}

#[test]
fn every_configuration_in_the_documentation_is_sound_without_a_warning() {
    let mut count = 0;
    for file in documents() {
        for block in blocks(&read(&file), "toml") {
            let whole = completed(&block);
            if let Err(faults) = sound(&whole) {
                panic!("{file}: {faults:#?}\nin\n{whole}");
            }
            count += 1;
        }
    }
    assert!(count >= 12, "only {count} configurations were found");
}

#[test]
fn a_configuration_at_fault_would_be_noticed() {
    assert!(sound(&completed("[sources.a]\nvendor = \"akto\"\nsecrets = [{ env = \"A\" }]\n")).is_ok());
    for bad in [
        "[sources.a]\nvendor = \"akto\"\nsecrets = [{ env = \"A\" }]\nbody_limt = \"1MiB\"\n",
        "[sources.a]\nvendor = \"akto\"\nsecrets = [{ value = \"0123456789abcdef0123456789abcdef\" }]\n",
        "[destinations.a]\ntype = \"slack\"\n",
        "[[routes]]\nname = \"r\"\nwhen = 'event.sevrity >= high'\nto = [\"a\"]\n",
    ] {
        assert!(sound(&completed(bad)).is_err(), "{bad}");
    }
}

#[test]
fn every_link_leads_somewhere() {
    let mut count = 0;
    for file in documents() {
        let text = read(&file);
        for link in links(&text) {
            if link.contains("://") {
                continue;
            }
            count += 1;
            let (path, anchor) = link.split_once('#').unwrap_or((&link, ""));
            let target = match path {
                "" => file.clone(),
                path => relative(&file, path),
            };
            assert!(root().join(&target).exists(), "{file} links to {link}, which does not exist");
            if !anchor.is_empty() {
                let anchors = anchors(&read(&target));
                assert!(anchors.contains(anchor), "{file} links to {link}; {target} has {anchors:?}");
            }
        }
    }
    assert!(count >= 20, "only {count} links were found");
}

#[test]
fn every_command_in_the_documentation_exists_with_its_flags() {
    let mut helps = Helps::default();
    let mut count = 0;
    for file in documents() {
        let text = read(&file);
        let shown =
            blocks(&text, "sh").into_iter().flat_map(|block| block.lines().map(str::to_owned).collect::<Vec<_>>());
        for command in shown.chain(spans(&text)) {
            for part in command.split("&&").flat_map(|part| part.split('|')) {
                let Some(words) = part.trim().strip_prefix("gatepost ") else { continue };
                if let Err(fault) = helps.check(words) {
                    panic!("{file}: `{command}`: {fault}");
                }
                count += 1;
            }
        }
    }
    assert!(count >= 40, "only {count} commands were found");
    assert!(helps.check("serve --listen 127.0.0.1:1").is_err());
    assert!(helps.check("surf").is_err());
}

#[test]
fn the_unit_runs_commands_that_exist() {
    let mut helps = Helps::default();
    let unit = read("deploy/gatepost.service");
    let mut count = 0;
    for line in unit.lines().filter(|line| line.starts_with("Exec")) {
        let Some((_, words)) = line.split_once("=/usr/local/bin/gatepost ") else { continue };
        helps.check(words).unwrap_or_else(|fault| panic!("{line}: {fault}"));
        count += 1;
    }
    assert_eq!(count, 2);
    assert!(read("docs/operation.md").contains("/usr/local/bin/gatepost"));
}

#[test]
fn every_test_that_is_named_exists() {
    let mut count = 0;
    for file in documents() {
        for command in spans(&read(&file)) {
            let mut words = command.split_whitespace();
            if words.any(|word| word == "--test") {
                let name = words.next().unwrap();
                let found = ["tests/NAME.rs", "tests/NAME/main.rs"]
                    .iter()
                    .any(|path| root().join(path.replace("NAME", name)).exists());
                assert!(found, "{file}: `{command}`: there is no test '{name}'");
                count += 1;
            }
        }
    }
    assert!(count > 0);
}

#[test]
fn every_setting_is_described() {
    let schema: Value = serde_json::from_str(&read("schemas/config.v1.schema.json")).unwrap();
    let mut keys = BTreeSet::new();
    collect_keys(&schema, &mut keys);
    assert!(keys.len() > 50 && keys.contains("on_uncertain"), "{keys:?}");
    let text = read("docs/configuration.md");
    for key in keys {
        let described = [format!("`{key}`"), format!("{key} = "), format!("[{key}]"), format!("[{key}.")];
        assert!(described.iter().any(|form| text.contains(form)), "docs/configuration.md does not describe '{key}'");
    }
}

#[test]
fn every_metric_is_described_and_every_one_that_is_described_exists() {
    let source = read("src/telemetry/metrics/names.rs");
    let registered: BTreeSet<String> = source
        .lines()
        .filter_map(|line| {
            let rest =
                line.trim().strip_prefix("registry.register")?.trim_start_matches("_with_unit").strip_prefix("(\"")?;
            Some(format!("gatepost_{}", rest.split('"').next()?))
        })
        .collect();
    assert!(registered.len() >= 14, "{registered:?}");
    let described = names_of_metrics(&read("docs/operation.md"));
    assert_eq!(described, registered);
    for file in documents() {
        let unknown: Vec<String> = names_of_metrics(&read(&file)).difference(&registered).cloned().collect();
        assert!(unknown.is_empty(), "{file}: {unknown:?}");
    }
}

#[test]
fn every_message_is_described_with_its_level_and_every_one_that_is_described_exists() {
    let logged = logged_messages();
    assert!(logged.len() >= 60, "{logged:?}");
    let described = described_messages();
    let fits = |(message, level): &(String, String), (shown, shown_level): &(String, String)| {
        let begins = |beginning: &str| message.starts_with(beginning);
        level == shown_level && shown.strip_suffix('…').map_or(message == shown, begins)
    };
    let missing: Vec<_> = logged.iter().filter(|message| !described.iter().any(|row| fits(message, row))).collect();
    assert!(missing.is_empty(), "docs/operation.md does not describe: {missing:#?}");
    let stale: Vec<_> = described.iter().filter(|row| !logged.iter().any(|message| fits(message, row))).collect();
    assert!(stale.is_empty(), "docs/operation.md describes what is not logged: {stale:#?}");
}

#[test]
fn ci_runs_what_the_readme_shows() {
    let (readme, ci) = (read("README.md"), read(".ci/run"));
    let shown: Vec<String> = blocks(&readme, "sh").into_iter().take(3).map(|block| block.trim().to_owned()).collect();
    assert_eq!(shown.len(), 3);
    for command in shown {
        assert!(ci.lines().any(|line| line == format!("of_the_readme {command}")), ".ci/run does not run `{command}`");
    }
}

/// What lies at a path of the documentation: a certificate, its key, or a secret.
fn content_of(path: &str) -> std::io::Result<Vec<u8>> {
    let fixture = match path {
        path if path.ends_with(".key") => "client.key",
        path if path.ends_with("-ca.pem") => "authority.pem",
        path if path.ends_with(".pem") => "client.pem",
        _ => return Ok(secret_for(path).into_bytes()),
    };
    std::fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/tls").join(fixture))
}

/// The configuration, if it has neither faults nor warnings.
fn sound(text: &str) -> Result<Config, Vec<gatepost::settings::Fault>> {
    let environment = Environment {
        variable: Box::new(|name| Some(secret_for(name))),
        read_file: Box::new(|path| content_of(&path.to_string_lossy())),
        paths: PathFacts::default(),
        now: gatepost::domain::Timestamp::from_millis(1_795_000_000_000),
        base: PathBuf::from("/etc/gatepost"),
    };
    let config = Config::parse(text, &environment)?;
    // A file that is an example names the hosts of examples.
    let is_wanted = |fault: &gatepost::settings::Fault| !fault.message.contains(" of the example");
    let unwanted: Vec<_> = config.warnings.iter().filter(|fault| is_wanted(fault)).cloned().collect();
    if unwanted.is_empty() { Ok(config) } else { Err(unwanted) }
}

/// A secret of the shape that its name calls for.
fn secret_for(name: &str) -> String {
    let name = name.to_lowercase().replace('-', "_");
    if name.contains("discord") {
        "https://discord.com/api/webhooks/100000000000000001/XXXX".to_owned()
    } else if name.contains("mattermost") {
        "https://chat.example.com/hooks/XXXX".to_owned()
    } else if name.contains("heartbeat") {
        "https://hc.example.com/ping/XXXX".to_owned()
    } else if name.contains("webhook_url") {
        "https://hooks.slack.com/services/T000/B000/XXXX".to_owned()
    } else if name.contains("routing_key") {
        "0123456789abcdef0123456789abcdef".to_owned()
    } else if name.contains("whsec") || name.contains("webhook_secret") {
        "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=".to_owned()
    } else {
        format!("{name:x<64}")
    }
}

/// The block with what a whole configuration has beside it, so that nothing is missing and nothing is of no use.
fn completed(block: &str) -> String {
    let table: toml::Table = toml::from_str(block).unwrap_or_else(|error| panic!("{error}\nin\n{block}"));
    let names = |key: &str| -> BTreeSet<String> {
        table.get(key).and_then(toml::Value::as_table).map(|all| all.keys().cloned().collect()).unwrap_or_default()
    };
    let mut text = block.to_owned();
    if names("sources").is_empty() {
        text.push_str("\n[sources.akto]\nvendor = \"akto\"\nsecrets = [{ env = \"ANY\" }]\n");
    }
    let routes = table.get("routes").and_then(toml::Value::as_array);
    let told: BTreeSet<String> = routes
        .into_iter()
        .flatten()
        .flat_map(|route| route["to"].as_array().unwrap())
        .map(|name| name.as_str().unwrap().to_owned())
        .collect();
    let known = names("destinations");
    for name in told.difference(&known) {
        text.push_str(&format!("\n[destinations.{name}]\ntype = \"file\"\npath = \"{name}\"\n"));
    }
    let mut untold: Vec<String> = known.difference(&told).cloned().collect();
    if known.is_empty() && told.is_empty() {
        text.push_str("\n[destinations.any]\ntype = \"file\"\npath = \"any\"\n");
        untold.push("any".to_owned());
    }
    if !untold.is_empty() {
        text.push_str(&format!("\n[[routes]]\nname = \"the-rest\"\nto = {untold:?}\n"));
    }
    text
}

/// The help of each command, asked for once.
#[derive(Default)]
struct Helps(BTreeMap<String, Option<String>>);

impl Helps {
    /// Whether the words after `gatepost` are a command with flags that it has.
    fn check(&mut self, words: &str) -> Result<(), String> {
        let words: Vec<&str> = words.split_whitespace().collect();
        // `gatepost receipts|events list` in prose stands for several; a placeholder stands for one.
        let first = *words.first().ok_or("there is no command")?;
        let mut command = first.to_owned();
        if ["receipts", "events", "incidents", "deliveries"].contains(&first)
            && let Some(second) = words.get(1)
        {
            command = format!("{first} {second}");
        }
        let help = self.help(&command).ok_or_else(|| format!("there is no command '{command}'"))?;
        for word in &words {
            let flag = word.split('=').next().unwrap_or_default();
            if flag.starts_with('-') && flag != "-c" && !help.contains(flag) {
                return Err(format!("'{command}' has no flag {flag}"));
            }
        }
        Ok(())
    }

    fn help(&mut self, command: &str) -> Option<&String> {
        let ask = || {
            let words = command.split(' ').chain(["--help"]);
            let ran = Command::new(env!("CARGO_BIN_EXE_gatepost")).args(words).output().unwrap();
            ran.status.success().then(|| String::from_utf8(ran.stdout).unwrap())
        };
        self.0.entry(command.to_owned()).or_insert_with(ask).as_ref()
    }
}

/// README and everything in `docs/` and the folders below it.
fn documents() -> Vec<String> {
    let mut all = vec!["README.md".to_owned()];
    for folder in ["docs", "docs/destinations"] {
        for entry in std::fs::read_dir(root().join(folder)).unwrap() {
            let name = entry.unwrap().file_name().into_string().unwrap();
            if name.ends_with(".md") {
                all.push(format!("{folder}/{name}"));
            }
        }
    }
    all.sort();
    assert!(all.len() >= 20, "{all:?}");
    all
}

/// The fenced blocks of a language.
fn blocks(text: &str, language: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut open: Option<(String, bool)> = None;
    for line in text.lines() {
        match (&mut open, line.trim().strip_prefix("```")) {
            (None, Some(name)) => open = Some((String::new(), name == language)),
            (Some(_), Some(_)) => found.extend(open.take().filter(|(_, wanted)| *wanted).map(|(block, _)| block)),
            (Some((block, _)), None) => {
                block.push_str(line);
                block.push('\n');
            }
            (None, None) => {}
        }
    }
    assert!(open.is_none(), "a fence is not closed");
    found
}

/// The text outside of fenced blocks.
fn prose(text: &str) -> String {
    let mut inside = false;
    let outside = text.lines().filter(|line| {
        let fence = line.trim().starts_with("```");
        inside ^= fence;
        !inside && !fence
    });
    outside.collect::<Vec<_>>().join("\n")
}

/// The code spans of the prose.
fn spans(text: &str) -> Vec<String> {
    let prose = prose(text);
    prose.split('`').skip(1).step_by(2).map(|span| span.replace('\n', " ")).collect()
}

/// The targets of the links in the prose.
fn links(text: &str) -> Vec<String> {
    let prose = prose(text);
    let targets = prose.split("](").skip(1).filter_map(|rest| rest.split(')').next());
    targets.map(str::to_owned).collect()
}

/// What a heading is called in a link: small letters, blanks as hyphens, nothing else.
fn anchors(text: &str) -> BTreeSet<String> {
    let headings = prose(text)
        .lines()
        .filter_map(|line| Some(line.strip_prefix('#')?.trim_start_matches('#').trim().to_lowercase()))
        .collect::<Vec<_>>();
    let anchor = |heading: String| {
        let kept = heading.chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
        kept.map(|c| if c == ' ' { '-' } else { c }).collect()
    };
    headings.into_iter().map(anchor).collect()
}

/// A path that stands in `file`, from the root of the project.
fn relative(file: &str, path: &str) -> String {
    let mut parts: Vec<&str> = file.split('/').collect();
    parts.pop();
    for part in path.split('/').filter(|part| !part.is_empty()) {
        match part {
            ".." => drop(parts.pop()),
            part => parts.push(part),
        }
    }
    parts.join("/")
}

/// The keys of all `properties` in a schema.
fn collect_keys(schema: &Value, keys: &mut BTreeSet<String>) {
    match schema {
        Value::Object(map) => {
            if let Some(Value::Object(properties)) = map.get("properties") {
                keys.extend(properties.keys().cloned());
            }
            map.values().for_each(|value| collect_keys(value, keys));
        }
        Value::Array(items) => items.iter().for_each(|item| collect_keys(item, keys)),
        _ => {}
    }
}

/// The messages of level info and above in `src/`, each with its level.
fn logged_messages() -> BTreeSet<(String, String)> {
    let mut folders = vec![root().join("src")];
    let mut messages = BTreeSet::new();
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let source = std::fs::read_to_string(&path).unwrap();
                for level in ["info", "warn", "error"] {
                    let call = format!("tracing::{level}!(");
                    let calls = source.split(&call).skip(1);
                    messages.extend(calls.map(|call| (last_literal(call), level.to_owned())));
                }
            }
        }
    }
    messages
}

/// The last text in quotes before the bracket that ends a call.
fn last_literal(call: &str) -> String {
    let (mut depth, mut inside, mut literal) = (1, false, String::new());
    let mut rest = call.chars();
    while let Some(character) = rest.next() {
        match character {
            '"' if inside => inside = false,
            '\\' if inside => match rest.next() {
                Some('\n') => rest = rest.as_str().trim_start().chars(),
                escaped => literal.extend(escaped),
            },
            _ if inside => literal.push(character),
            '"' => (inside, literal) = (true, String::new()),
            '(' => depth += 1,
            ')' => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return literal;
        }
    }
    panic!("a call does not end: {call:.80}");
}

/// The messages in the tables of `docs/operation.md`, each with its level; a beginning ends in `…`.
fn described_messages() -> Vec<(String, String)> {
    let document = read("docs/operation.md");
    let (_, section) = document.split_once("\n## Logs\n").unwrap();
    let (section, _) = section.split_once("\n## ").unwrap();
    let rows = section.lines().filter_map(|line| {
        let mut cells = line.strip_prefix("| ")?.split(" | ");
        let (messages, level) = (cells.next()?, cells.next()?);
        let level = ["info", "warn", "error"].into_iter().find(|known| *known == level)?;
        // What begins with the name of the program is in plain quotes, because it is no command.
        let quoted = messages.split(['`', '"']).skip(1).step_by(2);
        Some(quoted.map(|message| (message.to_owned(), level.to_owned())).collect::<Vec<_>>())
    });
    rows.flatten().collect()
}

/// The metrics that a text names, without what Prometheus adds to the name.
fn names_of_metrics(text: &str) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for (at, _) in text.match_indices("gatepost_") {
        let name: String = text[at..].chars().take_while(|c| c.is_ascii_lowercase() || *c == '_').collect();
        let mut name = name.as_str();
        for added in ["_total", "_bucket", "_count", "_sum", "_seconds", "_bytes"] {
            name = name.strip_suffix(added).unwrap_or(name);
        }
        names.insert(name.to_owned());
    }
    names
}

fn read(path: &str) -> String {
    std::fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}
