//! The template engine, with no more than templates for messages need: no files, no includes, no macros.

use std::io;

use minijinja::machinery::{Instruction, Instructions, get_compiled_template};
use minijinja::syntax::SyntaxConfig;
use minijinja::{AutoEscape, Environment, ErrorKind, UndefinedBehavior, Value, filters};

use super::error::TemplateError;
use super::names::{self, FILTERS, FUEL};
use crate::destinations::render::truncate;

/// An environment without templates.
pub fn environment() -> Environment<'static> {
    let mut engine = Environment::empty();
    // What comes out is plain text; the notifier escapes it, because only it knows its markup.
    engine.set_auto_escape_callback(|_| AutoEscape::None);
    engine.set_undefined_behavior(UndefinedBehavior::Strict);
    engine.set_fuel(Some(FUEL));
    // Lines of `{% if … %}` alone leave no blank lines behind.
    if let Ok(syntax) = SyntaxConfig::builder().trim_blocks(true).lstrip_blocks(true).build() {
        engine.set_syntax(syntax);
    }
    engine.add_filter("upper", filters::upper);
    engine.add_filter("lower", filters::lower);
    engine.add_filter("capitalize", filters::capitalize);
    engine.add_filter("trim", filters::trim);
    engine.add_filter("replace", filters::replace);
    engine.add_filter("default", filters::default);
    engine.add_filter("join", filters::join);
    engine.add_filter("length", filters::length);
    engine.add_filter("first", filters::first);
    engine.add_filter("last", filters::last);
    engine.add_filter("short", |text: String, chars_max: usize| truncate::chars(&text, chars_max).into_owned());
    engine.add_filter("few_lines", |text: String, lines_max: usize, chars_max: usize| {
        truncate::lines(&text, lines_max, chars_max).into_owned()
    });
    engine.add_filter("indented", |text: String| {
        text.lines().map(|line| format!("    {line}")).collect::<Vec<_>>().join("\n")
    });
    engine
}

/// Adds a template for words, which must name nothing that does not exist.
pub(super) fn add(engine: &mut Environment<'static>, name: &str, source: String) -> Result<(), TemplateError> {
    parse(engine, name, source, &Vocabulary { is_known: names::is_known, more_filters: &[] })
}

/// What a template can use.
pub struct Vocabulary {
    /// Whether a value of this name exists.
    pub is_known: fn(&str) -> bool,
    /// Filters beside [`FILTERS`].
    pub more_filters: &'static [&'static str],
}

/// Adds a template, which must use nothing that is not known, wherever that stands in it.
pub fn parse(
    engine: &mut Environment<'static>,
    name: &str,
    source: String,
    vocabulary: &Vocabulary,
) -> Result<(), TemplateError> {
    if source.len() > SOURCE_BYTES_MAX {
        return Err(TemplateError::too_long(SOURCE_BYTES_MAX));
    }
    engine.add_template_owned(name.to_owned(), source.clone()).map_err(|error| TemplateError::of(&error))?;
    let template = engine.get_template(name).map_err(|error| TemplateError::of(&error))?;
    let mut names: Vec<String> = template.undeclared_variables(true).into_iter().collect();
    names.sort();
    if let Some(unknown) = names.iter().find(|name| !(vocabulary.is_known)(name)) {
        return Err(TemplateError::unknown_name(&source, unknown));
    }
    match unknown_use(&get_compiled_template(&template).instructions, vocabulary) {
        Some(fault) => Err(fault),
        None => Ok(()),
    }
}

/// The first filter, test or call that does not exist. Every branch is compiled, whatever a sample reaches.
fn unknown_use(instructions: &Instructions<'_>, vocabulary: &Vocabulary) -> Option<TemplateError> {
    let all = (0_u32..).map_while(|index| Some((index, instructions.get(index)?)));
    let mut faults = all.filter_map(|(index, instruction)| {
        let line = instructions.get_line(index).unwrap_or(1);
        match instruction {
            Instruction::ApplyFilter(name, ..) if !vocabulary.has_filter(name) => {
                Some(TemplateError::unknown_filter(line, name, vocabulary.more_filters))
            }
            Instruction::PerformTest(name, ..) => Some(TemplateError::no_such_call(line, &format!("is {name}"))),
            // What `{% for … recursive %}` calls, and the methods of `loop`.
            Instruction::CallFunction("loop", _) | Instruction::CallMethod("cycle" | "changed", _) => None,
            Instruction::CallFunction(name, _) => Some(TemplateError::no_such_call(line, &format!("{name}(…)"))),
            Instruction::CallMethod(name, _) => Some(TemplateError::no_such_call(line, &format!(".{name}(…)"))),
            Instruction::CallObject(_) => Some(TemplateError::no_such_call(line, "(…)")),
            _ => None,
        }
    });
    faults.next()
}

impl Vocabulary {
    fn has_filter(&self, name: &str) -> bool {
        FILTERS.iter().chain(self.more_filters).any(|known| *known == name)
    }
}

/// What a template makes of a context; what is beyond `bytes_max` is cut off.
pub fn render(
    engine: &Environment<'static>,
    name: &str,
    context: &Value,
    bytes_max: usize,
) -> Result<String, TemplateError> {
    let mut output = Bounded { bytes: Vec::new(), bytes_max, is_full: false };
    let rendered = engine
        .get_template(name)
        .and_then(|template| template.render_captured_to(context.clone(), &mut output).map(drop));
    match rendered {
        Err(error) if !(output.is_full && error.kind() == ErrorKind::WriteFailure) => Err(TemplateError::of(&error)),
        _ if output.is_full => Ok(format!("{}…", String::from_utf8_lossy(&output.bytes).trim_end_matches('\u{fffd}'))),
        _ => Ok(String::from_utf8_lossy(&output.bytes).into_owned()),
    }
}

/// Takes so many bytes and no more.
struct Bounded {
    bytes: Vec<u8>,
    bytes_max: usize,
    is_full: bool,
}

impl io::Write for Bounded {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let room = self.bytes_max - self.bytes.len();
        let taken = bytes.get(..room.min(bytes.len())).unwrap_or_default();
        self.bytes.extend_from_slice(taken);
        self.is_full |= taken.len() < bytes.len();
        if self.is_full { Err(io::Error::other("the output is full")) } else { Ok(bytes.len()) }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A message is shorter than this.
const SOURCE_BYTES_MAX: usize = 16 << 10;
