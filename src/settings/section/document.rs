//! A configuration file as a whole.

use std::cell::RefCell;

use toml::Spanned;
use toml::de::DeTable;

use super::Section;
use crate::settings::{Environment, Fault, Faults, Level};

/// The text of a configuration file, its faults, and what it may refer to.
pub struct Document<'a> {
    text: &'a str,
    pub(super) environment: &'a Environment,
    faults: Faults,
    pub(super) asked: RefCell<Vec<String>>,
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

    pub(super) fn line_of(&self, offset: usize) -> usize {
        let upto = self.text.as_bytes().get(..offset).unwrap_or_default();
        1 + upto.iter().filter(|byte| **byte == b'\n').count()
    }

    pub(super) fn push(&self, level: Level, line: usize, path: String, message: String, fix: String) {
        self.faults.push(Fault { level, line, path, message, fix });
    }
}
