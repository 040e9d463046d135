//! `gatepost verify`: why a request is or is not authentic.

use crate::harness::hmac_hex;
use crate::{ADRIAN, AKTO, config, configured};

#[test]
fn verify_says_step_by_step_why() {
    let folder = configured(&config());
    let body = br#"{"id":"evt_1"}"#;
    folder.write("body.json", body);
    folder.write("changed.json", [&body[..], b"\n"].concat());
    let signature = hmac_hex(ADRIAN, body);
    let header = format!("X-Secureagentics-Signature: {signature}");
    let verify = |source: &str, file: &str, headers: &[&str]| {
        let mut arguments = vec!["verify", source, "--file", file];
        headers.iter().for_each(|header| arguments.extend(["--header", *header]));
        let ran = folder.run(&arguments);
        assert!(!ran.stdout.contains(ADRIAN) && !ran.stdout.contains(AKTO), "a secret is shown: {ran}");
        assert!(!ran.stdout.contains(&signature), "a right signature is shown: {ran}");
        ran
    };
    verify("adrian", "body.json", &[&header]).done().prints("✔ secret").prints("the request is authentic");
    let changed = verify("adrian", "changed.json", &[&header]).ended(1).complains("the request is not authentic");
    changed.prints("✘ secret").prints("it fits the body without its last newline");
    verify("adrian", "body.json", &[]).ended(1).prints("✘ signature header");
    verify("adrian", "body.json", &[&header, &header]).ended(1).prints("stands 2 times");
    let elsewhere = verify("adrian", "body.json", &["X-Hub-Signature-256: sha256=00"]).ended(1);
    elsewhere.prints("x-hub-signature-256");
    verify("akto", "body.json", &[&format!("Authorization: Bearer {AKTO}")]).done();
    verify("akto", "body.json", &[&format!("X-Api-Key: {AKTO}")]).ended(1).prints("stands in the header x-api-key");
    verify("adrian", "body.json", &["no header line"]).ended(2).complains("write 'Name: value'");
    verify("absent", "body.json", &[&header]).ended(1).complains("there is no source 'absent'");
    verify("adrian", "absent.json", &[&header]).ended(1).complains("absent.json cannot be read");
    let ran = folder.run(&["verify", "adrian", "--file", "body.json", "--at", "noon"]).ended(2);
    ran.complains("'noon' is not a time");
}
