//! One table of the configuration file, read key by key.

mod document;
mod secrets;
mod texts;

use std::cell::RefCell;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::time::Duration;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::{Level, PathFacts, parse_duration, parse_size};
use crate::domain::Timestamp;
pub use document::Document;
pub use texts::SourcedText;

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

    /// The content of the file at a path; a fault where it cannot be read.
    pub fn file_content(&self, key: &'static str) -> Option<Vec<u8>> {
        let path = self.path_of(&self.required_text(key)?);
        match (self.document.environment.read_file)(&path) {
            Ok(content) => Some(content),
            Err(error) => {
                let message = format!("{} cannot be read: {error}", path.display());
                self.fault(key, &message, "create it, or mend its path or its permissions");
                None
            }
        }
    }

    /// The name of this machine, where the system tells it.
    pub fn machine_name(&self) -> Option<String> {
        let name = (self.document.environment.read_file)(Path::new(MACHINE_NAME)).ok()?;
        let name = String::from_utf8(name).ok()?.trim().to_owned();
        (!name.is_empty()).then_some(name)
    }

    /// The present moment.
    pub fn now(&self) -> Timestamp {
        self.document.environment.now
    }

    /// Whether the value is a table.
    pub fn is_table(&self, key: &'static str) -> bool {
        self.value(key).is_some_and(|value| value.get_ref().is_table())
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

/// Where Linux tells the name of the machine.
const MACHINE_NAME: &str = "/proc/sys/kernel/hostname";

fn a(kind: &str) -> String {
    let article = if kind.starts_with(['a', 'e', 'i', 'o', 'u']) { "an" } else { "a" };
    format!("{article} {kind}")
}

#[cfg(test)]
mod tests;
