//! Memory, the size of the binary, and a body of 25 MB beside the traffic of others.

use std::fmt::Write as _;
use std::io;
use std::process::Command;
use std::time::{Duration, Instant};

use super::gateway::{Gateway, NEW, Setup};
use super::load::{Load, ask};
use super::plan::Plan;
use super::process::new_folder;
use super::report::{measure, median};
use super::requests::{Requests, SECRET, Shape};
use super::targets::{Goal, Target};
use super::{Outcome, progress};

/// All of it.
pub fn run(plan: &Plan) -> Outcome<Vec<Target>> {
    let mut targets = vec![binary()?];
    let (idle, loaded) = memory(plan)?;
    targets.push(Target::found("memory, idle", " MB", Goal::AtMost(20.0), idle));
    targets.push(Target::found("memory, full load at 256 connections", " MB", Goal::AtMost(128.0), loaded));
    targets.extend(large_body(plan)?);
    Ok(targets)
}

fn binary() -> Outcome<Target> {
    let (what, goal) = ("binary, stripped", Goal::AtMost(25.0));
    let folder = new_folder()?;
    let stripped = folder.path().join("gatepost");
    std::fs::copy(env!("CARGO_BIN_EXE_gatepost"), &stripped)?;
    Ok(match Command::new("strip").arg(&stripped).status() {
        Ok(status) if status.success() => {
            Target::found(what, " MB", goal, std::fs::metadata(&stripped)?.len() as f64 / 1e6)
        }
        Ok(status) => Target::skipped(what, " MB", goal, format!("strip ended with {status}")),
        Err(error) => Target::skipped(what, " MB", goal, format!("there is no strip: {error}")),
    })
}

/// Resident megabytes after a while without requests, and the most under load.
fn memory(plan: &Plan) -> Outcome<(f64, f64)> {
    progress("memory");
    let requests = Requests::sign(Shape::Alert, plan.requests, 0);
    let gateway = Gateway::start(&Setup::to_file())?;
    std::thread::sleep(Duration::from_secs(2));
    let idle = gateway.memory()?.now / 1e6;
    let load = Load::closed(256, plan.warm_up, plan.open);
    let (row, _) = measure(load, (gateway.address, &|| gateway.cpu()), &requests, NEW)?;
    let loaded = gateway.memory()?.most / 1e6;
    println!(
        "memory: {idle:.1} MB idle, at most {loaded:.1} MB at {:.0} req/s over {:.1?}\n",
        row.per_second, load.window
    );
    Ok((idle, loaded))
}

/// Akto's export with as many records as it ever has, while another source sends its alerts.
fn large_body(plan: &Plan) -> Outcome<Vec<Target>> {
    println!(
        "| 25 MB body of 5,000 records | p99 ms of others without | p99 ms with | its own answer, ms | most MB |\n\
         |---:|---:|---:|---:|---:|"
    );
    let (mut later, mut most, mut ratios) = (Vec::new(), Vec::new(), Vec::new());
    let load = Load::open(16, 1_000.0, plan.warm_up, plan.open);
    for repetition in 1..=plan.few.max(3) {
        progress("a large body beside the traffic of others");
        let gateway = Gateway::start(&Setup::to_file())?;
        let requests = Requests::sign(Shape::Alert, 2 * load.needs(), 0);
        let (before, after) = (requests.part(0, load.needs()), requests.part(load.needs(), load.needs()));
        let cpu = || gateway.cpu();
        let (quiet, first) = measure(load, (gateway.address, &cpu), &before, NEW)?;
        let body = export(repetition);
        let (beside, asked) = std::thread::scope(|scope| {
            let sender = scope.spawn(|| {
                std::thread::sleep(load.warm_up);
                let begun = Instant::now();
                ask(gateway.address, &body, NEW).map(|()| begun.elapsed().as_secs_f64() * 1e3)
            });
            let beside = measure(load, (gateway.address, &cpu), &after, NEW);
            (beside, sender.join().unwrap_or_else(|_| Err(io::Error::other("sending failed"))))
        });
        let (beside, second) = beside?;
        let answer_ms = asked?;
        let events = (first.sent + second.sent + RECORDS) as f64;
        gateway
            .wait_until("all records are read", Duration::from_secs(60), |metrics| metrics.read_events() >= events)?;
        let memory = gateway.memory()?.most / 1e6;
        println!("| {repetition} | {:.2} | {:.2} | {answer_ms:.0} | {memory:.1} |", quiet.p99_ms, beside.p99_ms);
        later.push(beside.p99_ms - quiet.p99_ms);
        ratios.push((beside.p99_ms - quiet.p99_ms).max(0.0) / answer_ms);
        most.push(memory);
    }
    println!();
    Ok(vec![
        Target::found("memory with a body of 25 MB", " MB", Goal::AtMost(160.0), median(most)),
        Target::found("p99 of others beside a body of 25 MB, later by", " ms", Goal::AtMost(50.0), median(later)),
        Target::found(
            "p99 of others beside a body of 25 MB, later by, of its own answer",
            "",
            Goal::Lower,
            median(ratios),
        ),
    ])
}

/// The whole request.
fn export(repetition: usize) -> Vec<u8> {
    let traffic = "GET /api/v2/files?name=../../etc/passwd and what was answered. ".repeat(70);
    let mut body = String::from("[");
    for record in 0..RECORDS {
        let comma = if record == 0 { "" } else { "," };
        let wrote = write!(
            body,
            "{comma}{{\"id\":\"{repetition:08}-{record:08}\",\"filterId\":\"LocalFileInclusionLFIRFI\",\
             \"actor\":\"198.51.100.{}\",\"latestApiEndpoint\":\"/api/v2/files\",\"latestApiMethod\":\"GET\",\
             \"latestApiOrig\":\"{{\\\"method\\\": \\\"GET\\\", \\\"path\\\": \\\"/api/v2/files\\\", \
             \\\"responsePayload\\\": \\\"{traffic}\\\", \\\"statusCode\\\": 200, \\\"time\\\": 1760000000}}\",\
             \"detectedAt\":1760000000000,\"eventType\":\"SINGLE\",\"category\":\"LFI_RFI\",\"subCategory\":\"LFI_RFI\",\
             \"refId\":\"{record:032x}\",\"status\":\"ACTIVE\",\"label\":\"threat\",\"host\":\"files.example.net\"}}",
            record % 250
        );
        wrote.expect("a String takes everything");
        // Up to 5,000 bytes a record, as in the largest exports.
        let end = 1 + (record + 1) * RECORD_BYTES;
        let length = body.len();
        body.extend(std::iter::repeat_n(' ', end.saturating_sub(length)));
    }
    body.push(']');
    let head = format!(
        "POST /webhooks/akto HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/json\r\n\
         authorization: Bearer {SECRET}\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    [head.into_bytes(), body.into_bytes()].concat()
}

const RECORDS: usize = 5_000;
const RECORD_BYTES: usize = 5_000;
