//! `[sources.NAME]`: who sends, and what it may send.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::domain::{Severity, SourceName};
use crate::incidents::GroupBy;
use crate::settings::Section;
use crate::vendors::{self, BacklogLimit, OnOld, Source, Sources, Vendor};
use crate::verify::Verifier;

use super::incidents;
use super::names::name_of;

/// Reads every source; those at fault are left out, their faults recorded.
///
/// Beside them: what the events of one incident have in common, and how long a source may send nothing, for those that say so.
pub fn read(root: &Section<'_>) -> (Sources, BTreeMap<SourceName, GroupBy>, BTreeMap<SourceName, Duration>) {
    let mut sources = Sources::new();
    let (mut grouping, mut expectations) = (BTreeMap::new(), BTreeMap::new());
    for section in root.named_sections("sources") {
        if let Some((source, group_by, expect)) = read_source(section) {
            grouping.extend(group_by.map(|group_by| (source.name.clone(), group_by)));
            expectations.extend(expect.map(|expect| (source.name.clone(), expect)));
            sources.insert(source.name.clone(), source);
        }
    }
    if sources.is_empty() && !root.any_error() {
        root.warn("sources", "there is no source, so nothing can come in", "add [sources.NAME] with a vendor");
    }
    (sources, grouping, expectations)
}

fn read_source(section: Section<'_>) -> Option<(Source, Option<GroupBy>, Option<Duration>)> {
    let name = name_of(&section).filter(|name| is_free(&section, name));
    let vendor = read_vendor(&section);
    let body_limit_bytes = section.size("body_limit", BODY_LIMIT_LEAST..BODY_LIMIT_MOST + 1);
    let gzip = section.switch("gzip");
    let default_severity = section.choice("default_severity", &Severity::SCALE);
    let rate_limit = read_rate_limit(&section);
    let backlog_limit = read_backlog(&section);
    let repeat_window = section.duration("repeat_window", Duration::from_secs(1)..REPEAT_WINDOW_MOST);
    let danger_trust_unsigned_id = section.flag("danger_trust_unsigned_id");
    let group_by = incidents::read_group_by(&section);
    let expect = section.duration("expect", Duration::from_secs(1)..EXPECT_MOST);
    let on_old = section.choice("on_old", &[("deliver", OnOld::Deliver), ("quarantine", OnOld::Quarantine)]);
    let Some(vendor) = vendor else {
        // Which further settings there are depends on the vendor; whether the secrets can be read does not.
        drop(section.secrets("secrets"));
        return None;
    };
    let verifier = Verifier::from_settings(&section, vendor.scheme);
    let normalizer = (vendor.normalizer)(&section);
    section.finish();
    let verifier = verifier?;
    let normalizer = normalizer?;
    let fits = if verifier.is_replayable() { OnOld::QuarantineDocumented } else { OnOld::Deliver };
    let source = Source {
        name: name?,
        vendor,
        on_old: on_old.unwrap_or(fits),
        verifier,
        normalizer,
        default_severity: default_severity.unwrap_or(vendor.default_severity),
        body_limit_bytes: body_limit_bytes.unwrap_or(vendor.body_limit_bytes),
        gzip: gzip.unwrap_or(vendor.gzip),
        rate_limit_per_second: rate_limit,
        backlog_limit,
        repeat_window: repeat_window.unwrap_or(REPEAT_WINDOW),
        danger_trust_unsigned_id,
    };
    warn_of_trusted_ids(&section, &source);
    Some((source, group_by, expect))
}

/// Whether a source may have this name.
fn is_free(section: &Section<'_>, name: &SourceName) -> bool {
    let is_own = *name == SourceName::own();
    if is_own {
        section.fault("", "has the name under which gatepost tells about itself", "choose another one");
    }
    !is_own
}

fn warn_of_trusted_ids(section: &Section<'_>, source: &Source) {
    match (source.danger_trust_unsigned_id, source.has_replayable_ids()) {
        (true, true) => {
            let message = "a captured request is told again each time that it is sent under another id";
            section.warn("danger_trust_unsigned_id", message, "remove it, or have the vendor sign the id");
        }
        (true, false) => {
            let message = "is not needed: no captured request can be sent under another id";
            section.warn("danger_trust_unsigned_id", message, "remove it");
        }
        (false, _) => {}
    }
}

fn read_vendor(section: &Section<'_>) -> Option<&'static Vendor> {
    section.required_text("vendor")?;
    let known: Vec<(&str, &Vendor)> = vendors::VENDORS.iter().map(|vendor| (vendor.name, *vendor)).collect();
    let vendor = section.choice("vendor", &known)?;
    vendors::find(vendor.name)
}

/// `rate_limit = "100/s"`.
fn read_rate_limit(section: &Section<'_>) -> Option<u32> {
    let text = section.text("rate_limit")?;
    let number = text.strip_suffix("/s").and_then(|number| number.trim().parse::<u32>().ok());
    if !matches!(number, Some(1..=1_000_000)) {
        section.fault("rate_limit", &format!("'{text}' is not a rate"), "write requests per second, such as 100/s");
        return None;
    }
    number
}

/// `backlog = { events = 1000000, bytes = "1GiB" }`. A request counts as one event: how many it holds is known when it is
/// read.
fn read_backlog(source: &Section<'_>) -> BacklogLimit {
    let mut limit = BacklogLimit { requests: 1_000_000, bytes: 1 << 30 };
    if let Some(section) = source.section("backlog") {
        let requests = section.integer("events", 1..BACKLOG_EVENTS_MOST + 1);
        limit.requests = requests.and_then(|requests| u64::try_from(requests).ok()).unwrap_or(limit.requests);
        limit.bytes = section.size("bytes", BODY_LIMIT_LEAST..BACKLOG_BYTES_MOST + 1).unwrap_or(limit.bytes);
        section.finish();
    }
    limit
}

/// Long enough for the retries of most who have no ids, and over before a check that runs once an hour says the same again.
const REPEAT_WINDOW: Duration = Duration::from_secs(30 * 60);
/// As long as keys are kept unless the operator says otherwise.
const REPEAT_WINDOW_MOST: Duration = Duration::from_secs(30 * 24 * 3600 + 1);
/// A source that sends more rarely is not watched by its silence.
const EXPECT_MOST: Duration = Duration::from_secs(90 * 24 * 3600 + 1);
/// Less holds no alert.
const BODY_LIMIT_LEAST: u64 = 1 << 10;
/// What one body may cost in memory.
const BODY_LIMIT_MOST: u64 = 64 << 20;
/// More is not read within a day.
const BACKLOG_EVENTS_MOST: i64 = 1_000_000_000;
/// As large a disk is seldom.
const BACKLOG_BYTES_MOST: u64 = 1 << 40;
