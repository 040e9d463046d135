//! Secrets, which the file refers to and does not hold.

use std::ops::Range;

use toml::Spanned;
use toml::de::DeValue;

use super::Section;
use crate::domain::Secret;
use crate::settings::Level;

impl<'d> Section<'d> {
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

    /// The content of the file at a path that is written as a text, and that other users should not be able to read.
    pub fn secret_file_content(&self, key: &'static str) -> Option<Vec<u8>> {
        let value = self.value(key)?;
        if value.get_ref().as_str().is_some_and(is_address) {
            self.fault_at(value.span(), key, "is an address and not the path of a file", "write the path of a file");
            return None;
        }
        let content = self.file_content(key)?;
        if let Some(file) = value.get_ref().as_str() {
            self.warn_if_exposed(value.span(), key, file);
        }
        Some(content)
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

    /// The entries of a table whose keys are of the operator's choice and whose values are texts or secrets. A text where
    /// `is_secret` says that the key names a credential is a warning. What is at fault is left out.
    pub fn secret_map(&self, key: &'static str, is_secret: impl Fn(&str) -> bool) -> Vec<(String, Secret)> {
        let Some(value) = self.value(key) else { return Vec::new() };
        let Some(table) = value.get_ref().as_table() else {
            return self.wrong_type(key, value, "a table of texts and secrets").unwrap_or_default();
        };
        let mut entries = Vec::new();
        for (name, value) in table {
            let name = name.get_ref().to_string();
            let given = match value.get_ref().as_str() {
                Some(text) => {
                    if is_secret(&name) {
                        let fix = format!("write {name} = {{ env = \"NAME\" }} or {{ file = \"PATH\" }}");
                        let message = format!("the secret of '{name}' stands in the file");
                        self.record_at(Level::Warning, value.span(), key, &message, &fix);
                    }
                    Some(Secret::new(text))
                }
                None => self.secret_of(key, value),
            };
            entries.extend(given.map(|secret| (name, secret)));
        }
        entries
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
            // What stands here may be the secret itself: it is repeated only where it reads as a name or as a path.
            "env" if !is_name(text) && (self.document.environment.variable)(text).is_none() => {
                let message = "what stands after env is not the name of an environment variable";
                let fix = "set a variable to the secret, and write its name, such as { env = \"NAME\" }";
                self.fault_at(value.span(), key, message, fix);
                return None;
            }
            "file" if is_address(text) => {
                let message = "what stands after file is an address and not a path";
                let fix = "put the secret into a file, and write its path, such as { file = \"PATH\" }";
                self.fault_at(value.span(), key, message, fix);
                return None;
            }
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
}

/// Whether it may be the name of an environment variable: `[A-Za-z_][A-Za-z0-9_]*`.
fn is_name(text: &str) -> bool {
    let is_part = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    text.bytes().all(is_part) && text.bytes().next().is_some_and(|first| !first.is_ascii_digit())
}

fn is_address(text: &str) -> bool {
    text.contains("://")
}
