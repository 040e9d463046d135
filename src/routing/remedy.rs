//! What to write instead of a part that is at fault.

use std::net::IpAddr;

use cel::IdedExpr;
use cel::common::ast::{Expr, LiteralValue};

use super::error::{EXAMPLE, SEE, nearest};
use super::fields;
use super::known::KnownNames;
use super::operand::{Operand, pair};
use super::spell::{quoted, spell};
use super::types::{Shape, Type};
use crate::domain::Severity;

/// The rule for severities.
pub const SEVERITIES: &str = "event.severity is compared with the constants informational .. fatal";

/// The constants, in order.
pub fn scale() -> String {
    format!("the severities are {}", Severity::SCALE.map(|(word, _)| word).join(", "))
}

/// Instead of something that is not true or false.
pub fn for_bool(kind: &Type, expression: &IdedExpr) -> String {
    let spelled = spell(expression);
    match kind {
        Type::Severity => "write event.severity >= high".to_owned(),
        Type::Text(Shape::Label) => format!("write {spelled} == \"true\""),
        Type::Text(_) => format!("write {spelled} == \"…\" or {spelled}.contains(\"…\")"),
        kind if kind.is_number() => format!("write {spelled} > 0"),
        Type::Event | Type::Group(_) | Type::Map(..) => for_misuse(kind, &spelled),
        _ => EXAMPLE.to_owned(),
    }
}

/// Instead of something that is no value by itself.
pub fn for_misuse(kind: &Type, spelled: &str) -> String {
    match kind {
        Type::Event => "compare one of its fields, such as event.title".to_owned(),
        Type::Group(group) => {
            let names: Vec<String> = fields::group(group).iter().map(|name| format!("event.{group}.{name}")).collect();
            format!("compare one of its fields: {}", names.join(", "))
        }
        Type::Map(..) => format!("write {spelled}.NAME"),
        _ => SEE.to_owned(),
    }
}

/// A comparison of a severity with something else, or of something else with a constant.
pub fn for_severity(sign: &str, left: Operand<'_>, right: Operand<'_>) -> (String, String) {
    let constant = [left, right].iter().position(|operand| is_constant(operand.0));
    if let Some(place) = constant
        && !matches!([left, right].get(1 - place), Some((_, Type::Severity)))
    {
        let (other, kept) = if place == 0 { (right, left) } else { (left, right) };
        let message = format!("only {SEVERITIES}, and {} is {}", spell(other.0), other.1.named());
        let (first, second) = if place == 0 {
            (spell(kept.0), "event.severity".to_owned())
        } else {
            ("event.severity".to_owned(), spell(kept.0))
        };
        return (message, format!("write {first} {sign} {second}"));
    }
    let remedy = match (severity_text(left), severity_text(right)) {
        (Some(first), Some(second)) => format!("write {first} {sign} {second}"),
        _ => "write event.severity >= high".to_owned(),
    };
    let other = if *left.1 == Type::Severity { right } else { left };
    (format!("{SEVERITIES}, and not with {}", spell(other.0)), remedy)
}

/// What cannot be equal.
pub fn for_equality(sign: &str, left: Operand<'_>, right: Operand<'_>) -> (String, String) {
    let (spelled_left, spelled_right) = (spell(left.0), spell(right.0));
    let message = format!("compares {}, with {}", introduced(left), introduced(right));
    let remedy = match (left.1, right.1) {
        (Type::Text(_), Type::Null) | (Type::Null, Type::Text(_)) => {
            let text = if left.1.is_text() { &spelled_left } else { &spelled_right };
            format!("write {text} {sign} \"\": a text that is absent is \"\"")
        }
        (Type::Text(_), Type::List(_)) => format!("write {spelled_left} in {spelled_right}"),
        (Type::List(_), Type::Text(_)) => format!("write {spelled_right} in {spelled_left}"),
        (Type::Map(..), _) => for_misuse(left.1, &spelled_left),
        (_, Type::Map(..)) => for_misuse(right.1, &spelled_right),
        (number, Type::Text(_)) if number.is_number() && number_in(right.0).is_some() => {
            format!("write {spelled_left} {sign} {}", number_in(right.0).unwrap_or_default())
        }
        (Type::Text(_), number) if number.is_number() && number_in(left.0).is_some() => {
            format!("write {} {sign} {spelled_right}", number_in(left.0).unwrap_or_default())
        }
        (Type::Text(Shape::Words(words)), _) if is_literal(right.0) => {
            let word = words.first().copied().unwrap_or_default();
            format!("write {spelled_left} {sign} {}", quoted(word))
        }
        (Type::Text(Shape::Label), _) if is_literal(right.0) => {
            format!("labels are texts: write {spelled_left} {sign} {}", quoted(&spelled_right))
        }
        (_, Type::Text(Shape::Label)) if is_literal(left.0) => {
            format!("labels are texts: write {} {sign} {spelled_right}", quoted(&spelled_left))
        }
        (Type::Text(_), _) if is_literal(right.0) => format!("write {spelled_left} {sign} {}", quoted(&spelled_right)),
        (_, Type::Text(_)) if is_literal(left.0) => format!("write {} {sign} {spelled_right}", quoted(&spelled_left)),
        (Type::Text(_), _) | (_, Type::Text(_)) => "write what is compared with a text in quotes".to_owned(),
        _ => "let both sides be of one type".to_owned(),
    };
    (message, remedy)
}

/// An operand and its type; `true`, `false` and `null` are their own type's name.
fn introduced(operand: Operand<'_>) -> String {
    let spelled = spell(operand.0);
    let is_plain = matches!(operand.1, Type::Bool | Type::Null) && is_literal(operand.0);
    if is_plain { spelled } else { format!("{spelled}, {}", operand.1.named()) }
}

/// What has no common order.
pub fn for_order(sign: &str, left: Operand<'_>, right: Operand<'_>) -> (String, String) {
    let message = format!("'{sign}' does not go with {}", pair(left.1, right.1));
    let of = |wanted: &dyn Fn(&Type) -> bool| [left, right].into_iter().find(|operand| wanted(operand.1));
    let number = of(&Type::is_number).map(|operand| spell(operand.0));
    let remedy = match (of(&Type::is_text), number) {
        (Some((field, Type::Text(Shape::Time))), _) => time_remedy(&spell(field)),
        (Some((field, Type::Text(Shape::Label))), Some(number)) => {
            let field = spell(field);
            format!("write {field}.matches(\"^[0-9]+$\") && int({field}) {sign} {number}")
        }
        (Some((field, _)), Some(number)) => format!("write size({}) {sign} {number}", spell(field)),
        (Some((_, Type::Text(_))), None) => "compare names with == or in".to_owned(),
        _ => "only numbers, texts and severities have an order, each among themselves".to_owned(),
    };
    (message, remedy)
}

/// What is wrong with a text that a field of this shape is compared with, if anything is.
pub fn for_word(shape: Shape, field: &str, word: &str, known: &KnownNames) -> Option<(String, String)> {
    match shape {
        Shape::Free | Shape::Label => None,
        Shape::Source => unknown(&known.sources, "source", word),
        Shape::Vendor => unknown(&known.vendors, "vendor", word),
        Shape::Words(words) => {
            if word.is_empty() || words.contains(&word) {
                return None;
            }
            let near = nearest(word, words.iter().copied());
            let remedy =
                near.map_or_else(|| format!("it is {}", words.join(", ")), |near| format!("did you mean '{near}'?"));
            Some((format!("{field} is never '{word}'"), remedy))
        }
        Shape::Address => match word.parse::<IpAddr>() {
            _ if word.is_empty() => None,
            Ok(address) if address.to_string() == word => None,
            Ok(address) => Some((format!("{field} is never written '{word}'"), format!("write \"{address}\""))),
            Err(_) => {
                let remedy = format!("write one address, or {field}.startsWith(\"10.\") for many");
                Some((format!("'{word}' is not an address"), remedy))
            }
        },
        Shape::Time if begins_like_a_time(word) => None,
        Shape::Time => Some((format!("'{word}' is not a time as {field} writes it"), time_remedy(field))),
    }
}

fn unknown(names: &[String], what: &str, word: &str) -> Option<(String, String)> {
    if names.is_empty() || names.iter().any(|name| name == word) {
        return None;
    }
    let near = nearest(word, names.iter().map(String::as_str));
    let remedy =
        near.map_or_else(|| format!("{what}s: {}", names.join(", ")), |near| format!("did you mean '{near}'?"));
    Some((format!("there is no {what} '{word}'"), remedy))
}

fn time_remedy(field: &str) -> String {
    format!("write {field} > \"2026-11-21\": times compare as text")
}

/// Whether a text is a time as events write it, or the beginning of one down to the year.
fn begins_like_a_time(word: &str) -> bool {
    let fits = |(pattern, given): (char, char)| if pattern == '0' { given.is_ascii_digit() } else { pattern == given };
    (4..=TIME.len()).contains(&word.len()) && TIME.chars().zip(word.chars()).all(fits)
}

/// Whether an expression is one of the severities' constants, or a list of them.
fn is_constant(expression: &IdedExpr) -> bool {
    match &expression.expr {
        Expr::Ident(name) => Severity::SCALE.iter().any(|(word, _)| word == name),
        Expr::List(list) => !list.elements.is_empty() && list.elements.iter().all(is_constant),
        _ => false,
    }
}

/// An operand as it was probably meant where a severity is compared: `"high"` as `high`, 4 as `high`.
fn severity_text(operand: Operand<'_>) -> Option<String> {
    if *operand.1 == Type::Severity {
        return Some(spell(operand.0));
    }
    severity_constant(operand.0)
}

fn severity_constant(expression: &IdedExpr) -> Option<String> {
    match &expression.expr {
        Expr::Ident(_) if is_constant(expression) => Some(spell(expression)),
        Expr::Literal(LiteralValue::String(text)) => {
            let severity =
                text.inner().to_lowercase().parse().ok().or_else(|| Severity::from_vendor_word(text.inner()));
            severity.map(|severity: Severity| severity.as_str().to_owned())
        }
        Expr::Literal(LiteralValue::Int(number)) => {
            let scale = Severity::SCALE.iter().find(|(_, severity)| i64::from(severity.id()) == *number.inner());
            scale.map(|(word, _)| (*word).to_owned())
        }
        Expr::List(list) => {
            let words: Option<Vec<String>> = list.elements.iter().map(severity_constant).collect();
            words.map(|words| format!("[{}]", words.join(", ")))
        }
        _ => None,
    }
}

fn is_literal(expression: &IdedExpr) -> bool {
    matches!(expression.expr, Expr::Literal(_))
}

/// The number in a literal text.
fn number_in(expression: &IdedExpr) -> Option<String> {
    match &expression.expr {
        Expr::Literal(LiteralValue::String(text)) => {
            text.inner().parse::<f64>().ok().filter(|number| number.is_finite()).map(|_| text.inner().to_owned())
        }
        _ => None,
    }
}

/// How events write a time, with 0 for any digit.
const TIME: &str = "0000-00-00T00:00:00.000Z";
