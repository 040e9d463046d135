//! The screen.

use super::super::failure::Outcome;
use super::super::output::out;
use super::super::paint::{Paint, Tone};
use super::super::replay_to::under_way;
use super::super::table::{Cell, Table};
use super::super::{moment, terminal};
use super::{DestinationReport, Report, SourceReport};
use crate::domain::Timestamp;

/// Prints it. On a terminal it takes no more lines than there are; elsewhere every source and destination is listed.
pub fn print(report: &Report) -> Outcome {
    let paint = Paint::of_stdout();
    out!("gatepost {} · {} UTC", report.version, moment::short(report.at))?;
    let summary = summary(report);
    let lines_fixed = LINES_FIXED + summary.len();
    for (what, tone, text) in summary {
        let width = terminal::width().unwrap_or(usize::MAX).saturating_sub(WHAT_WIDTH);
        out!("{what:<WHAT_WIDTH$}{}", paint.paint(tone, &terminal::line(&text, width)))?;
    }
    let rows_free = terminal::height().map_or(usize::MAX, |height| height.saturating_sub(lines_fixed));
    let reasons: Vec<String> = report.destinations.iter().filter_map(why).collect();
    let below = report.destinations.len() + reasons.len();
    let (sources, below) = shares(rows_free, report.sources.len(), below);
    // Rows with a reason are sorted first, so that every reason that is shown belongs to a row that is shown.
    let told = reasons.len().min(below / 2);
    let destinations = (below - told).min(report.destinations.len());
    out!("")?;
    source_table(report.sources.get(..sources).unwrap_or_default(), report.at).print()?;
    left_out(report.sources.len() - sources, "sources")?;
    out!("")?;
    destination_table(report.destinations.get(..destinations).unwrap_or_default(), report.at).print()?;
    for reason in reasons.iter().take(told) {
        out!("{}", paint.paint(Tone::Bad, &terminal::line(reason, terminal::width().unwrap_or(usize::MAX))))?;
    }
    left_out(report.destinations.len() - destinations, "destinations")
}

/// What is wrong with a destination.
fn why(one: &DestinationReport) -> Option<String> {
    Some(format!("{}: {}", one.name, one.reason.as_ref()?))
}

fn summary(report: &Report) -> Vec<(&'static str, Tone, String)> {
    let [waiting, leased, dead] = report.totals();
    let serve = &report.serve;
    let (tone, text) = match (serve.status, &serve.reason) {
        ("unreachable", Some(reason)) => (Tone::Bad, format!("no answer at {}: {reason}", serve.admin)),
        (status, Some(reason)) => (Tone::Bad, format!("{status}: {reason}")),
        (status, None) => (Tone::Good, format!("{status}, admin {}", serve.admin)),
    };
    let oldest = report.destinations.iter().filter_map(|one| one.oldest_waiting).min();
    let oldest = oldest.map(|at| format!(", the first for {}", moment::rough(report.at.since(at))));
    let queue = format!("{waiting} waiting{}, {leased} under way", oldest.unwrap_or_default());
    let free = report.store.free_bytes.map(|free| format!(", {} free", bytes(free))).unwrap_or_default();
    let disk = format!("{}{free} · {}", bytes(report.store.bytes), report.store.path.display());
    let letters = match dead {
        0 => "none".to_owned(),
        dead => format!("{dead} dead letters: gatepost deliveries list --state dead"),
    };
    let replays = report.replays.iter().map(|replay| ("replay", Tone::Waiting, under_way(replay)));
    let summary = [
        ("serve", tone, text),
        ("receipts", waits(report.receipts_unread), format!("{} not read yet", report.receipts_unread)),
        ("incidents", incident_tone(report), incidents(report)),
        ("queue", waits(waiting), queue),
        ("dead", if dead > 0 { Tone::Bad } else { Tone::Plain }, letters),
        ("disk", Tone::Plain, disk),
    ];
    summary.into_iter().chain(replays).collect()
}

fn incident_tone(report: &Report) -> Tone {
    let open = report.incidents.by_state.get("open").copied().unwrap_or_default();
    if open > 0 { Tone::Bad } else { Tone::Plain }
}

/// `3 open, 1 acknowledged, 2 quiet and not acknowledged; oncall is to be told for 40 s`
fn incidents(report: &Report) -> String {
    let count = |state: &str| report.incidents.by_state.get(state).copied().unwrap_or_default();
    let unattended = match report.incidents.unattended {
        0 => String::new(),
        count => format!(", {count} quiet and not acknowledged"),
    };
    let untold = report.incidents.oldest_untold.as_ref();
    let untold =
        untold.map(|one| format!("; {} untold for {}", one.destination, moment::rough(report.at.since(one.since))));
    format!("{} open, {} acknowledged{unattended}{}", count("open"), count("acknowledged"), untold.unwrap_or_default())
}

fn waits(count: u64) -> Tone {
    if count > 0 { Tone::Waiting } else { Tone::Plain }
}

fn source_table(sources: &[SourceReport], now: Timestamp) -> Table {
    let mut table = Table::new(&["SOURCE", "VENDOR", " REQUESTS 24 H", "LAST REQUEST"]);
    for source in sources {
        let more = if source.more { "+" } else { "" };
        table.row(vec![
            source.name.as_str().into(),
            source.vendor.as_deref().unwrap_or("not configured").into(),
            format!("{}{more}", source.requests_24h).into(),
            source.last_request.map_or("none lately".to_owned(), |at| moment::ago(at, now)).into(),
        ]);
    }
    table
}

fn destination_table(destinations: &[DestinationReport], now: Timestamp) -> Table {
    let mut table = Table::new(&["DESTINATION", "TYPE", "STATE", " WAITING", " DEAD", "OLDEST", "LAST TOLD"]);
    for one in destinations {
        let state = one.state.as_deref().unwrap_or("?");
        let tone = match state {
            "running" => Tone::Good,
            "?" => Tone::Faint,
            _ => Tone::Bad,
        };
        let dead = if one.dead > 0 { Tone::Bad } else { Tone::Plain };
        table.row(vec![
            one.name.as_str().into(),
            one.kind.as_deref().unwrap_or("not configured").into(),
            Cell::new(tone, state),
            Cell::new(waits(one.waiting + one.leased), (one.waiting + one.leased).to_string()),
            Cell::new(dead, one.dead.to_string()),
            one.oldest_waiting.map_or("-".to_owned(), |at| moment::rough(now.since(at))).into(),
            one.last_delivered.map_or("none lately".to_owned(), |at| moment::ago(at, now)).into(),
        ]);
    }
    table
}

fn left_out(count: usize, what: &str) -> Outcome {
    if count == 0 { Ok(()) } else { out!("and {count} more {what}: gatepost status --json") }
}

/// How many rows each table gets: destinations first, because that is where people are not told.
fn shares(rows_free: usize, sources: usize, destinations: usize) -> (usize, usize) {
    if sources + destinations <= rows_free {
        return (sources, destinations);
    }
    // A line each says what is left out.
    let rows_free = rows_free.saturating_sub(2);
    let for_destinations = destinations.min(rows_free.saturating_sub(sources.min(rows_free / 3)));
    (sources.min(rows_free - for_destinations), for_destinations)
}

/// `12.4 MiB`.
fn bytes(count: u64) -> String {
    let units = ["B", "KiB", "MiB", "GiB", "TiB"];
    let step = (0..units.len() - 1).find(|step| count >> (10 * step) < 1024).unwrap_or(units.len() - 1);
    let tenths = (u128::from(count) * 10) >> (10 * step);
    let unit = units.get(step).copied().unwrap_or_default();
    if step == 0 { format!("{count} B") } else { format!("{}.{} {unit}", tenths / 10, tenths % 10) }
}

const WHAT_WIDTH: usize = 11;
/// One for the title, two blanks, two headers, one for the prompt.
const LINES_FIXED: usize = 6;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_told_in_the_unit_that_fits() {
        let told = [0, 1023, 1024, 12_998_656, u64::MAX].map(bytes);
        assert_eq!(told, ["0 B", "1023 B", "1.0 KiB", "12.3 MiB", "16777215.9 TiB"]);
    }

    #[test]
    fn destinations_get_most_of_the_rows() {
        assert_eq!(shares(13, 5, 8), (5, 8));
        for (sources, destinations) in [(5, 9), (100, 1), (1, 100), (100, 100), (0, 14), (14, 0)] {
            let (some, others) = shares(13, sources, destinations);
            assert!(some <= sources && others <= destinations && some + others == 11, "{sources} {destinations}");
        }
        assert_eq!(shares(13, 100, 100), (3, 8));
        assert_eq!(shares(0, 3, 3), (0, 0));
    }
}
