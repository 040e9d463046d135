//! A CEL condition over one event.
//!
//! The condition sees `event`, the published JSON form of the event in which every field of [`super::fields`] is present
//! (absent text is `""`), and the severities as constants, so that `event.severity >= high` reads as it sounds. It is
//! checked when it is compiled; what can still be undecided is an unmapped field of another type than is expected.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use cel::{Context, ExecutionError, IdedExpr, Value};

use super::checker::check;
use super::complete::complete;
use super::environment::ENV;
use super::error::ConditionError;
pub use super::fields::{Asked, Facts};
use super::known::KnownNames;
use super::parse::parse;
use crate::domain::Severity;

/// A compiled condition.
pub struct Condition {
    source: String,
    expression: IdedExpr,
}

/// What a condition says of an event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decision {
    /// It holds.
    Holds,
    /// It does not hold.
    Fails,
    /// It cannot be decided; the text says why.
    Undecided(String),
}

impl Condition {
    /// Compiles a condition; the faults, all of them, where it is not sound.
    pub fn compile(source: &str, known: &KnownNames) -> Result<Self, Vec<ConditionError>> {
        let expression = parse(source).map_err(|error| vec![error])?;
        let checked = check(&expression, known)?;
        Ok(Self { source: source.to_owned(), expression: complete(expression, &checked.open) })
    }

    /// The text that the operator wrote.
    pub fn source(&self) -> &str {
        &self.source
    }

    /// Decides an event.
    pub fn decide(&self, facts: &Facts) -> Decision {
        guarded(|| match self.evaluate(facts) {
            Ok(Value::Bool(true)) => Decision::Holds,
            Ok(Value::Bool(false)) => Decision::Fails,
            Ok(other) => Decision::Undecided(format!("it answers {:?}", other.type_of())),
            Err(error) => Decision::Undecided(error.to_string()),
        })
    }

    fn evaluate(&self, facts: &Facts) -> Result<Value, ExecutionError> {
        let mut context = Context::with_env(Arc::clone(&ENV));
        context.add_variable_from_value("event", facts.0.clone());
        for (word, severity) in Severity::SCALE {
            context.add_variable_from_value(word, i64::from(severity.id()));
        }
        Value::resolve(&self.expression, &context)
    }
}

impl std::fmt::Debug for Condition {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Condition").field(&self.source).finish()
    }
}

/// A panic of the evaluator decides nothing: what an attacker writes into an event must not keep it from being routed.
fn guarded(decide: impl FnOnce() -> Decision) -> Decision {
    let decided = catch_unwind(AssertUnwindSafe(decide));
    decided.unwrap_or_else(|_| Decision::Undecided("evaluating it failed, which is a defect of gatepost".to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_of_the_evaluator_decides_nothing() {
        assert!(matches!(guarded(|| panic!("a defect")), Decision::Undecided(_)));
        assert_eq!(guarded(|| Decision::Fails), Decision::Fails);
    }
}
