//! The text of `--help` below the options: the available choices, generated from the program's own lists, and
//! examples.

use crate::destinations::KINDS;
use crate::vendors::{VENDORS, Vendor};

/// For `gatepost --help`.
pub fn overview() -> String {
    let kinds: Vec<&str> = KINDS.iter().map(|kind| kind.name).collect();
    format!(
        "Vendors and their samples:
{}
Destinations:
  {}

Examples:
  gatepost demo --once                                     see it work, with nothing configured
  gatepost init --vendor akto --destination slack          write a configuration, then
  gatepost check && gatepost serve                         run it
  gatepost send akto                                       post a signed sample
  gatepost status                                          how everything is doing
  gatepost tail                                            what is happening
  gatepost events list --severity high --since 24h         what has happened
  gatepost incidents list                                  what is not over
  gatepost incidents ack 4711                              take it
  gatepost deliveries list --state dead                    what did not arrive

Every command has its own: gatepost COMMAND --help",
        vendor_samples(),
        kinds.join(", ")
    )
}

/// For `gatepost init --help`.
pub fn kinds() -> String {
    let vendors = VENDORS.iter().map(|vendor| entry(vendor.name, vendor.title));
    let kinds = KINDS.iter().map(|kind| entry(kind.name, kind.title));
    format!(
        "Vendors:
{}
Destinations:
{}
Examples:
  gatepost init
  gatepost init --vendor secureagentics --vendor akto --destination slack --destination pagerduty
  gatepost init --vendor generic -c /etc/gatepost/gatepost.toml",
        vendors.collect::<String>(),
        kinds.collect::<String>()
    )
}

/// For `gatepost send --help`.
pub fn samples() -> String {
    format!(
        "Samples, by the vendor of the source:
{}
Examples:
  gatepost send adrian
  gatepost send adrian --sample policy.violated --count 3 --fresh
  gatepost send akto --file body.json --url https://gatepost.example.com/webhooks/akto",
        vendor_samples()
    )
}

fn vendor_samples() -> String {
    let samples = |vendor: &&Vendor| {
        let names: Vec<&str> = vendor.samples.iter().map(|sample| sample.name).collect();
        entry(vendor.name, &names.join(", "))
    };
    VENDORS.iter().map(samples).collect()
}

fn entry(name: &str, text: &str) -> String {
    format!("  {name:<16} {text}\n")
}
