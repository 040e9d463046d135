//! From text to an expression of bounded depth.
//!
//! The parser, the checker and the evaluator recurse. Brackets are counted before the parser sees them; what nests without
//! brackets (`a.a.a`, `1 + 1 + 1`) is parsed on a thread with a stack for the longest text, and refused by its depth.

use cel::IdedExpr;
use cel::common::ast::{EntryExpr, Expr};
use cel::parser::Parser;

use super::error::{ConditionError, EXAMPLE};
use super::spell::quoted;

/// Parses a condition.
pub fn parse(source: &str) -> Result<IdedExpr, ConditionError> {
    if source.trim().is_empty() {
        return Err(ConditionError::new("is empty", "leave `when` out to take everything"));
    }
    if source.chars().count() > CHARS_MAX {
        let message = format!("is longer than {CHARS_MAX} characters");
        return Err(ConditionError::new(message, "split the route in two"));
    }
    if brackets(source) > BRACKETS_MAX {
        let message = format!("nests brackets deeper than {BRACKETS_MAX} levels");
        return Err(ConditionError::new(message, "split the route in two"));
    }
    let worker = std::thread::Builder::new().stack_size(STACK_BYTES);
    let outcome = std::thread::scope(|scope| {
        let worker = worker.spawn_scoped(scope, || parse_here(source)).ok()?;
        worker.join().ok()
    });
    outcome.unwrap_or_else(|| Err(ConditionError::new("cannot be parsed", EXAMPLE)))
}

fn parse_here(source: &str) -> Result<IdedExpr, ConditionError> {
    let parsed = Parser::new().enable_optional_syntax(false).parse(source);
    let expression = parsed.map_err(|errors| {
        let first = errors.errors.first().map_or("it cannot be parsed", |error| error.msg.as_str());
        ConditionError::new(format!("is not valid CEL: {first}"), remedy(source, first))
    })?;
    if depth(&expression) > DEPTH_MAX {
        let message = format!("is chained or nested deeper than {DEPTH_MAX} levels");
        return Err(ConditionError::new(message, "split the route in two"));
    }
    Ok(expression)
}

fn remedy(source: &str, message: &str) -> String {
    let bare = without_texts(source);
    let mut words = bare.split(|character: char| !character.is_alphanumeric());
    if message.contains("has()") {
        "write \"team\" in event.labels or has(event.labels.team)".to_owned()
    } else if bare.contains("=>") {
        "write >=".to_owned()
    } else if bare.contains("=<") {
        "write <=".to_owned()
    } else if has_single_equals(&bare) {
        "write == to compare".to_owned()
    } else if let Some(call) = contains_call(source, &bare) {
        format!("write {call}")
    } else if words.any(|word| ["and", "or", "not"].iter().any(|other| word.eq_ignore_ascii_case(other))) {
        "write && for and, || for or, ! for not".to_owned()
    } else {
        EXAMPLE.to_owned()
    }
}

/// The source with a placeholder of the same length in the place of each quoted text.
fn without_texts(source: &str) -> String {
    let mut quote = None;
    let mut escaped = false;
    let mut bare = String::with_capacity(source.len());
    for character in source.chars() {
        let inside = quote.is_some();
        if escaped {
            escaped = false;
        } else if inside && character == '\\' {
            escaped = true;
        } else if quote == Some(character) {
            quote = None;
        } else if !inside && matches!(character, '"' | '\'') {
            quote = Some(character);
        }
        match inside || quote.is_some() {
            true => bare.extend(std::iter::repeat_n('"', character.len_utf8())),
            false => bare.push(character),
        }
    }
    bare
}

/// Whether a `=` stands alone, as in an assignment.
fn has_single_equals(bare: &str) -> bool {
    let mut before = ' ';
    let mut rest = bare.chars().peekable();
    while let Some(character) = rest.next() {
        if character == '=' && !matches!(before, '=' | '!' | '<' | '>') && rest.peek() != Some(&'=') {
            return true;
        }
        before = character;
    }
    false
}

/// The call that was meant by `event.title contains "x"` or `event.title like "%x%"`.
fn contains_call(source: &str, bare: &str) -> Option<String> {
    let mut field = "";
    let mut at = 0;
    for word in bare.split_inclusive(char::is_whitespace) {
        at += word.len();
        let word = word.trim();
        if field.starts_with("event.") && ["contains", "like"].iter().any(|other| word.eq_ignore_ascii_case(other)) {
            let text = source.get(at..).and_then(leading_text).unwrap_or("x");
            return Some(format!("{field}.contains({})", quoted(text)));
        }
        if !word.is_empty() {
            field = word.trim_start_matches(['(', '!']);
        }
    }
    None
}

/// The quoted text at the beginning, without the wildcards of `like`.
fn leading_text(rest: &str) -> Option<&str> {
    let rest = rest.trim_start();
    let quote = rest.chars().next().filter(|character| matches!(character, '"' | '\''))?;
    let (text, _) = rest.get(1..)?.split_once(quote)?;
    Some(text.trim_matches('%')).filter(|text| !text.is_empty() && !text.contains('\\'))
}

/// How deep the brackets of a text nest, whatever stands between them.
fn brackets(source: &str) -> usize {
    let mut depth = 0_usize;
    let mut deepest = 0;
    for character in source.chars() {
        match character {
            '(' | '[' | '{' => depth += 1,
            ')' | ']' | '}' => depth = depth.saturating_sub(1),
            _ => {}
        }
        deepest = deepest.max(depth);
    }
    deepest
}

/// How deep an expression nests, found without recursion.
fn depth(expression: &IdedExpr) -> usize {
    let mut waiting = vec![(expression, 1)];
    let mut deepest = 0;
    while let Some((expression, depth)) = waiting.pop() {
        deepest = deepest.max(depth);
        waiting.extend(children(expression).into_iter().map(|child| (child, depth + 1)));
    }
    deepest
}

fn children(expression: &IdedExpr) -> Vec<&IdedExpr> {
    match &expression.expr {
        Expr::Call(call) => call.target.iter().map(AsRef::as_ref).chain(&call.args).collect(),
        Expr::Comprehension(inner) => {
            vec![&inner.iter_range, &inner.accu_init, &inner.loop_cond, &inner.loop_step, &inner.result]
        }
        Expr::List(list) => list.elements.iter().collect(),
        Expr::Map(map) => map.entries.iter().flat_map(|entry| entry_parts(&entry.expr)).collect(),
        Expr::Struct(made) => made.entries.iter().flat_map(|entry| entry_parts(&entry.expr)).collect(),
        Expr::Select(select) => vec![&select.operand],
        Expr::Ident(_) | Expr::Literal(_) | Expr::Unspecified => Vec::new(),
    }
}

fn entry_parts(entry: &EntryExpr) -> Vec<&IdedExpr> {
    match entry {
        EntryExpr::MapEntry(entry) => vec![&entry.key, &entry.value],
        EntryExpr::StructField(field) => vec![&field.value],
    }
}

/// Deeper than conditions are nested by hand.
const BRACKETS_MAX: usize = 16;
/// A condition that is longer is a program.
const CHARS_MAX: usize = 4096;
/// What the evaluator can recurse into on a thread of 2 MiB.
const DEPTH_MAX: usize = 32;
/// Stack for the parser to recurse into [`CHARS_MAX`] characters. It is address space; the system allocates only the
/// pages that are touched.
const STACK_BYTES: usize = 64 << 20;
