//! Why a request is or is not authentic, step by step, for `gatepost verify`.
//!
//! The steps are those of [`Verifier::verify`]; none is written twice. What is said never holds a tag that we computed,
//! a secret, or a header's value: it is pasted into tickets.

use super::refusal::Flaw;
use super::scheme::{HmacScheme, SignedPart};
use super::signature::Context;
use super::token::TokenVerifier;
use super::trials::{self, Suspect};
use super::verifier::{Kind, Verifier};
use crate::domain::{Request, Timestamp};

/// One step of the explanation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Check {
    /// What was looked at, in a few words.
    pub name: &'static str,
    /// How it came out.
    pub finding: Finding,
    /// What was found, in one sentence.
    pub detail: String,
}

/// How a [`Check`] came out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Finding {
    /// As it should be.
    Passed,
    /// The request is refused for this.
    Failed,
    /// Neither: something to look at.
    Hint,
}

impl Verifier {
    /// Every check of [`Verifier::verify`] at `now`, also those after the first that fails, and what might be the
    /// cause. The request is authentic exactly when no check failed.
    pub fn explain(&self, request: &Request, now: Timestamp) -> Vec<Check> {
        let mut checks = Checks::default();
        match &self.kind {
            Kind::Signature(verifier) => {
                let suspect = Suspect { verifier, secrets: &self.secrets, request, now };
                suspect.explain(&mut checks);
            }
            Kind::Token(verifier) => explain_token(verifier, request, &mut checks),
            Kind::Unsigned => {
                checks.hint("scheme", "danger_unsigned is set: unauthenticated senders are accepted".into())
            }
            Kind::Decoy(_) => checks.add("source", Finding::Failed, "there is no such source".to_owned()),
        }
        checks.0
    }
}

impl Suspect<'_> {
    fn explain(&self, checks: &mut Checks) {
        let (verifier, headers) = (self.verifier, &self.request.headers);
        let scheme = &verifier.scheme;
        let value =
            checks.step("signature header", verifier.value(headers), |_| format!("{} stands once", scheme.header));
        if value.is_none() {
            trials::other_headers(&self.request.headers, &scheme.header)
                .into_iter()
                .for_each(|text| checks.hint("signature header", text));
        }
        let candidates = value.and_then(|value| {
            checks.step("signature", verifier.candidates(value), |tags| well_formed(scheme, tags.len()))
        });
        let time = checks.step_if(scheme.timestamp.is_some(), "time header", verifier.timestamp(headers));
        let id = checks.step_if(scheme.signed.contains(&SignedPart::Id), "id header", verifier.id(headers));
        if let (Some(candidates), Some(timestamp), Some(id)) = (candidates, time, id) {
            let context = Context { timestamp, id };
            let matched = verifier.matching(&candidates, &context, &self.request.body);
            let secrets = self.secrets.len();
            if checks.step("secret", matched, |slot| format!("secret {} of {secrets} made it", slot + 1)).is_none() {
                trials::of_signature(self, &candidates, &context)
                    .into_iter()
                    .for_each(|text| checks.hint("secret", text));
            }
        }
        if let (Some(_), Some(Some(text))) = (&scheme.timestamp, time) {
            checks
                .step("time", verifier.age(Some(text), self.now), |age| format!("{} s from our clock", age.as_secs()));
        }
    }
}

fn explain_token(verifier: &TokenVerifier, request: &Request, checks: &mut Checks) {
    let header = &verifier.scheme.header;
    let value = checks.step("token header", verifier.value(&request.headers), |_| format!("{header} stands once"));
    let prefix = &verifier.scheme.prefix;
    let token = value.and_then(|value| {
        checks.step("prefix", verifier.token(value), |_| match prefix.as_str() {
            "" => "none is asked for".to_owned(),
            prefix => format!("it begins with '{prefix}'"),
        })
    });
    let slot = token.and_then(|token| {
        checks.step("secret", verifier.matching(token), |slot| format!("the token is secret {}", slot + 1))
    });
    if slot.is_none() {
        trials::of_token(verifier, &request.headers).into_iter().for_each(|text| checks.hint("secret", text));
    }
}

fn well_formed(scheme: &HmacScheme, count: usize) -> String {
    let bytes = scheme.algorithm.tag_bytes();
    match count {
        1 => format!("one signature of {bytes} bytes"),
        count => format!("{count} signatures of {bytes} bytes"),
    }
}

/// The checks so far.
#[derive(Default)]
struct Checks(Vec<Check>);

impl Checks {
    fn add(&mut self, name: &'static str, finding: Finding, detail: String) {
        self.0.push(Check { name, finding, detail });
    }

    fn hint(&mut self, name: &'static str, detail: String) {
        self.add(name, Finding::Hint, detail);
    }

    /// Records a step and hands on what it found.
    fn step<T>(&mut self, name: &'static str, found: Result<T, Flaw>, says: impl FnOnce(&T) -> String) -> Option<T> {
        match found {
            Ok(value) => {
                self.add(name, Finding::Passed, says(&value));
                Some(value)
            }
            Err(flaw) => {
                self.add(name, Finding::Failed, flaw.reason);
                None
            }
        }
    }

    /// The same for a part that not every scheme has: it is said only where it has it.
    fn step_if<T>(&mut self, has: bool, name: &'static str, found: Result<T, Flaw>) -> Option<T> {
        if has { self.step(name, found, |_| "it is there and well-formed".to_owned()) } else { found.ok() }
    }
}
