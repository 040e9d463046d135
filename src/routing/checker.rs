//! Types of a condition, found before the first event.
//!
//! The checker walks the parsed expression once and gives each part a type, whichever part would be evaluated: both halves
//! of `&&` and `||`, both arms of `? :`, every element of a list, every argument. What it takes is decided for every event,
//! except where an unmapped field has another type than the condition expects. Every fault is recorded; the part at fault
//! gets the type [`Type::Unknown`], which goes with everything.

mod binary;
mod functions;

use std::collections::HashSet;

use cel::IdedExpr;
use cel::common::ast::{CallExpr, ComprehensionExpr, EntryExpr, Expr, LiteralValue, SelectExpr, operators};

use super::error::{ConditionError, SEE, nearest};
use super::fields;
use super::known::KnownNames;
use super::remedy;
use super::spell::spell;
use super::types::{Shape, Type};
use crate::domain::Severity;

/// What the checker found in a condition.
pub struct Checked {
    /// The parts that an event may lack, by their ids: labels, and what stands below `unmapped`.
    pub open: HashSet<u64>,
}

/// Checks a condition against the names that it may compare with.
pub fn check(expression: &IdedExpr, known: &KnownNames) -> Result<Checked, Vec<ConditionError>> {
    let mut checker = Checker { known, bindings: Vec::new(), open: HashSet::new(), errors: Vec::new() };
    let answer = checker.of(expression);
    if !matches!(answer, Type::Bool) && !answer.is_open() {
        let message = format!("answers {} where it should answer true or false", answer.named());
        checker.errors.push(ConditionError::new(message, remedy::for_bool(&answer, expression)));
    }
    if checker.errors.is_empty() { Ok(Checked { open: checker.open }) } else { Err(checker.errors) }
}

/// The state of one walk.
pub(super) struct Checker<'k> {
    known: &'k KnownNames,
    bindings: Vec<Binding>,
    open: HashSet<u64>,
    errors: Vec<ConditionError>,
}

/// A variable of a macro such as `exists`.
struct Binding {
    name: String,
    kind: Type,
    /// The texts that it stands for, where they are written in the condition.
    words: Vec<String>,
}

impl Checker<'_> {
    /// The type of an expression.
    pub(super) fn of(&mut self, expression: &IdedExpr) -> Type {
        match &expression.expr {
            Expr::Literal(literal) => literal_type(literal),
            Expr::Ident(name) => self.ident(name),
            Expr::Select(select) => self.select(expression, select),
            Expr::List(list) => {
                let kinds: Vec<Type> = list.elements.iter().map(|element| self.of(element)).collect();
                Type::List(Box::new(self.common(&kinds, expression)))
            }
            Expr::Map(map) => {
                let (mut keys, mut values) = (Vec::new(), Vec::new());
                for entry in &map.entries {
                    if let EntryExpr::MapEntry(entry) = &entry.expr {
                        keys.push(self.of(&entry.key));
                        values.push(self.of(&entry.value));
                    }
                }
                let key = self.common(&keys, expression);
                Type::Map(Box::new(key), Box::new(self.common(&values, expression)))
            }
            Expr::Call(call) => self.call(expression, call),
            Expr::Comprehension(inner) => self.comprehension(inner),
            Expr::Struct(made) => {
                let message = format!("makes a '{}'; an object cannot be made in a condition", made.type_name);
                self.fail(message, SEE)
            }
            Expr::Unspecified => self.fail("has an empty part", SEE),
        }
    }

    /// Records a fault.
    pub(super) fn fail(&mut self, message: impl Into<String>, remedy: impl Into<String>) -> Type {
        let error = ConditionError::new(message, remedy);
        if !self.errors.contains(&error) {
            self.errors.push(error);
        }
        Type::Unknown
    }

    /// The texts that an expression stands for, where they are written in the condition.
    pub(super) fn words(&self, expression: &IdedExpr) -> Vec<String> {
        match &expression.expr {
            Expr::Literal(LiteralValue::String(text)) => vec![text.inner().to_owned()],
            Expr::List(list) => list.elements.iter().flat_map(|element| self.words(element)).collect(),
            Expr::Ident(name) => {
                let binding = self.bindings.iter().rev().find(|binding| binding.name == *name);
                binding.map(|binding| binding.words.clone()).unwrap_or_default()
            }
            Expr::Call(call) if call.func_name == operators::CONDITIONAL => {
                call.args.iter().skip(1).flat_map(|arm| self.words(arm)).collect()
            }
            _ => Vec::new(),
        }
    }

    fn ident(&mut self, name: &str) -> Type {
        if let Some(binding) = self.bindings.iter().rev().find(|binding| binding.name == name) {
            return binding.kind.clone();
        }
        if name == EVENT {
            return Type::Event;
        }
        if Severity::SCALE.iter().any(|(word, _)| *word == name) {
            return Type::Severity;
        }
        let error = if fields::names().contains(&name) {
            ConditionError::new(format!("names '{name}', which does not exist"), format!("write event.{name}"))
        } else if Severity::from_vendor_word(name).is_some() && constant(name).is_none() {
            ConditionError::new(format!("names '{name}', which does not exist"), remedy::scale())
        } else {
            ConditionError::unknown_name(name, constant(name), SEE)
        };
        self.fail(error.message, error.remedy)
    }

    fn select(&mut self, expression: &IdedExpr, select: &SelectExpr) -> Type {
        let operand = self.of(&select.operand);
        let kind = self.member(expression, &operand, select);
        if !select.test || kind == Type::Unknown {
            return kind;
        }
        if self.open.contains(&expression.id) || !matches!(operand, Type::Event | Type::Group(_)) {
            return Type::Bool;
        }
        let path = format!("{}.{}", spell(&select.operand), select.field);
        let remedy = match &kind {
            Type::Text(_) => format!("write {path} != \"\""),
            Type::Map(..) => format!("write size({path}) > 0"),
            _ => "leave it out: it is always there".to_owned(),
        };
        self.fail(format!("asks with has({path}) for what every event has"), remedy)
    }

    fn member(&mut self, expression: &IdedExpr, operand: &Type, select: &SelectExpr) -> Type {
        match operand {
            Type::Event => self.field(&select.field),
            Type::Group(group) => self.field(&format!("{group}.{}", select.field)),
            Type::Map(key, value) if key.may_be_text() => {
                self.note_open(expression, value);
                value.as_ref().clone()
            }
            Type::Any => {
                self.open.insert(expression.id);
                Type::Any
            }
            Type::Unknown => Type::Unknown,
            other => {
                let spelled = spell(&select.operand);
                if *other == Type::Severity {
                    return self.severity_misused(&spelled);
                }
                let message = format!("{spelled} is {}, and has no field '{}'", other.named(), select.field);
                self.fail(message, SEE)
            }
        }
    }

    /// Labels and what stands below `unmapped` may be absent; a map that is written in the condition is what it is.
    fn note_open(&mut self, expression: &IdedExpr, value: &Type) {
        if matches!(value, Type::Text(Shape::Label) | Type::Any) {
            self.open.insert(expression.id);
        }
    }

    fn field(&mut self, path: &str) -> Type {
        if let Some(field) = fields::find(path) {
            return (field.kind)();
        }
        if !fields::group(path).is_empty() {
            return Type::Group(path.to_owned());
        }
        let name = format!("event.{path}");
        let error = match path.split_once('.') {
            Some((group, last)) => {
                let known = fields::group(group);
                let near = nearest(last, known.iter().copied()).map(|near| format!("{group}.{near}"));
                ConditionError::unknown_name(&name, near, &format!("event.{group} has {}", known.join(", ")))
            }
            None => ConditionError::unknown_name(&name, nearest(path, fields::names()), SEE),
        };
        self.fail(error.message, error.remedy)
    }

    fn call(&mut self, expression: &IdedExpr, call: &CallExpr) -> Type {
        match (call.func_name.as_str(), &call.target, call.args.as_slice()) {
            (operators::CONDITIONAL, None, [condition, yes, no]) => {
                self.needs_bool(condition);
                let (yes_kind, no_kind) = (self.of(yes), self.of(no));
                self.arms(&yes_kind, &no_kind, expression)
            }
            (operators::LOGICAL_AND | operators::LOGICAL_OR, None, args) => {
                args.iter().for_each(|arg| self.needs_bool(arg));
                Type::Bool
            }
            (operators::LOGICAL_NOT | operators::NOT_STRICTLY_FALSE, None, [operand]) => {
                self.needs_bool(operand);
                Type::Bool
            }
            (operators::NEGATE, None, [operand]) => self.negate(operand),
            (operators::INDEX, None, [operand, index]) => self.index(expression, operand, index),
            (operators::IN, None, [item, container]) => self.contained(item, container),
            (operators::EQUALS | operators::NOT_EQUALS, None, [left, right]) => {
                let kinds = (self.of(left), self.of(right));
                self.equal(&call.func_name, (left, &kinds.0), (right, &kinds.1));
                Type::Bool
            }
            (name, None, [left, right]) if ORDERINGS.contains(&name) => {
                let kinds = (self.of(left), self.of(right));
                self.ordered(name, (left, &kinds.0), (right, &kinds.1));
                Type::Bool
            }
            (name, None, [left, right]) if ARITHMETIC.contains(&name) => self.arithmetic(name, left, right),
            _ => functions::check(self, call),
        }
    }

    fn needs_bool(&mut self, expression: &IdedExpr) {
        let kind = self.of(expression);
        if !matches!(kind, Type::Bool) && !kind.is_open() {
            let message = format!("{} is {}, not true or false", spell(expression), kind.named());
            self.fail(message, remedy::for_bool(&kind, expression));
        }
    }

    fn arms(&mut self, yes: &Type, no: &Type, whole: &IdedExpr) -> Type {
        if let Some(joined) = yes.join(no) {
            return joined;
        }
        if yes.holds_severity() || no.holds_severity() {
            return self.severity_misused(&spell(whole));
        }
        let message = format!("the two halves of {} are {} and {}", spell(whole), yes.named(), no.named());
        self.fail(message, "let both halves be of one type")
    }

    /// The one type of several; mixed ones count as any type, unless a severity is among them.
    fn common(&mut self, kinds: &[Type], whole: &IdedExpr) -> Type {
        let joined = kinds.iter().try_fold(Type::Unknown, |joined, kind| joined.join(kind));
        match joined {
            Some(joined) => joined,
            None if kinds.iter().any(Type::holds_severity) => self.severity_misused(&spell(whole)),
            None => Type::Any,
        }
    }

    fn negate(&mut self, operand: &IdedExpr) -> Type {
        let kind = self.of(operand);
        match kind {
            Type::Int | Type::Double | Type::Any | Type::Unknown => kind,
            Type::Severity => self.severity_misused(&spell(operand)),
            other => self.fail(format!("'-' does not go with {}", other.bare()), "negate numbers with -, truth with !"),
        }
    }

    fn index(&mut self, expression: &IdedExpr, operand: &IdedExpr, index: &IdedExpr) -> Type {
        let (kind, index_kind) = (self.of(operand), self.of(index));
        let spelled = spell(operand);
        match &kind {
            Type::Unknown => Type::Unknown,
            Type::Any => {
                self.open.insert(expression.id);
                Type::Any
            }
            Type::List(element) if matches!(index_kind, Type::Int) || index_kind.is_open() => element.as_ref().clone(),
            Type::Map(key, value) if index_kind.is_open() || key.join(&index_kind).is_some() => {
                self.note_open(expression, value);
                value.as_ref().clone()
            }
            Type::Map(key, _) if key.is_text() => {
                let message = format!("the names in {spelled} are texts, not {}", index_kind.named());
                self.fail(message, format!("write the name in quotes: {spelled}[\"{}\"]", spell(index)))
            }
            Type::Event | Type::Group(_) => {
                let name = self.words(index).first().cloned().unwrap_or_else(|| "NAME".to_owned());
                self.fail(
                    format!("{spelled} is {} and takes no brackets", kind.named()),
                    format!("write {spelled}.{name}"),
                )
            }
            Type::Severity => self.severity_misused(&spelled),
            _ => self.fail(format!("{spelled} is {} and takes no {}", kind.named(), index_kind.bare()), SEE),
        }
    }

    fn comprehension(&mut self, inner: &ComprehensionExpr) -> Type {
        let range = self.of(&inner.iter_range);
        let spelled = spell(&inner.iter_range);
        let element = match range {
            Type::List(element) => *element,
            Type::Map(key, _) => *key,
            Type::Any => Type::Any,
            Type::Unknown => Type::Unknown,
            Type::Severity => self.severity_misused(&spelled),
            other => {
                let message = format!("{spelled} is {}, which holds no elements", other.named());
                self.fail(message, "write [\"a\", \"b\"].exists(name, name == event.title)")
            }
        };
        if inner.iter_var == EVENT || Severity::SCALE.iter().any(|(word, _)| *word == inner.iter_var) {
            self.fail(format!("the name '{}' is taken", inner.iter_var), "choose another one");
        }
        let start = self.of(&inner.accu_init);
        let words = self.words(&inner.iter_range);
        let depth = self.bindings.len();
        self.bindings.push(Binding { name: inner.iter_var.clone(), kind: element, words });
        self.bindings.push(Binding { name: inner.accu_var.clone(), kind: start.clone(), words: Vec::new() });
        self.of(&inner.loop_cond);
        let step = self.of(&inner.loop_step);
        let sum = start.join(&step).unwrap_or(Type::Unknown);
        if let Some(binding) = self.bindings.last_mut() {
            binding.kind = sum;
        }
        let result = self.of(&inner.result);
        self.bindings.truncate(depth);
        result
    }

    /// Records that a severity is used for something else than to be compared with the constants.
    pub(super) fn severity_misused(&mut self, spelled: &str) -> Type {
        let message = format!("{}, and {spelled} is not that", remedy::SEVERITIES);
        self.fail(message, "write event.severity >= high")
    }
}

fn literal_type(literal: &LiteralValue) -> Type {
    match literal {
        LiteralValue::Boolean(_) => Type::Bool,
        LiteralValue::Bytes(_) => Type::Bytes,
        LiteralValue::Double(_) => Type::Double,
        LiteralValue::Int(_) => Type::Int,
        LiteralValue::Null => Type::Null,
        LiteralValue::String(_) => Type::Text(Shape::Free),
        LiteralValue::UInt(_) => Type::Uint,
    }
}

/// The constant that a name was probably meant to be.
fn constant(name: &str) -> Option<String> {
    nearest(name, Severity::SCALE.iter().map(|(word, _)| *word).chain([EVENT]))
}

const EVENT: &str = "event";
const ARITHMETIC: [&str; 5] =
    [operators::ADD, operators::SUBSTRACT, operators::MULTIPLY, operators::DIVIDE, operators::MODULO];
const ORDERINGS: [&str; 4] = [operators::LESS, operators::LESS_EQUALS, operators::GREATER, operators::GREATER_EQUALS];
