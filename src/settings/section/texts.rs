//! Texts that are written here or in a file of their own.

use toml::Spanned;
use toml::de::DeValue;

use super::Section;

/// A text of the operator's, and where it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourcedText {
    /// The key below the table that was asked for; blank for the setting itself.
    pub key: String,
    /// The text.
    pub text: String,
    /// The file that holds it, as the configuration names it; `None` where it is written here.
    pub file: Option<String>,
}

impl<'d> Section<'d> {
    /// A text in quotes, or `{ file = "PATH" }`.
    pub fn text_or_file(&self, key: &'static str) -> Option<SourcedText> {
        let value = self.value(key)?;
        self.sourced(key, "", value)
    }

    /// The entries of a table whose keys are of the operator's choice and whose values are texts or files. What is at fault is left
    /// out.
    pub fn text_or_file_map(&self, key: &'static str) -> Vec<SourcedText> {
        let Some(value) = self.value(key) else { return Vec::new() };
        let Some(table) = value.get_ref().as_table() else {
            return self.wrong_type(key, value, "a table of texts").unwrap_or_default();
        };
        table.iter().filter_map(|(name, value)| self.sourced(key, name.get_ref(), value)).collect()
    }

    fn sourced(&self, key: &'static str, name: &str, value: &Spanned<DeValue<'d>>) -> Option<SourcedText> {
        if let Some(text) = value.get_ref().as_str() {
            return Some(SourcedText { key: name.to_owned(), text: text.to_owned(), file: None });
        }
        let table = value.get_ref().as_table().filter(|table| table.len() == 1);
        let Some(file) = table.and_then(|table| table.get("file")).and_then(|file| file.get_ref().as_str()) else {
            return self.wrong_type(key, value, "a text in quotes, or { file = \"PATH\" }");
        };
        let message = match (self.document.environment.read_file)(&self.path_of(file)) {
            Err(error) => format!("the file {file} cannot be read: {error}"),
            Ok(bytes) if bytes.len() > FILE_BYTES_MAX => {
                format!("the file {file} is longer than {FILE_BYTES_MAX} bytes")
            }
            Ok(bytes) => match String::from_utf8(bytes) {
                Ok(text) => return Some(SourcedText { key: name.to_owned(), text, file: Some(file.to_owned()) }),
                Err(_) => format!("the file {file} is not UTF-8"),
            },
        };
        self.fault_at(value.span(), key, &message, "create it, or mend its path, its content or its permissions");
        None
    }
}

/// More than any text of a message has.
const FILE_BYTES_MAX: usize = 64 << 10;
