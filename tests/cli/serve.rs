//! `gatepost serve`: its log, and one process to a store.

use std::net::{TcpListener, TcpStream};
use std::process::Stdio;

use serde_json::Value;

use crate::harness::{Folder, Gateway, Post, hmac_hex, until};
use crate::pty::Terminal;
use crate::{ADRIAN, AKTO, commands_in, config};

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
fn why_it_does_not_start_is_logged_as_json_too() {
    let folder = Folder::new();
    for (text, wanted) in
        [("[sever]\n", "did you mean 'server'?"), ("[server]\nlisten = \"192.0.2.1:1\"\n", "cannot listen on")]
    {
        folder.write("gatepost.toml", text);
        let ran = folder.run(&["--log-format", "json", "serve"]).ended(1).complains(wanted);
        for line in ran.stderr.lines() {
            let entry: Value = serde_json::from_str(line).unwrap_or_else(|_| panic!("no JSON: {line}"));
            assert!(["timestamp", "level", "message"].iter().all(|key| entry[key].is_string()), "{line}");
        }
    }
}

#[test]
fn a_second_gateway_on_one_store_does_not_start() {
    let gateway = Gateway::start(&config());
    let other = gateway.folder.read("gatepost.toml").replace(&gateway.server.to_string(), "127.0.0.1:0");
    gateway.folder.write("other.toml", other.replace(&gateway.admin.to_string(), "127.0.0.1:0"));
    let ran = gateway.run(&["serve", "-c", "other.toml"]).ended(1);
    ran.complains("another gatepost already serves gatepost.db");
}

#[test]
fn an_archive_that_is_a_terminal_is_not_commanded() {
    let folder = Folder::new();
    let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let listen = format!("[server]\nlisten = \"{address}\"\n[admin]\nlisten = \"127.0.0.1:0\"\n");
    folder.write("gatepost.toml", listen + &config().replace("events.ndjson", "-"));
    let terminal = Terminal::open();
    let mut child = folder.command(&["serve"]).stdout(terminal.output()).stderr(Stdio::null()).spawn().unwrap();
    until("it listens", || TcpStream::connect(address).ok());
    let hostile = "\u{9b}31m\u{7f}\u{202e}\u{61c}\u{200b}\u{e0041}é";
    let body = format!(r#"{{"id":"evt_1","type":"agent.error","data":{{"note":"{hostile}"}}}}"#);
    let post = Post::to("/webhooks/adrian").line("x-secureagentics-signature", hmac_hex(ADRIAN, body.as_bytes()));
    post.body(body).send(address).accepted();
    let shown = terminal.shows("\"note\"");
    let shown = shown.split_inclusive('\n').next().unwrap_or_default().to_owned();
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(commands_in(&shown).is_empty(), "{shown:?}");
    let event: Value = serde_json::from_str(&shown).unwrap();
    assert_eq!(event["unmapped"]["note"], hostile, "escaped, not lost: {event}");
}
