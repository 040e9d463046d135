//! The functions and methods that a condition can call, and what they take.

use std::sync::Arc;

use cel::common::ast::{CallExpr, Expr, LiteralValue};
use cel::{Context, IdedExpr, Value};

use super::Checker;
use crate::routing::environment::ENV;
use crate::routing::error::{SEE, nearest};
use crate::routing::remedy;
use crate::routing::spell::spell;
use crate::routing::types::{Shape, Type};

/// The type of a call that is no operator.
pub fn check(checker: &mut Checker<'_>, call: &CallExpr) -> Type {
    let name = call.func_name.as_str();
    if MACROS.contains(&name) {
        let (message, remedy) = misused_macro(name);
        return checker.fail(message, remedy);
    }
    let method = METHODS.contains(&name) || name == "size";
    match &call.target {
        Some(target) if method => check_method(checker, name, target, &call.args),
        None if name == "matches" || FUNCTIONS.contains(&name) => check_function(checker, name, &call.args),
        None if METHODS.contains(&name) => {
            let text = call.args.first().map_or_else(|| "event.title".to_owned(), spell);
            let text = if call.args.len() == 2 { text } else { "event.title".to_owned() };
            let sought = call.args.last().map_or_else(|| "\"…\"".to_owned(), spell);
            let message = format!("{name} is called on a text");
            checker.fail(message, format!("write {text}.{name}({sought})"))
        }
        target => {
            let kind = if target.is_some() { "method" } else { "function" };
            let (message, remedy) = unknown(kind, name, target.as_deref());
            checker.fail(message, remedy)
        }
    }
}

fn check_method(checker: &mut Checker<'_>, name: &str, target: &IdedExpr, args: &[IdedExpr]) -> Type {
    let kind = checker.of(target);
    if name == "size" && args.is_empty() {
        return size_of(checker, target, &kind);
    }
    let spelled = spell(target);
    if kind == Type::Severity {
        return checker.severity_misused(&spelled);
    }
    if !kind.may_be_text() {
        let remedy = match &kind {
            Type::Event | Type::Group(_) | Type::Map(..) => remedy::for_misuse(&kind, &spelled),
            Type::List(_) => format!("write \"…\" in {spelled}"),
            _ => SEE.to_owned(),
        };
        return checker.fail(format!("{spelled} is {}; {name} is for texts", kind.named()), remedy);
    }
    let [argument] = args else { return one_text(checker, name, "") };
    takes_text(checker, name, argument);
    if name == "matches" {
        takes_pattern(checker, argument);
    }
    Type::Bool
}

fn check_function(checker: &mut Checker<'_>, name: &str, args: &[IdedExpr]) -> Type {
    if let ("matches", [text, pattern]) = (name, args) {
        takes_text(checker, name, text);
        takes_text(checker, name, pattern);
        takes_pattern(checker, pattern);
        return Type::Bool;
    }
    let [argument] = args else {
        let takes = conversion(name).map_or("a text and a regular expression", |conversion| conversion.takes);
        let takes = if name == "size" { SIZED } else { takes };
        return checker.fail(format!("{name} takes {takes}, and got {} arguments", args.len()), SEE);
    };
    let kind = checker.of(argument);
    if name == "size" {
        return size_of(checker, argument, &kind);
    }
    convert(checker, name, argument, &kind)
}

fn size_of(checker: &mut Checker<'_>, argument: &IdedExpr, kind: &Type) -> Type {
    let spelled = spell(argument);
    match kind {
        Type::Text(_) | Type::List(_) | Type::Map(..) | Type::Bytes | Type::Any | Type::Unknown => Type::Int,
        Type::Severity => checker.severity_misused(&spelled),
        other => {
            let message = format!("size takes {SIZED}, not {}", other.named());
            checker.fail(message, remedy::for_misuse(other, &spelled))
        }
    }
}

fn convert(checker: &mut Checker<'_>, name: &str, argument: &IdedExpr, kind: &Type) -> Type {
    let spelled = spell(argument);
    if *kind == Type::Severity {
        return checker.severity_misused(&spelled);
    }
    let takes = match name {
        "bool" => kind.may_be_text() || *kind == Type::Bool,
        "bytes" => kind.may_be_text() || *kind == Type::Bytes,
        "string" => kind.may_be_text() || kind.is_number() || matches!(kind, Type::Bool | Type::Bytes),
        _ => kind.may_be_text() || kind.is_number(),
    };
    let fits = takes && literal_fits(name, argument);
    let Some(conversion) = conversion(name) else { return Type::Unknown };
    if !fits {
        let given = if takes { spelled } else { kind.named().to_owned() };
        let message = format!("{name} takes {}, not {given}", conversion.takes);
        return checker.fail(message, "see docs/routing.md for conversions");
    }
    conversion.answers.clone()
}

/// Whether a text that is written in the condition can be converted.
fn literal_fits(name: &str, argument: &IdedExpr) -> bool {
    let Expr::Literal(LiteralValue::String(text)) = &argument.expr else { return true };
    match name {
        "bool" => matches!(text.inner(), "true" | "false"),
        "int" => text.inner().parse::<i64>().is_ok(),
        "uint" => text.inner().parse::<u64>().is_ok(),
        "double" => text.inner().parse::<f64>().is_ok(),
        _ => true,
    }
}

fn takes_text(checker: &mut Checker<'_>, name: &str, argument: &IdedExpr) {
    let kind = checker.of(argument);
    if kind == Type::Severity {
        checker.severity_misused(&spell(argument));
    } else if !kind.may_be_text() {
        one_text(checker, name, kind.named());
    }
}

fn one_text(checker: &mut Checker<'_>, name: &str, given: &str) -> Type {
    let given = if given.is_empty() { String::new() } else { format!(", not {given}") };
    checker.fail(format!("{name} takes one text{given}"), format!("write event.title.{name}(\"…\")"))
}

/// A pattern is written in the condition, so that it is known to be one before the first event.
fn takes_pattern(checker: &mut Checker<'_>, pattern: &IdedExpr) {
    let patterns = checker.words(pattern);
    if patterns.is_empty() {
        let message = format!("{} is not known yet: a regular expression is written as a text", spell(pattern));
        checker.fail(message, "write event.title.matches(\"^a\"), or event.title.contains(event.status)");
    }
    for pattern in patterns {
        if !is_pattern(&pattern) {
            let remedy = "escape brackets and signs: \"[(]\", \"[.]\"; to find a text as it is write contains";
            checker.fail(format!("'{pattern}' is no regular expression"), remedy);
        }
    }
}

/// Whether the evaluator takes the text for a regular expression.
fn is_pattern(pattern: &str) -> bool {
    let literal = |text: &str| IdedExpr { id: 0, expr: Expr::Literal(LiteralValue::String(text.to_owned().into())) };
    let args = vec![literal(""), literal(pattern)];
    let call = CallExpr { func_name: "matches".to_owned(), target: None, args };
    let expression = IdedExpr { id: 0, expr: Expr::Call(call) };
    Value::resolve(&expression, &Context::with_env(Arc::clone(&ENV))).is_ok()
}

fn misused_macro(name: &str) -> (String, String) {
    match name {
        "has" => ("has asks for one field".to_owned(), "write has(event.labels.NAME)".to_owned()),
        "map" => (format!("{name} takes a name and an expression"), "write LIST.map(name, expression)".to_owned()),
        _ => (format!("{name} takes a name and a condition"), format!("write LIST.{name}(name, condition)")),
    }
}

fn unknown(kind: &str, name: &str, target: Option<&IdedExpr>) -> (String, String) {
    let message = format!("there is no {kind} '{name}'");
    let folded = name.to_lowercase();
    let known = || METHODS.iter().chain(FUNCTIONS).chain(MACROS).copied();
    let case = ["lower", "upper", "tolower", "toupper"].iter().any(|beginning| folded.starts_with(beginning));
    let time = ["timestamp", "duration", "now"].contains(&name) || name.starts_with("get");
    let remedy = if case {
        let target = target.map_or_else(|| "event.title".to_owned(), spell);
        format!("for any case write {target}.matches(\"(?i)…\")")
    } else if time {
        "times compare as text: event.time > \"2026-11-21\"".to_owned()
    } else if let Some(near) = nearest(name, known()).filter(|near| near != name) {
        format!("did you mean '{near}'?")
    } else {
        let mut names: Vec<&str> = known().collect();
        names.sort_unstable();
        format!("there are {}", names.join(", "))
    };
    (message, remedy)
}

/// A function that converts.
struct Conversion {
    name: &'static str,
    takes: &'static str,
    answers: Type,
}

fn conversion(name: &str) -> Option<&'static Conversion> {
    CONVERSIONS.iter().find(|conversion| conversion.name == name)
}

/// Methods of texts, each with one text as its argument.
const METHODS: &[&str] = &["contains", "endsWith", "matches", "startsWith"];
/// Functions of one argument.
const FUNCTIONS: &[&str] = &["bool", "bytes", "double", "int", "size", "string", "uint"];
/// What the parser turns into something else where it is written right.
const MACROS: &[&str] = &["all", "exists", "existsOne", "exists_one", "filter", "has", "map"];
/// Conversions: what each takes and answers.
const CONVERSIONS: &[Conversion] = &[
    Conversion { name: "bool", takes: "\"true\" or \"false\"", answers: Type::Bool },
    Conversion { name: "bytes", takes: "a text", answers: Type::Bytes },
    Conversion { name: "double", takes: "a number or a text with one", answers: Type::Double },
    Conversion { name: "int", takes: "a number or a text with one", answers: Type::Int },
    Conversion { name: "string", takes: "a number, a text, true or false", answers: Type::Text(Shape::Free) },
    Conversion { name: "uint", takes: "a number or a text with one", answers: Type::Uint },
];
const SIZED: &str = "a text, a list or a map";
