//! One table of the configuration file, read key by key.

use std::cell::RefCell;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::time::Duration;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::{Environment, Fault, Faults, Level, PathFacts, parse_duration, parse_size};
use crate::domain::Secret;

/// The text of a configuration file, its faults, and what it may refer to.
pub struct Document<'a> {
    text: &'a str,
    environment: &'a Environment,
    faults: Faults,
    asked: RefCell<Vec<String>>,
}

impl<'a> Document<'a> {
    /// A document over `text`.
    pub fn new(text: &'a str, environment: &'a Environment) -> Self {
        Self { text, environment, faults: Faults::default(), asked: RefCell::default() }
    }

    /// Parses the text. Syntax errors are recorded as faults; what can be read is read.
    pub fn parse(&self) -> Spanned<DeTable<'a>> {
        let (root, errors) = DeTable::parse_recoverable(self.text);
        for error in errors {
            let line = self.line_of(error.span().map_or(0, |span| span.start));
            let message = format!("not valid TOML: {}", error.message().replace('\n', ", "));
            self.push(Level::Error, line, String::new(), message, String::new());
        }
        root
    }

    /// The root section.
    pub fn root<'d>(&'d self, table: &'d DeTable<'a>) -> Section<'d> {
        let (path, pattern) = (String::new(), String::new());
        Section { document: self, table, path, pattern, span: 0..0, known: RefCell::default() }
    }

    /// Whether a fault prevents running.
    pub fn any_error(&self) -> bool {
        self.faults.any_error()
    }

    /// Every fault, by line.
    pub fn into_faults(self) -> Vec<Fault> {
        self.faults.into_sorted()
    }

    /// Every path that some component asked for, with names of the operator's choice written `*`: what the published
    /// schema must hold.
    pub fn asked(&self) -> Vec<String> {
        let mut all = self.asked.borrow().clone();
        all.sort();
        all.dedup();
        all
    }

    fn line_of(&self, offset: usize) -> usize {
        let upto = self.text.as_bytes().get(..offset).unwrap_or_default();
        1 + upto.iter().filter(|byte| **byte == b'\n').count()
    }

    fn push(&self, level: Level, line: usize, path: String, message: String, fix: String) {
        self.faults.push(Fault { level, line, path, message, fix });
    }
}

/// One table. Getters record faults and answer `None`; a key that is merely absent is no fault unless it is required.
pub struct Section<'d> {
    document: &'d Document<'d>,
    table: &'d DeTable<'d>,
    path: String,
    /// The path with `*` for names of the operator's choice and `[]` for the elements of a list.
    pattern: String,
    span: Range<usize>,
    known: RefCell<Vec<&'static str>>,
}

impl<'d> Section<'d> {
    /// The path of this section: `sources.adrian`.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// The last part of the path: the name that the operator gave to it.
    pub fn name(&self) -> &str {
        self.path.rsplit('.').next().unwrap_or(&self.path)
    }

    /// Whether the key is there.
    pub fn has(&self, key: &'static str) -> bool {
        self.value(key).is_some()
    }

    /// A text.
    pub fn text(&self, key: &'static str) -> Option<String> {
        let value = self.value(key)?;
        match value.get_ref().as_str() {
            Some(text) => Some(text.to_owned()),
            None => self.wrong_type(key, value, "a text in quotes"),
        }
    }

    /// Whether the value is this word; anything else is left for another reader.
    pub fn is_text(&self, key: &'static str, word: &str) -> bool {
        self.value(key).is_some_and(|value| value.get_ref().as_str() == Some(word))
    }

    /// A text that must be there and not be blank.
    pub fn required_text(&self, key: &'static str) -> Option<String> {
        if !self.has(key) {
            self.missing(key);
            return None;
        }
        let text = self.text(key)?;
        if text.trim().is_empty() {
            self.fault(key, "is empty", "give it a value");
            return None;
        }
        Some(text)
    }

    /// `true` or `false`; `false` when absent.
    pub fn flag(&self, key: &'static str) -> bool {
        self.switch(key).unwrap_or(false)
    }

    /// `true` or `false`, or `None` when absent.
    pub fn switch(&self, key: &'static str) -> Option<bool> {
        let value = self.value(key)?;
        match value.get_ref().as_bool() {
            Some(flag) => Some(flag),
            None => self.wrong_type(key, value, "true or false"),
        }
    }

    /// A whole number within `range`.
    pub fn integer(&self, key: &'static str, range: Range<i64>) -> Option<i64> {
        let value = self.value(key)?;
        let number = value.get_ref().as_integer().and_then(|n| i64::from_str_radix(n.as_str(), n.radix()).ok());
        match number {
            Some(number) if range.contains(&number) => Some(number),
            Some(number) => {
                let fix = format!("write a number from {} to {}", range.start, range.end - 1);
                self.fault(key, &format!("{number} is out of range"), &fix);
                None
            }
            None => self.wrong_type(key, value, "a whole number"),
        }
    }

    /// A duration within `range`.
    pub fn duration(&self, key: &'static str, range: Range<Duration>) -> Option<Duration> {
        let text = self.text(key)?;
        match parse_duration(&text) {
            Some(duration) if range.contains(&duration) => Some(duration),
            Some(_) => {
                let least = if range.start.is_zero() { "0s".to_owned() } else { format!("{:?}", range.start) };
                let fix = format!("write a duration from {least} to {:?}", range.end);
                self.fault(key, &format!("'{text}' is out of range"), &fix);
                None
            }
            None => {
                self.fault(key, &format!("'{text}' is not a duration"), "write it like 30s, 5m, 12h or 30d");
                None
            }
        }
    }

    /// A size in bytes within `range`.
    pub fn size(&self, key: &'static str, range: Range<u64>) -> Option<u64> {
        let text = self.text(key)?;
        match parse_size(&text) {
            Some(size) if range.contains(&size) => Some(size),
            Some(_) => {
                let fix = format!("write a size from {} to {} bytes", range.start, range.end - 1);
                self.fault(key, &format!("'{text}' is out of range"), &fix);
                None
            }
            None => {
                self.fault(key, &format!("'{text}' is not a size"), "write it like 64KiB or 2MiB");
                None
            }
        }
    }

    /// One of a list of words.
    pub fn choice<T: Copy>(&self, key: &'static str, words: &[(&str, T)]) -> Option<T> {
        let text = self.text(key)?;
        if let Some((_, value)) = words.iter().find(|(word, _)| *word == text) {
            return Some(*value);
        }
        let fix = match nearest(&text, words.iter().map(|(word, _)| *word)) {
            Some(near) => format!("did you mean '{near}'?"),
            None => format!("one of: {}", words.iter().map(|(word, _)| *word).collect::<Vec<_>>().join(", ")),
        };
        self.fault(key, &format!("'{text}' is not known"), &fix);
        None
    }

    /// A list of texts; empty when absent or at fault.
    pub fn texts(&self, key: &'static str) -> Vec<String> {
        self.texts_given(key).unwrap_or_default()
    }

    /// One text, or a list of texts that is not empty; `None` when absent or at fault.
    pub fn text_or_texts(&self, key: &'static str) -> Option<Vec<String>> {
        let value = self.value(key)?;
        if value.get_ref().is_str() {
            return Some(vec![self.text(key)?]);
        }
        let texts = self.texts_given(key)?;
        if texts.is_empty() {
            self.fault(key, "is an empty list", "name at least one");
            return None;
        }
        Some(texts)
    }

    /// A list of texts; `None` when absent or at fault.
    pub fn texts_given(&self, key: &'static str) -> Option<Vec<String>> {
        let value = self.value(key)?;
        let texts = value.get_ref().as_array().and_then(|items| {
            let texts = items.iter().map(|item| item.get_ref().as_str().map(str::to_owned));
            texts.collect::<Option<Vec<String>>>()
        });
        texts.or_else(|| self.wrong_type(key, value, "a list of texts"))
    }

    /// A parsed http or https URL. Plain http beyond loopback is a warning.
    pub fn url(&self, key: &'static str) -> Option<url::Url> {
        let text = self.text(key)?;
        self.checked_url(key, &text)
    }

    /// Checks a text that is, or that a secret holds, a URL; the fault does not repeat the text.
    pub fn checked_url(&self, key: &'static str, text: &str) -> Option<url::Url> {
        let Ok(url) = url::Url::parse(text.trim()) else {
            self.fault(key, "is not a URL", "write it whole, like https://example.com/path");
            return None;
        };
        match url.scheme() {
            "https" => {}
            "http" => {
                let loopback = match url.host() {
                    Some(url::Host::Domain(domain)) => domain == "localhost",
                    Some(url::Host::Ipv4(ip)) => ip.is_loopback(),
                    Some(url::Host::Ipv6(ip)) => ip.is_loopback(),
                    None => false,
                };
                if !loopback {
                    self.warn(key, "goes over plain http", "use https, or be sure of the network in between");
                }
            }
            _ => {
                self.fault(key, "is neither http nor https", "write a URL that begins with https://");
                return None;
            }
        }
        if !url.username().is_empty() || url.password().is_some() {
            self.fault(key, "has a user name or password inside", "use the settings for credentials instead");
            return None;
        }
        Some(url)
    }

    /// A secret: `{ env = "NAME" }`, `{ file = "PATH" }` or, with a warning, `{ value = "…" }`.
    pub fn secret(&self, key: &'static str) -> Option<Secret> {
        let value = self.value(key)?;
        self.secret_of(key, value)
    }

    /// A secret that must be there.
    pub fn required_secret(&self, key: &'static str) -> Option<Secret> {
        if !self.has(key) {
            self.missing(key);
            return None;
        }
        self.secret(key)
    }

    /// A list of secrets; empty when absent or when one of them is at fault. A list without any is a fault as well.
    pub fn secrets(&self, key: &'static str) -> Vec<Secret> {
        let Some(value) = self.value(key) else { return Vec::new() };
        let Some(items) = value.get_ref().as_array() else {
            return self.wrong_type(key, value, "a list like [{ env = \"NAME\" }]").unwrap_or_default();
        };
        if items.is_empty() {
            self.fault(key, "is an empty list", "write [{ env = \"NAME\" }]");
        }
        let all: Vec<Option<Secret>> = items.iter().map(|item| self.secret_of(key, item)).collect();
        all.into_iter().collect::<Option<Vec<Secret>>>().unwrap_or_default()
    }

    /// A table inside this one.
    pub fn section(&self, key: &'static str) -> Option<Section<'d>> {
        let value = self.value(key)?;
        match value.get_ref().as_table() {
            Some(table) => Some(self.child(key, key, table, value.span())),
            None => self.wrong_type(key, value, "a table"),
        }
    }

    /// The tables inside a table whose keys are names of the operator's choice, in the order of those names.
    pub fn named_sections(&self, key: &'static str) -> Vec<Section<'d>> {
        let Some(group) = self.section(key) else { return Vec::new() };
        let mut sections = Vec::new();
        for (name, value) in group.table {
            let name = name.get_ref().to_string();
            match value.get_ref().as_table() {
                Some(table) => sections.push(group.child(&name, "*", table, value.span())),
                None => {
                    let line = group.document.line_of(value.span().start);
                    let path = format!("{}.{name}", group.path);
                    let message = "is not a table".to_owned();
                    self.document.push(Level::Error, line, path, message, format!("write [{key}.NAME]"));
                }
            }
        }
        sections
    }

    /// The keys of a table inside this one; empty where it is absent or no table. Records nothing.
    pub fn names_in(&self, key: &'static str) -> Vec<&'d str> {
        let table = self.value(key).and_then(|value| value.get_ref().as_table());
        table.into_iter().flatten().map(|(name, _)| name.get_ref().as_ref()).collect()
    }

    /// The tables of an array of tables, in the order of the file; empty when absent.
    pub fn section_list(&self, key: &'static str) -> Vec<Section<'d>> {
        let Some(value) = self.value(key) else { return Vec::new() };
        let items = value.get_ref().as_array();
        let Some(items) = items else {
            return self.wrong_type(key, value, &format!("written as [[{key}]]")).unwrap_or_default();
        };
        let mut sections = Vec::new();
        for (index, item) in items.iter().enumerate() {
            match item.get_ref().as_table() {
                Some(table) => {
                    sections.push(self.child(&format!("{key}[{index}]"), &format!("{key}[]"), table, item.span()))
                }
                None => {
                    self.wrong_type::<()>(key, item, "a table");
                }
            }
        }
        sections
    }

    /// The entries of a table whose keys and values are texts of the operator's choice.
    pub fn text_map(&self, key: &'static str) -> Vec<(String, String)> {
        let Some(value) = self.value(key) else { return Vec::new() };
        let Some(table) = value.get_ref().as_table() else {
            return self.wrong_type(key, value, "a table of texts").unwrap_or_default();
        };
        let mut entries = Vec::new();
        for (name, value) in table {
            match value.get_ref().as_str() {
                Some(text) => entries.push((name.get_ref().to_string(), text.to_owned())),
                None => {
                    self.wrong_type::<()>(key, value, "a text in quotes");
                }
            }
        }
        entries
    }

    /// Resolves a path of the file against the folder of the configuration.
    pub fn path_of(&self, text: &str) -> PathBuf {
        self.document.environment.base.join(text)
    }

    /// What the file system says of paths.
    pub fn paths(&self) -> PathFacts {
        self.document.environment.paths
    }

    /// Warns where the folder of the file that `key` names does not exist: gatepost creates files and no folders.
    pub fn warn_if_folder_absent(&self, key: &str, file: &Path) {
        if let Some(folder) = (self.paths().absent_folder)(file) {
            let folder = folder.display();
            self.warn(key, &format!("lies in {folder}, which does not exist"), &format!("mkdir -p {folder}"));
        }
    }

    /// Records an error at `key`, or at the section itself when the key is absent.
    pub fn fault(&self, key: &str, message: &str, fix: &str) {
        self.record(Level::Error, key, message, fix);
    }

    /// Records a warning.
    pub fn warn(&self, key: &str, message: &str, fix: &str) {
        self.record(Level::Warning, key, message, fix);
    }

    /// Whether a fault anywhere in the document prevents running.
    pub fn any_error(&self) -> bool {
        self.document.any_error()
    }

    /// Reports every key that was not read, with the nearest one that exists. The last thing to do with a section.
    pub fn finish(&self) {
        let known = self.known.borrow();
        for (key, _) in self.table {
            let name = key.get_ref().as_ref();
            if known.contains(&name) {
                continue;
            }
            let fix = match nearest(name, known.iter().copied()) {
                Some(near) => format!("did you mean '{near}'?"),
                None => format!("known here: {}", known.join(", ")),
            };
            let line = self.document.line_of(key.span().start);
            self.document.push(Level::Error, line, self.joined(name), "is not a known key".to_owned(), fix);
        }
    }

    fn value(&self, key: &'static str) -> Option<&'d Spanned<DeValue<'d>>> {
        if !self.known.borrow().contains(&key) {
            self.known.borrow_mut().push(key);
            self.document.asked.borrow_mut().push(join(&self.pattern, key));
        }
        self.table.get(key)
    }

    fn child(&self, name: &str, pattern: &str, table: &'d DeTable<'d>, span: Range<usize>) -> Section<'d> {
        Section {
            document: self.document,
            table,
            path: join(&self.path, name),
            pattern: join(&self.pattern, pattern),
            span,
            known: RefCell::default(),
        }
    }

    fn secret_of(&self, key: &'static str, value: &Spanned<DeValue<'d>>) -> Option<Secret> {
        let fix = "write { env = \"NAME\" } or { file = \"PATH\" }";
        let Some(table) = value.get_ref().as_table().filter(|table| table.len() == 1) else {
            self.fault_at(value.span(), key, "a secret is not written here", fix);
            return None;
        };
        let (kind, given) = table.iter().next()?;
        let Some(text) = given.get_ref().as_str() else {
            self.fault_at(value.span(), key, "a secret's reference is a text", fix);
            return None;
        };
        let value_span = value.span();
        let bytes = match kind.get_ref().as_ref() {
            "env" => match (self.document.environment.variable)(text) {
                Some(value) => {
                    let what = format!("the environment variable {text}");
                    if value.ends_with('\n') {
                        let message = format!("{what} ends with a line break, which is left out");
                        self.record_at(Level::Warning, value_span.clone(), key, &message, "set it without one");
                    }
                    self.without_newline(value_span, key, &what, value.into_bytes())
                }
                None => {
                    let message = format!("the environment variable {text} is not set");
                    self.fault_at(value.span(), key, &message, &format!("set {text} where gatepost is started"));
                    return None;
                }
            },
            "file" => match (self.document.environment.read_file)(&self.path_of(text)) {
                Ok(bytes) => {
                    self.warn_if_exposed(value_span.clone(), key, text);
                    self.without_newline(value_span, key, &format!("the secret file {text}"), bytes)
                }
                Err(error) => {
                    let message = format!("the secret file {text} cannot be read: {error}");
                    self.fault_at(value.span(), key, &message, "create it, or mend its path or its permissions");
                    return None;
                }
            },
            "value" => {
                self.record_at(Level::Warning, value.span(), key, "a secret stands in the file", fix);
                text.as_bytes().to_vec()
            }
            other => {
                self.fault_at(value.span(), key, &format!("'{other}' is not a way to give a secret"), fix);
                return None;
            }
        };
        if bytes.is_empty() {
            self.fault_at(value.span(), key, "the secret is empty", "give it a value, best of 32 random bytes or more");
            return None;
        }
        Some(Secret::new(bytes))
    }

    fn warn_if_exposed(&self, span: Range<usize>, key: &str, file: &str) {
        if (self.paths().is_exposed)(&self.path_of(file)) {
            let message = format!("every user of this machine can read or change the secret file {file}");
            self.record_at(Level::Warning, span, key, &message, &format!("chmod o-rwx {file}"));
        }
    }

    /// One line break at the end is no part of a secret: editors end files with it, and so do shells what they read.
    fn without_newline(&self, span: Range<usize>, key: &str, what: &str, mut bytes: Vec<u8>) -> Vec<u8> {
        let had = bytes.ends_with(b"\n");
        if had {
            bytes.pop();
            if bytes.ends_with(b"\r") {
                bytes.pop();
            }
        }
        if bytes.first().is_some_and(u8::is_ascii_whitespace) || bytes.last().is_some_and(u8::is_ascii_whitespace) {
            let fix = "remove them if the vendor's secret has none";
            self.record_at(Level::Warning, span, key, &format!("{what} begins or ends with blanks"), fix);
        }
        bytes
    }

    fn missing(&self, key: &'static str) {
        let asked = self.joined(key);
        let line = self.document.line_of(self.span.start);
        let known = self.known.borrow();
        let others = self.table.keys().map(|other| other.get_ref().as_ref()).filter(|other| !known.contains(other));
        let fix = match nearest(key, others) {
            Some(near) => format!("is '{near}' meant to be {key}?"),
            None => format!("add {key} = …"),
        };
        self.document.push(Level::Error, line, asked, "is missing".to_owned(), fix);
    }

    fn wrong_type<T>(&self, key: &str, value: &Spanned<DeValue<'_>>, wanted: &str) -> Option<T> {
        let message = format!("is {}, not {wanted}", a(value.get_ref().type_str()));
        self.fault_at(value.span(), key, &message, &format!("write {wanted}"));
        None
    }

    fn record(&self, level: Level, key: &str, message: &str, fix: &str) {
        let span = self.table.get(key).map_or(self.span.clone(), Spanned::span);
        self.record_at(level, span, key, message, fix);
    }

    fn fault_at(&self, span: Range<usize>, key: &str, message: &str, fix: &str) {
        self.record_at(Level::Error, span, key, message, fix);
    }

    fn record_at(&self, level: Level, span: Range<usize>, key: &str, message: &str, fix: &str) {
        let line = self.document.line_of(span.start);
        self.document.push(level, line, self.joined(key), message.to_owned(), fix.to_owned());
    }

    fn joined(&self, key: &str) -> String {
        join(&self.path, key)
    }
}

fn join(path: &str, key: &str) -> String {
    match (path.is_empty(), key.is_empty()) {
        (true, _) => key.to_owned(),
        (_, true) => path.to_owned(),
        _ => format!("{path}.{key}"),
    }
}

/// The most similar word, if one is similar enough.
pub fn nearest<'w>(word: &str, words: impl Iterator<Item = &'w str>) -> Option<&'w str> {
    let scored = words.map(|known| (strsim::jaro_winkler(word, known), known));
    scored.filter(|(score, _)| *score > 0.8).max_by(|a, b| a.0.total_cmp(&b.0)).map(|(_, known)| known)
}

fn a(kind: &str) -> String {
    let article = if kind.starts_with(['a', 'e', 'i', 'o', 'u']) { "an" } else { "a" };
    format!("{article} {kind}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn environment() -> Environment {
        Environment {
            variable: Box::new(|name| (name == "SET").then(|| "from-env".to_owned())),
            read_file: Box::new(|path| match path.to_str() {
                Some("/etc/gatepost/secret") => Ok(b"from-file\n".to_vec()),
                _ => Err(std::io::ErrorKind::NotFound.into()),
            }),
            paths: PathFacts::default(),
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
        assert_eq!(
            faults.iter().map(|f| (f.line, f.level)).collect::<Vec<_>>(),
            [(3, Level::Warning), (4, Level::Error)]
        );
        assert!(!faults.iter().any(|fault| fault.to_string().contains("inline")));
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
}
