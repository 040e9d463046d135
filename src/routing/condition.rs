//! A CEL condition over one event.
//!
//! The condition sees `event`, the published JSON form of the event in which every named field is present (absent text
//! is `""`, absent numbers are 0), and the severities as constants, so that `event.severity >= high` reads as it sounds.

use std::collections::{BTreeMap, HashMap};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, LazyLock};

use cel::common::ast::{Expr, IdedExpr, LiteralValue};
use cel::objects::{Key, Map};
use cel::{Context, Env, ExecutionError, Program, Value};

use crate::domain::{Event, EventOutcome, Severity};

/// A compiled condition.
pub struct Condition {
    source: String,
    program: Program,
    /// The paths below `event` whose absence is not asked for with `has`: `labels.team`, `unmapped.n`.
    open: Vec<String>,
}

/// What a condition says of an event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Judgement {
    /// It holds.
    Holds,
    /// It does not hold.
    Fails,
    /// It cannot be decided; the text says why.
    Undecided(String),
}

/// Why a condition cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConditionFault {
    /// It is not CEL.
    #[error("is not valid CEL: {0}")]
    Syntax(String),
    /// It is longer than conditions may be.
    #[error("is longer than {CONDITION_CHARS_MAX} characters")]
    TooLong,
    /// It nests deeper than conditions may.
    #[error("nests brackets deeper than {NESTING_MAX} levels")]
    TooDeep,
    /// It names something that does not exist.
    #[error("names '{name}', which does not exist")]
    UnknownName {
        /// The name.
        name: String,
        /// The nearest one that exists.
        near: Option<&'static str>,
    },
    /// It does not answer yes or no.
    #[error("answers {0} where it should answer true or false")]
    NotBoolean(String),
    /// It compares what cannot be compared, or calls a function that does not exist.
    #[error("cannot be evaluated: {0}")]
    Unusable(String),
}

impl Condition {
    /// Compiles a condition and tries it on a specimen event, so that names and types are known to be right.
    pub fn compile(source: &str) -> Result<Self, ConditionFault> {
        if source.chars().count() > CONDITION_CHARS_MAX {
            return Err(ConditionFault::TooLong);
        }
        // The parser recurses: what is nested without end would take the stack with it.
        if nesting(source) > NESTING_MAX {
            return Err(ConditionFault::TooDeep);
        }
        let program = Program::compile(source).map_err(|errors| ConditionFault::Syntax(first_message(&errors)))?;
        let mut names = Names::default();
        names.collect(program.expression());
        names.paths.iter().try_for_each(|path| known_path(path))?;
        for variable in program.references().variables() {
            if !names.bound.iter().any(|bound| bound == variable) {
                known_variable(variable)?;
            }
        }
        let is_open = |path: &&String| path.starts_with("labels.") || path.starts_with("unmapped.");
        let open = names.paths.iter().filter(is_open).filter(|path| !names.asked.contains(path)).cloned().collect();
        let condition = Self { source: source.to_owned(), program, open };
        match condition.evaluate(&Facts::of(&specimen())) {
            Ok(Value::Bool(_)) | Err(ExecutionError::NoSuchKey(_)) => Ok(condition),
            Ok(other) => Err(ConditionFault::NotBoolean(format!("{:?}", other.type_of()).to_lowercase())),
            Err(error) => Err(ConditionFault::Unusable(error.to_string())),
        }
    }

    /// The text that the operator wrote.
    pub fn source(&self) -> &str {
        &self.source
    }

    /// Judges an event. A label that the event does not have counts as `""`, and what is absent below `unmapped` as null:
    /// `event.labels.test != "true"` holds for an event that nobody has labelled.
    pub fn judge(&self, facts: &Facts) -> Judgement {
        guarded(|| {
            let answer = match self.evaluate(facts) {
                Err(ExecutionError::NoSuchKey(_)) => self.evaluate(&facts.with_absent(&self.open)),
                answer => answer,
            };
            match answer {
                Ok(Value::Bool(true)) => Judgement::Holds,
                Ok(Value::Bool(false)) => Judgement::Fails,
                Ok(other) => Judgement::Undecided(format!("it answers {:?}", other.type_of())),
                Err(error) => Judgement::Undecided(error.to_string()),
            }
        })
    }

    fn evaluate(&self, facts: &Facts) -> Result<Value, ExecutionError> {
        let mut context = Context::with_env(Arc::clone(&ENV));
        context.add_variable_from_value("event", facts.0.clone());
        for (word, severity) in Severity::SCALE {
            context.add_variable_from_value(word, i64::from(severity.id()));
        }
        self.program.execute(&context)
    }
}

impl std::fmt::Debug for Condition {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Condition").field(&self.source).finish()
    }
}

/// A panic of the evaluator decides nothing: what an attacker writes into an event must not keep it from being routed.
fn guarded(judge: impl FnOnce() -> Judgement) -> Judgement {
    let judged = catch_unwind(AssertUnwindSafe(judge));
    judged.unwrap_or_else(|_| Judgement::Undecided("evaluating it failed, which is a defect of gatepost".to_owned()))
}

/// An event as conditions see it: made once, judged by every route.
pub struct Facts(Value);

impl Facts {
    /// The facts of an event.
    pub fn of(event: &Event) -> Self {
        let text = |text: &str| Value::String(Arc::new(text.to_owned()));
        let maybe = |text: &Option<String>| Value::String(Arc::new(text.clone().unwrap_or_default()));
        let rule = event.rule.clone().unwrap_or_default();
        let actor = event.actor.clone().unwrap_or_default();
        let target = event.target.clone().unwrap_or_default();
        let labels = event.labels.iter().map(|(name, value)| (name.as_str(), text(value)));
        Self(map([
            ("id", text(&event.id.to_string())),
            ("key", text(&event.key.to_string())),
            ("vendor_id", maybe(&event.vendor_id)),
            ("receipt", text(&event.receipt.to_string())),
            ("source", text(event.source.as_str())),
            ("vendor", text(&event.vendor)),
            ("type", text(&event.kind)),
            ("time", text(&event.time.to_string())),
            ("received_at", text(&event.received_at.to_string())),
            ("severity", Value::Int(event.severity.rank().into())),
            ("title", text(&event.title)),
            ("message", maybe(&event.message)),
            ("outcome", text(event.outcome.map_or("", EventOutcome::as_str))),
            ("status", maybe(&event.status)),
            ("rule", map([("id", maybe(&rule.id)), ("name", maybe(&rule.name))])),
            (
                "actor",
                map([
                    ("ip", text(&actor.ip.map(|ip| ip.to_string()).unwrap_or_default())),
                    ("user", maybe(&actor.user)),
                    ("country", maybe(&actor.country)),
                ]),
            ),
            (
                "target",
                map([
                    ("method", maybe(&target.method)),
                    ("url", maybe(&target.url)),
                    ("host", maybe(&target.host)),
                    ("agent", maybe(&target.agent)),
                ]),
            ),
            ("labels", map(labels)),
            ("unmapped", map(event.unmapped.iter().map(|(name, value)| (name.as_str(), from_json(value))))),
        ]))
    }
}

impl Facts {
    /// The same facts with these paths present, as what absence counts as.
    fn with_absent(&self, paths: &[String]) -> Self {
        let Value::Map(event) = &self.0 else { return Self(self.0.clone()) };
        let mut fields = event.map.as_ref().clone();
        for path in paths {
            let Some((group, name)) = path.split_once('.') else { continue };
            let Some(Value::Map(entries)) = fields.get_mut(&key_of(group)) else { continue };
            let absent = if group == "labels" { Value::String(Arc::default()) } else { Value::Null };
            Arc::make_mut(&mut entries.map).entry(key_of(name)).or_insert(absent);
        }
        Self(Value::Map(Map { map: Arc::new(fields) }))
    }
}

fn key_of(name: &str) -> Key {
    Key::String(Arc::new(name.to_owned()))
}

fn map<'a>(entries: impl IntoIterator<Item = (&'a str, Value)>) -> Value {
    let entries: HashMap<Key, Value> =
        entries.into_iter().map(|(name, value)| (Key::String(Arc::new(name.to_owned())), value)).collect();
    Value::Map(Map { map: Arc::new(entries) })
}

fn from_json(json: &serde_json::Value) -> Value {
    use serde_json::Value as Json;
    match json {
        Json::Null => Value::Null,
        Json::Bool(flag) => Value::Bool(*flag),
        Json::Number(number) => match number.as_i64() {
            Some(whole) => Value::Int(whole),
            None => Value::Float(number.as_f64().unwrap_or(f64::NAN)),
        },
        Json::String(text) => Value::String(Arc::new(text.clone())),
        Json::Array(items) => Value::List(Arc::new(items.iter().map(from_json).collect())),
        Json::Object(fields) => map(fields.iter().map(|(name, value)| (name.as_str(), from_json(value)))),
    }
}

/// The names in an expression.
#[derive(Default)]
struct Names {
    /// Every path below `event` that is selected: `event.actor.ip` gives `actor` and `actor.ip`.
    paths: Vec<String>,
    /// Those of them that `has` asks for.
    asked: Vec<String>,
    /// The variables that comprehensions such as `exists` bring along.
    bound: Vec<String>,
}

impl Names {
    fn collect(&mut self, expression: &IdedExpr) {
        match &expression.expr {
            Expr::Select(select) => {
                if select.test {
                    self.asked.extend(path_of(expression));
                }
                self.paths.extend(path_of(expression));
                self.collect(&select.operand);
            }
            Expr::Call(call) => {
                self.paths.extend(indexed(call));
                call.target.iter().map(AsRef::as_ref).chain(&call.args).for_each(|part| self.collect(part))
            }
            Expr::List(list) => list.elements.iter().for_each(|element| self.collect(element)),
            Expr::Comprehension(inner) => {
                self.bound.push(inner.iter_var.clone());
                for part in [&inner.iter_range, &inner.loop_cond, &inner.loop_step, &inner.result] {
                    self.collect(part);
                }
            }
            _ => {}
        }
    }
}

/// The path that `event.labels["team"]` means.
fn indexed(call: &cel::common::ast::CallExpr) -> Option<String> {
    let [operand, index] = call.args.as_slice() else { return None };
    let (path, Expr::Literal(LiteralValue::String(name))) = (path_of(operand)?, &index.expr) else { return None };
    (call.func_name == "_[_]" && !path.is_empty()).then(|| format!("{path}.{}", name.inner()))
}

/// The path below `event` of an expression that is one; `""` for `event` itself.
fn path_of(expression: &IdedExpr) -> Option<String> {
    match &expression.expr {
        Expr::Ident(name) if name == "event" => Some(String::new()),
        Expr::Select(select) => {
            let path = path_of(&select.operand)?;
            Some(if path.is_empty() { select.field.clone() } else { format!("{path}.{}", select.field) })
        }
        _ => None,
    }
}

fn known_path(path: &str) -> Result<(), ConditionFault> {
    let open = path.starts_with("labels.") || path.starts_with("unmapped.");
    if open || PATHS.contains(&path) {
        return Ok(());
    }
    Err(ConditionFault::UnknownName { name: format!("event.{path}"), near: nearest(path, PATHS) })
}

fn known_variable(name: &str) -> Result<(), ConditionFault> {
    let severity = Severity::SCALE.iter().any(|(word, _)| *word == name);
    // Variables of comprehensions begin with '@' inside the parser, and are named by the operator otherwise.
    if name == "event" || severity || name.starts_with('@') {
        return Ok(());
    }
    Err(ConditionFault::UnknownName { name: name.to_owned(), near: nearest(name, VARIABLES) })
}

fn nearest(name: &str, known: &[&'static str]) -> Option<&'static str> {
    let scored = known.iter().map(|candidate| (strsim::jaro_winkler(name, candidate), *candidate));
    scored.filter(|(score, _)| *score > 0.8).max_by(|a, b| a.0.total_cmp(&b.0)).map(|(_, candidate)| candidate)
}

/// How deep the brackets of a text nest, whatever stands between them.
fn nesting(source: &str) -> usize {
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

fn first_message(errors: &cel::ParseErrors) -> String {
    errors.errors.first().map(|error| error.msg.clone()).unwrap_or_else(|| "it cannot be parsed".to_owned())
}

/// An event in which everything is present, to try conditions on.
fn specimen() -> Event {
    use crate::domain::{Actor, Draft, Encoding, Receipt, ReceiptId, Rule, Target, Timestamp};
    let some = || Some("x".to_owned());
    let receipt = Receipt {
        id: ReceiptId::generate(),
        source: "specimen".parse().unwrap_or_else(|_| unreachable!("a constant name")),
        received_at: Timestamp::default(),
        content_type: None,
        encoding: Encoding::Identity,
        body: bytes::Bytes::new(),
    };
    let draft = Draft {
        kind: "x".to_owned(),
        title: "x".to_owned(),
        message: some(),
        rule: Some(Rule { id: some(), name: some() }),
        actor: Some(Actor { ip: None, user: some(), country: some() }),
        target: Some(Target { method: some(), url: some(), host: some(), agent: some() }),
        status: some(),
        labels: BTreeMap::new(),
        ..Draft::default()
    };
    draft.into_event(&receipt, "x", Severity::High, 0)
}

/// CEL's standard library, made once.
static ENV: LazyLock<Arc<Env>> = LazyLock::new(|| Arc::new(Env::stdlib()));

const VARIABLES: &[&str] = &["event", "informational", "low", "medium", "high", "critical", "fatal"];

/// What stands below `event`; below `labels` and `unmapped` stands whatever the vendor sends.
const PATHS: &[&str] = &[
    "id",
    "key",
    "vendor_id",
    "receipt",
    "source",
    "vendor",
    "type",
    "time",
    "received_at",
    "severity",
    "title",
    "message",
    "outcome",
    "status",
    "rule",
    "rule.id",
    "rule.name",
    "actor",
    "actor.ip",
    "actor.user",
    "actor.country",
    "target",
    "target.method",
    "target.url",
    "target.host",
    "target.agent",
    "labels",
    "unmapped",
];

/// Deeper than anybody nests by hand.
const NESTING_MAX: usize = 16;
/// A condition that is longer is a program.
const CONDITION_CHARS_MAX: usize = 4096;

#[cfg(test)]
mod tests {
    use super::*;

    fn judge(source: &str, event: &Event) -> Judgement {
        Condition::compile(source).unwrap().judge(&Facts::of(event))
    }

    #[test]
    fn a_panic_of_the_evaluator_decides_nothing() {
        assert!(matches!(guarded(|| panic!("a defect")), Judgement::Undecided(_)));
        assert_eq!(guarded(|| Judgement::Fails), Judgement::Fails);
    }

    #[test]
    fn conditions_read_as_they_sound() {
        let mut event = specimen();
        event.labels.insert("team".to_owned(), "red".to_owned());
        (event.outcome, event.vendor_id) = (Some(EventOutcome::Succeeded), Some("alr_1".to_owned()));
        for holds in [
            "event.severity >= high",
            "event.severity == high && event.vendor == 'x'",
            "event.title.contains('x')",
            "event.outcome == 'succeeded' && event.vendor_id == 'alr_1'",
            "event.actor.ip == ''",
            "event.labels.team == 'red'",
            "event.labels['team'] in ['red', 'blue']",
            "['x', 'y'].exists(t, t == event.type)",
            "event.type.matches('^x$')",
            "has(event.labels.team)",
            "event.labels.none != 'x'",
            "!(event.labels.none == 'x')",
            "event.labels['none'] == ''",
            "!(event.unmapped.muted == true)",
            "!has(event.labels.none)",
            "true",
        ] {
            assert_eq!(judge(holds, &event), Judgement::Holds, "{holds}");
        }
        for fails in [
            "event.severity > high",
            "event.labels.none == 'x'",
            "has(event.labels.none) && event.labels.none != 'x'",
            "event.unmapped.muted == true",
            "false",
        ] {
            assert_eq!(judge(fails, &event), Judgement::Fails, "{fails}");
        }
        event.severity = Severity::Other;
        assert_eq!(judge("event.severity >= low", &event), Judgement::Fails);
    }

    #[test]
    fn what_cannot_be_decided_says_so() {
        let mut event = specimen();
        event.unmapped.insert("n".to_owned(), "text".into());
        assert!(matches!(judge("event.unmapped.n > 3", &event), Judgement::Undecided(_)));
    }

    #[test]
    fn faults_are_found_before_the_first_event() {
        let fault = |source: &str| Condition::compile(source).unwrap_err();
        assert!(matches!(fault("event.severity >="), ConditionFault::Syntax(_)));
        assert!(matches!(fault(""), ConditionFault::Syntax(_)));
        assert_eq!(
            fault("event.sevrity >= high"),
            ConditionFault::UnknownName { name: "event.sevrity".to_owned(), near: Some("severity") }
        );
        assert_eq!(
            fault("event.severity >= hihg"),
            ConditionFault::UnknownName { name: "hihg".to_owned(), near: Some("high") }
        );
        assert!(matches!(fault("event.actor.name == ''"), ConditionFault::UnknownName { .. }));
        assert!(matches!(fault("event.severity"), ConditionFault::NotBoolean(_)));
        assert!(matches!(fault("event.title >= high"), ConditionFault::Unusable(_)));
        assert!(matches!(fault("nonsense(event.title)"), ConditionFault::Unusable(_)));
        assert_eq!(fault(&"(".repeat(5000)), ConditionFault::TooLong);
        assert_eq!(fault(&"(".repeat(2000)), ConditionFault::TooDeep);
        for chained in ["!".repeat(2000) + "true", "-".repeat(2000) + "1", "true ? true : ".repeat(200) + "true"] {
            let verdict = Condition::compile(&chained);
            assert!(
                verdict.is_ok() || matches!(verdict, Err(ConditionFault::Syntax(_) | ConditionFault::NotBoolean(_)))
            );
        }
    }
}
