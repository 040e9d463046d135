//! Makes a checked condition decide for what an event lacks.
//!
//! An absent label is `""`; what is absent below `unmapped` is null, no elements, an empty text or false, as the place asks
//! for, and is neither more nor less than anything. The expression is rewritten with CEL's optional values once, when it is
//! compiled, so that evaluating it needs no second try.

use std::collections::HashSet;

use cel::IdedExpr;
use cel::common::ast::{CallExpr, EntryExpr, Expr, ListExpr, LiteralValue, operators};

/// Completes an expression; `open` holds the ids of the parts that an event may lack.
pub fn complete(expression: IdedExpr, open: &HashSet<u64>) -> IdedExpr {
    Completer { open }.of(expression, Absent::False)
}

/// What absence counts as, by the place where the part stands.
#[derive(Clone, Copy)]
enum Absent {
    Null,
    Text,
    List,
    False,
}

/// What a part is an operand of.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Within {
    /// Something that takes any text.
    Text,
    /// A conversion to a number or a truth value.
    Conversion,
}

struct Completer<'o> {
    open: &'o HashSet<u64>,
}

impl Completer<'_> {
    fn of(&self, expression: IdedExpr, absent: Absent) -> IdedExpr {
        if self.is_open(&expression) {
            let has = matches!(&expression.expr, Expr::Select(select) if select.test);
            let default = if is_label(&expression) { Absent::Text } else { absent };
            let id = expression.id;
            let optional = Box::new(self.optional(expression));
            return if has {
                node(id, method(optional, "hasValue", Vec::new()))
            } else {
                node(id, method(optional, "orValue", vec![node(id, default_of(default))]))
            };
        }
        let IdedExpr { id, expr } = expression;
        node(id, self.parts(id, expr, absent))
    }

    fn parts(&self, id: u64, expr: Expr, absent: Absent) -> Expr {
        match expr {
            Expr::Call(call) => self.call(id, call, absent),
            Expr::List(list) => {
                let elements = list.elements.into_iter().map(|element| self.of(element, Absent::Null)).collect();
                Expr::List(ListExpr { elements, ..list })
            }
            Expr::Map(mut map) => {
                for entry in &mut map.entries {
                    if let EntryExpr::MapEntry(entry) = &mut entry.expr {
                        entry.key = self.of(std::mem::take(&mut entry.key), Absent::Null);
                        entry.value = self.of(std::mem::take(&mut entry.value), Absent::Null);
                    }
                }
                Expr::Map(map)
            }
            Expr::Comprehension(mut inner) => {
                inner.iter_range = self.of(inner.iter_range, Absent::List);
                inner.loop_step = self.of(inner.loop_step, Absent::Null);
                Expr::Comprehension(inner)
            }
            Expr::Select(mut select) => {
                *select.operand = self.of(std::mem::take(&mut select.operand), Absent::Null);
                Expr::Select(select)
            }
            other => other,
        }
    }

    fn call(&self, id: u64, call: CallExpr, absent: Absent) -> Expr {
        let CallExpr { func_name, target, args } = call;
        let guards = self.guards(&func_name, &args);
        let target = target.map(|target| Box::new(self.of(*target, target_of(&func_name))));
        let differs = func_name == operators::NOT_EQUALS;
        let places = args.len();
        let args = args.into_iter().enumerate();
        let args = args.map(|(place, arg)| self.of(arg, argument_of(&func_name, place, places, absent))).collect();
        let call = Expr::Call(CallExpr { func_name, target, args });
        guards.into_iter().fold(call, |call, guard| {
            let present = method(Box::new(self.optional(guard)), "hasValue", Vec::new());
            let without = Expr::Literal(LiteralValue::Boolean(differs.into()));
            global(operators::CONDITIONAL, vec![node(id, present), node(id, call), node(id, without)])
        })
    }

    /// The parts without which a comparison is not evaluated: absent, they have neither order nor number.
    fn guards(&self, function: &str, args: &[IdedExpr]) -> Vec<IdedExpr> {
        let parts: Vec<&IdedExpr> = match function {
            operators::LESS | operators::LESS_EQUALS | operators::GREATER | operators::GREATER_EQUALS => {
                args.iter().flat_map(|arg| self.computed(arg, Within::Text)).collect()
            }
            // Absence itself equals null.
            operators::EQUALS | operators::NOT_EQUALS => {
                args.iter().filter(|arg| !self.is_open(arg)).flat_map(|arg| self.computed(arg, Within::Text)).collect()
            }
            "bool" => args.iter().flat_map(|arg| self.computed(arg, Within::Conversion)).collect(),
            _ => Vec::new(),
        };
        parts.into_iter().cloned().collect()
    }

    /// The open parts that an operand is computed from. A label is always text, which only a conversion may not take.
    fn computed<'e>(&self, operand: &'e IdedExpr, within: Within) -> Vec<&'e IdedExpr> {
        if self.is_open(operand) {
            return if is_label(operand) && within == Within::Text { Vec::new() } else { vec![operand] };
        }
        let Expr::Call(CallExpr { func_name, target: None, args }) = &operand.expr else { return Vec::new() };
        let within = match func_name.as_str() {
            "int" | "uint" | "double" => Within::Conversion,
            "string"
            | "bytes"
            | operators::NEGATE
            | operators::ADD
            | operators::SUBSTRACT
            | operators::MULTIPLY
            | operators::DIVIDE
            | operators::MODULO => Within::Text,
            _ => return Vec::new(),
        };
        args.iter().flat_map(|arg| self.computed(arg, within)).collect()
    }

    /// The optional value of an open part.
    fn optional(&self, expression: IdedExpr) -> IdedExpr {
        let id = expression.id;
        match expression.expr {
            Expr::Select(select) => {
                let field = node(id, Expr::Literal(LiteralValue::String(select.field.into())));
                node(id, global(operators::OPT_SELECT, vec![self.base(*select.operand), field]))
            }
            Expr::Call(call) => {
                let mut args = call.args.into_iter();
                let (Some(operand), Some(index)) = (args.next(), args.next()) else { return IdedExpr::default() };
                let index = self.of(index, Absent::Null);
                node(id, global(operators::OPT_INDEX, vec![self.base(operand), index]))
            }
            other => node(id, other),
        }
    }

    /// What an open part stands below: where that is open as well, one missing link makes the whole path absent.
    fn base(&self, operand: IdedExpr) -> IdedExpr {
        if self.is_open(&operand) { self.optional(operand) } else { self.of(operand, Absent::Null) }
    }

    fn is_open(&self, expression: &IdedExpr) -> bool {
        let can_be = match &expression.expr {
            Expr::Select(_) => true,
            Expr::Call(call) => call.func_name == operators::INDEX && call.args.len() == 2,
            _ => false,
        };
        can_be && self.open.contains(&expression.id)
    }
}

/// Whether an open part is a label: `event.labels.team`, `event.labels["team"]`.
fn is_label(expression: &IdedExpr) -> bool {
    let operand = match &expression.expr {
        Expr::Select(select) => Some(&*select.operand),
        Expr::Call(call) => call.args.first(),
        _ => None,
    };
    matches!(operand.map(|operand| &operand.expr), Some(Expr::Select(select))
        if select.field == "labels" && matches!(&select.operand.expr, Expr::Ident(name) if name == "event"))
}

/// What absence counts as on which a method is called.
fn target_of(function: &str) -> Absent {
    if function == "size" { Absent::List } else { Absent::Text }
}

/// What absence counts as in an argument.
fn argument_of(function: &str, place: usize, places: usize, outer: Absent) -> Absent {
    match function {
        operators::LOGICAL_AND | operators::LOGICAL_OR | operators::LOGICAL_NOT | operators::NOT_STRICTLY_FALSE => {
            Absent::False
        }
        operators::CONDITIONAL if places == 3 => {
            if place == 0 {
                Absent::False
            } else {
                outer
            }
        }
        operators::IN => {
            if place == 1 {
                Absent::List
            } else {
                Absent::Null
            }
        }
        "size" => Absent::List,
        "contains" | "endsWith" | "matches" | "startsWith" => Absent::Text,
        _ => Absent::Null,
    }
}

fn default_of(absent: Absent) -> Expr {
    match absent {
        Absent::Null => Expr::Literal(LiteralValue::Null),
        Absent::Text => Expr::Literal(LiteralValue::String(String::new().into())),
        Absent::List => Expr::List(ListExpr::new(Vec::new())),
        Absent::False => Expr::Literal(LiteralValue::Boolean(false.into())),
    }
}

fn node(id: u64, expr: Expr) -> IdedExpr {
    IdedExpr { id, expr }
}

fn global(name: &str, args: Vec<IdedExpr>) -> Expr {
    Expr::Call(CallExpr { func_name: name.to_owned(), target: None, args })
}

fn method(target: Box<IdedExpr>, name: &str, args: Vec<IdedExpr>) -> Expr {
    Expr::Call(CallExpr { func_name: name.to_owned(), target: Some(target), args })
}
