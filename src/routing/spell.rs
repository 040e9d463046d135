//! A part of a condition as the operator would write it, for messages.

use cel::IdedExpr;
use cel::common::ast::{CallExpr, EntryExpr, Expr, LiteralValue, operators};

/// The expression as text, cut where it is long.
pub fn spell(expression: &IdedExpr) -> String {
    let text = spelled(expression);
    match text.char_indices().nth(CHARS_MAX) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
        None => text,
    }
}

/// A text in the quotes that a condition needs.
pub fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n"))
}

/// The operator of two operands that a function name stands for: `==` for `_==_`.
pub fn binary(name: &str) -> Option<&str> {
    if name == operators::IN {
        return Some("in");
    }
    let sign = name.strip_prefix('_')?.strip_suffix('_')?;
    (!sign.is_empty() && !sign.contains(['[', '?', '_'])).then_some(sign)
}

fn spelled(expression: &IdedExpr) -> String {
    match &expression.expr {
        Expr::Ident(name) => name.clone(),
        Expr::Literal(literal) => literal_text(literal),
        Expr::Select(select) if select.test => format!("has({}.{})", spelled(&select.operand), select.field),
        Expr::Select(select) => format!("{}.{}", spelled(&select.operand), select.field),
        Expr::List(list) => format!("[{}]", joined(&list.elements)),
        Expr::Map(map) => {
            let entry = |entry: &EntryExpr| match entry {
                EntryExpr::MapEntry(entry) => format!("{}: {}", spelled(&entry.key), spelled(&entry.value)),
                EntryExpr::StructField(field) => format!("{}: {}", field.field, spelled(&field.value)),
            };
            let entries: Vec<String> = map.entries.iter().map(|ided| entry(&ided.expr)).collect();
            format!("{{{}}}", entries.join(", "))
        }
        Expr::Call(call) => call_text(call),
        Expr::Comprehension(inner) => format!("{}.….", spelled(&inner.iter_range)).trim_end_matches('.').to_owned(),
        Expr::Struct(made) => format!("{}{{…}}", made.type_name),
        Expr::Unspecified => "…".to_owned(),
    }
}

fn call_text(call: &CallExpr) -> String {
    match (call.func_name.as_str(), &call.target, call.args.as_slice()) {
        (operators::INDEX, None, [operand, index]) => format!("{}[{}]", spelled(operand), spelled(index)),
        (operators::LOGICAL_NOT, None, [operand]) => format!("!{}", spelled(operand)),
        (operators::NEGATE, None, [operand]) => format!("-{}", spelled(operand)),
        (operators::CONDITIONAL, None, [condition, yes, no]) => {
            format!("({} ? {} : {})", spelled(condition), spelled(yes), spelled(no))
        }
        (name, None, [left, right]) if binary(name).is_some() => {
            format!("{} {} {}", spelled(left), binary(name).unwrap_or_default(), spelled(right))
        }
        (name, Some(target), args) => format!("{}.{name}({})", spelled(target), joined(args)),
        (name, None, args) => format!("{name}({})", joined(args)),
    }
}

fn joined(expressions: &[IdedExpr]) -> String {
    expressions.iter().map(spelled).collect::<Vec<_>>().join(", ")
}

fn literal_text(literal: &LiteralValue) -> String {
    match literal {
        LiteralValue::Boolean(flag) => flag.inner().to_string(),
        LiteralValue::Bytes(_) => "b\"…\"".to_owned(),
        LiteralValue::Double(number) => format!("{:?}", number.inner()),
        LiteralValue::Int(number) => number.inner().to_string(),
        LiteralValue::Null => "null".to_owned(),
        LiteralValue::String(text) => quoted(text.inner()),
        LiteralValue::UInt(number) => format!("{}u", number.inner()),
    }
}

/// Longer than this it is not readable in a message.
const CHARS_MAX: usize = 80;
