//! `gatepost probe`: a real test event through one destination.

use gatepost::standins::{Fault, Service, StandIn, email, opsgenie, proxy, slack};
use serde_json::Value;

use crate::{block_on, config, configured};

#[test]
fn a_real_test_event_goes_out_and_says_what_it_is() {
    let channel = block_on(slack::start()).unwrap();
    let folder = configured(&with_slack(&channel));
    folder.run(&["probe", "archive"]).done().prints("archive has taken the test event").prints("append: written");
    let lines = folder.lines("events.ndjson");
    let event: Value = serde_json::from_str(&lines[0]).unwrap();
    assert_eq!((lines.len(), &event["labels"]["purpose"]), (1, &"probe".into()));
    assert!(event["title"].as_str().unwrap().starts_with("TEST · "), "{event}");

    folder.run(&["probe", "soc"]).done().prints("soc has taken the test event").prints("answered 200");
    assert_eq!((channel.effects(), channel.mentions("gatepost probe")), (1, 1));
    assert!(!folder.path().join("gatepost.db").exists(), "a probe is no event of the store");
}

#[test]
fn what_is_said_only_later_is_waited_for() {
    let pager = block_on(opsgenie::start()).unwrap();
    let (url, key) = (pager.base_url(), opsgenie::API_KEY);
    let oncall =
        format!("[destinations.oncall]\ntype = \"opsgenie\"\napi_key = {{ value = \"{key}\" }}\nurl = \"{url}\"\n");
    let folder = configured(&(config().replace("to = [", "to = [\"oncall\", ") + &oncall));
    let ran = folder.run(&["probe", "oncall"]).done().prints("oncall has taken the test event as ");
    ran.prints("create: answered 202").prints("ask: answered 404").prints("ask: answered 200");
    assert_eq!((pager.effects(), pager.mentions("gatepost probe")), (1, 1));
    pager.ignore();
    folder.run(&["probe", "oncall"]).ended(1).complains("(misconfigured)").complains("ignored by the integration");
}

#[test]
fn a_destination_that_does_not_take_it_is_a_failure_with_a_reason() {
    let channel = block_on(slack::start()).unwrap();
    let folder = configured(&with_slack(&channel));
    folder.run(&["probe", "fax"]).ended(1).complains("there is no destination 'fax'; destinations: archive, soc");
    channel.script([Fault::Unauthorized]);
    let refused = folder.run(&["probe", "soc"]).ended(1).complains("soc has not taken the test event (misconfigured)");
    assert!(!(refused.stdout + &refused.stderr).contains("standin-webhook"), "the webhook's URL is a credential");
    channel.script([Fault::Reset]);
    folder.run(&["probe", "soc"]).ended(1).complains("(unknown)").prints("it may have arrived");
    assert_eq!(channel.effects(), 0);
    let url = channel.webhook_url();
    drop(channel);
    let gone = folder.run(&["probe", "soc"]).ended(1).complains("(retry)");
    assert!(!(gone.stdout + &gone.stderr).contains(&url));
    folder.write("gatepost.toml", config().replace("path = \"events", "path = \"absent/events"));
    folder.run(&["probe", "archive"]).ended(1).complains("absent/events.ndjson cannot be written");
}

#[test]
fn a_proxy_of_the_environment_is_not_used_and_one_that_is_set_is() {
    let channel = block_on(slack::start()).unwrap();
    let folder = configured(&with_slack(&channel));
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let mut command = folder.command(&["probe", "soc"]);
    for name in ["http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"] {
        command.env(name, format!("http://{closed}"));
    }
    let output = command.env_remove("NO_PROXY").env_remove("no_proxy").output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(channel.effects(), 1);

    let on_the_way = proxy::start().unwrap();
    let set = format!("{}proxy = \"http://{}\"\n", with_slack(&channel), on_the_way.address());
    let folder = configured(&set);
    folder.run(&["probe", "soc"]).done();
    assert_eq!((channel.effects(), on_the_way.seen().len(), on_the_way.faults()), (2, 1, Vec::new()));
    on_the_way.set(proxy::Conduct::Guarded);
    let stopped = folder.run(&["probe", "soc"]).ended(1).complains("(misconfigured)");
    stopped.complains("Slack was sent nothing: the proxy 127.0.0.1:").complains("wants credentials (407)");
    assert_eq!(channel.effects(), 2);
}

#[test]
fn a_mail_is_answered_for_each_recipient() {
    let server = email::start().unwrap();
    let settings = format!(
        "[destinations.mail]\ntype = \"email\"\nsmtp = \"{}\"\nfrom = \"gatepost@acme.example\"\nto = [\"a@acme.example\", \"b@acme.example\"]\n",
        server.url()
    );
    let folder = configured(&(config().replace("to = [", "to = [\"mail\", ") + &settings));
    folder.run(&["probe", "mail"]).done().prints("send: answered 250 to the message, answered 250 to the message");
    let mails = server.mails();
    assert_eq!(mails.len(), 2);
    assert_eq!(mails[0].message.subject(), "[TEST] Test event sent with `gatepost probe`");
    assert!(mails[0].message.plain.starts_with("TEST · INFORMATIONAL"), "{}", mails[0].message.plain);
    server.answer_recipient("b@acme.example", Some("550 5.1.1 no such user"));
    let ran = folder.run(&["probe", "mail"]).done().prints("answered 550 to RCPT TO");
    ran.prints("for 1 of 2. b@acme.example: The mail server says 550");
    server.answer_recipient("a@acme.example", Some("550 5.1.1 no such user"));
    folder.run(&["probe", "mail"]).ended(1).complains("(misconfigured)").complains("correct `to`");
}

fn with_slack<S: Service>(channel: &StandIn<S>) -> String {
    let url = format!("{}{}", channel.base_url(), slack::WEBHOOK_PATH);
    let soc = format!("[destinations.soc]\ntype = \"slack\"\nwebhook_url = {{ value = \"{url}\" }}\n");
    config().replace("to = [", "to = [\"soc\", ") + &soc
}
