//! Any gatepost.toml yields a configuration or faults with lines, and no fault repeats a
//! secret.

#![no_main]

use gatepost::config::Config;
use gatepost::settings::{Environment, PathFacts};
use libfuzzer_sys::fuzz_target;

const CANARY: &str = "canary-0123456789abcdef0123456789";

fuzz_target!(|text: &str| {
    let environment = Environment {
        variable: Box::new(|_| Some(CANARY.to_owned())),
        read_file: Box::new(|_| Ok(CANARY.as_bytes().to_vec())),
        paths: PathFacts::default(),
        now: gatepost::domain::Timestamp::from_millis(1_795_000_000_000),
        base: std::path::PathBuf::from("/nowhere"),
    };
    let lines = text.lines().count() + 1;
    match Config::parse(text, &environment) {
        Ok(config) => assert!(config.warnings.iter().all(|fault| !fault.to_string().contains(CANARY))),
        Err(faults) => {
            assert!(!faults.is_empty(), "refused without a reason");
            for fault in faults {
                assert!((1..=lines).contains(&fault.line), "{fault}");
                assert!(!fault.to_string().contains(CANARY), "{fault}");
            }
        }
    }
});
