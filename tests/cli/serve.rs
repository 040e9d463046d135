//! `gatepost serve`: its log, and one process to a store.

use serde_json::Value;

use crate::harness::Gateway;
use crate::{ADRIAN, AKTO, config};

#[test]
fn what_serve_says_is_one_json_object_a_line() {
    let mut gateway = Gateway::start(&config());
    gateway.post_signed("adrian", AKTO, b"{}").refused(401, "signature-mismatch");
    gateway.post_signed("adrian", ADRIAN, b"no JSON").accepted();
    gateway.configure("[sever]");
    gateway.signal("HUP");
    gateway.logs("did you mean 'server'?");
    assert!(gateway.stop().success());
    for line in gateway.log().lines() {
        let entry: Value = serde_json::from_str(line).unwrap_or_else(|_| panic!("no JSON: {line}"));
        assert!(["timestamp", "level", "message"].iter().all(|key| entry[key].is_string()), "{line}");
    }
    assert!(gateway.log().contains("a secret stands in the file") && !gateway.log().contains(ADRIAN));
}

#[test]
fn a_second_gateway_on_one_store_does_not_start() {
    let gateway = Gateway::start(&config());
    let other = gateway.folder.read("gatepost.toml").replace(&gateway.server.to_string(), "127.0.0.1:0");
    gateway.folder.write("other.toml", other.replace(&gateway.admin.to_string(), "127.0.0.1:0"));
    let ran = gateway.run(&["serve", "-c", "other.toml"]).ended(1);
    ran.complains("another gatepost already serves gatepost.db");
}
