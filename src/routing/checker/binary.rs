//! Operators of two operands: what goes with what.

use cel::IdedExpr;
use cel::common::ast::{Expr, operators};

use super::Checker;
use crate::routing::operand::{Operand, pair};
use crate::routing::remedy;
use crate::routing::spell::{binary, spell};
use crate::routing::types::{Shape, Type};

impl Checker<'_> {
    pub(super) fn contained(&mut self, item: &IdedExpr, container: &IdedExpr) -> Type {
        let item_kind = self.of(item);
        // Element by element: a fault names the element, and a mixed list hides none.
        if let Expr::List(list) = &container.expr {
            let kinds: Vec<Type> = list.elements.iter().map(|element| self.of(element)).collect();
            let severities = |kind: &Type| matches!(kind, Type::Severity | Type::Unknown);
            if item_kind != Type::Severity && !kinds.contains(&Type::Severity) {
                for (element, kind) in list.elements.iter().zip(&kinds) {
                    self.equal(operators::EQUALS, (item, &item_kind), (element, kind));
                }
            } else if !severities(&item_kind) || !kinds.iter().all(severities) {
                self.severity_compared("in", (item, &item_kind), (container, &Type::Unknown));
            }
            return Type::Bool;
        }
        let kind = self.of(container);
        let (spelled, spelled_item) = (spell(container), spell(item));
        match &kind {
            Type::Unknown => {}
            Type::Any if item_kind.holds_severity() => {
                self.severity_compared("in", (item, &item_kind), (container, &kind));
            }
            Type::Any => {}
            Type::List(element) => self.equal_in("in", (item, &item_kind), (container, element)),
            Type::Map(key, _) if key.is_text() && !item_kind.may_be_text() => {
                let message = format!("the names in {spelled} are texts, not {}", item_kind.named());
                self.fail(message, format!("write the name in quotes: \"{spelled_item}\" in {spelled}"));
            }
            Type::Map(key, _) => self.equal_in("in", (item, &item_kind), (container, key)),
            Type::Severity => {
                self.fail(
                    format!("{spelled} is one severity, not a list"),
                    format!("write {spelled_item} == {spelled}, or {spelled_item} in [{spelled}]"),
                );
            }
            Type::Text(_) => {
                let remedy = format!("write {spelled}.contains({spelled_item})");
                self.fail(format!("{spelled} is a text, not a list"), remedy);
            }
            other => {
                self.fail(format!("{spelled} is {}, not a list", other.named()), remedy::for_misuse(other, &spelled));
            }
        }
        Type::Bool
    }

    /// Whether two operands can be equal.
    pub(super) fn equal(&mut self, operator: &str, left: Operand<'_>, right: Operand<'_>) {
        self.equal_in(binary(operator).unwrap_or(operator), left, right);
    }

    pub(super) fn equal_in(&mut self, sign: &str, left: Operand<'_>, right: Operand<'_>) {
        if left.1.holds_severity() != right.1.holds_severity() && *left.1 != Type::Unknown && *right.1 != Type::Unknown
        {
            return self.severity_compared(sign, left, right);
        }
        for operand in [left, right] {
            if matches!(operand.1, Type::Event | Type::Group(_)) {
                let spelled = spell(operand.0);
                self.fail(format!("{spelled} is {}", operand.1.named()), remedy::for_misuse(operand.1, &spelled));
                return;
            }
        }
        if can_equal(left.1, right.1) {
            self.words_fit(left, right);
            return self.words_fit(right, left);
        }
        let (message, remedy) = remedy::for_equality(sign, left, right);
        self.fail(message, remedy);
    }

    pub(super) fn ordered(&mut self, operator: &str, left: Operand<'_>, right: Operand<'_>) {
        let sign = binary(operator).unwrap_or(operator);
        let either = |wanted: &dyn Fn(&Type) -> bool| wanted(left.1) || wanted(right.1);
        if either(&|kind| *kind == Type::Unknown) || (*left.1 == Type::Severity && *right.1 == Type::Severity) {
            return;
        }
        if either(&Type::holds_severity) {
            return self.severity_compared(sign, left, right);
        }
        let orders = |kind: &Type| {
            kind.is_number()
                || matches!(kind, Type::Any | Type::Bytes | Type::Text(Shape::Free | Shape::Label | Shape::Time))
        };
        if orders(left.1) && orders(right.1) && can_equal(left.1, right.1) {
            self.words_fit(left, right);
            return self.words_fit(right, left);
        }
        let (message, remedy) = remedy::for_order(sign, left, right);
        self.fail(message, remedy);
    }

    pub(super) fn arithmetic(&mut self, operator: &str, left: &IdedExpr, right: &IdedExpr) -> Type {
        let kinds = (self.of(left), self.of(right));
        let sign = binary(operator).unwrap_or(operator);
        match &kinds {
            (Type::Unknown, _) | (_, Type::Unknown) => Type::Unknown,
            (Type::Severity, _) => self.severity_misused(&spell(left)),
            (_, Type::Severity) => self.severity_misused(&spell(right)),
            (Type::Any, other) | (other, Type::Any) if other.is_open() || adds(sign, other) => Type::Any,
            (Type::Text(_), Type::Text(_)) if sign == "+" => Type::Text(Shape::Free),
            (left_kind, right_kind) if left_kind == right_kind && adds(sign, left_kind) => left_kind.clone(),
            (Type::List(_), Type::List(_)) if sign == "+" => match kinds.0.join(&kinds.1) {
                Some(joined) => joined,
                None if kinds.0.holds_severity() || kinds.1.holds_severity() => self.severity_misused(&spell(left)),
                None => Type::List(Box::new(Type::Any)),
            },
            (left_kind, right_kind) => {
                let message = format!("'{sign}' does not go with {}", pair(left_kind, right_kind));
                let remedy = match (left_kind, right_kind) {
                    (Type::Text(_), number) if number.is_number() => format!("write string({})", spell(right)),
                    (number, Type::Text(_)) if number.is_number() => format!("write string({})", spell(left)),
                    _ => "let both operands be of one type: int(…), double(…) and string(…) convert".to_owned(),
                };
                self.fail(message, remedy)
            }
        }
    }

    fn severity_compared(&mut self, sign: &str, left: Operand<'_>, right: Operand<'_>) {
        let (message, remedy) = remedy::for_severity(sign, left, right);
        self.fail(message, remedy);
    }

    /// Whether the texts on one side are ones that the field on the other side can hold.
    fn words_fit(&mut self, field: Operand<'_>, texts: Operand<'_>) {
        let Type::Text(shape) = field.1 else { return };
        for word in self.words(texts.0) {
            if let Some((message, remedy)) = remedy::for_word(*shape, &spell(field.0), &word, self.known) {
                self.fail(message, remedy);
            }
        }
    }
}

fn can_equal(left: &Type, right: &Type) -> bool {
    match (left, right) {
        (left, right) if left.is_open() || right.is_open() => true,
        (left, right) if left.is_number() && right.is_number() => true,
        (Type::Text(_), Type::Text(_)) => true,
        (Type::List(left), Type::List(right)) => can_equal(left, right),
        (Type::Map(key, value), Type::Map(other_key, other_value)) => {
            can_equal(key, other_key) && can_equal(value, other_value)
        }
        (left, right) => left == right,
    }
}

/// Whether two operands of this type go with an arithmetic sign.
fn adds(sign: &str, kind: &Type) -> bool {
    match kind {
        Type::Int | Type::Uint => true,
        Type::Double => sign != "%",
        Type::Text(_) | Type::Bytes | Type::List(_) => sign == "+",
        _ => false,
    }
}
