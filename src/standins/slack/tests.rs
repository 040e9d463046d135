use super::*;
use crate::standins::Style;
use crate::standins::tests::{client, contract, examples};
use serde_json::Value;

fn message() -> Value {
    json!({
        "text": "HIGH · too fast",
        "blocks": [
            {"type": "header", "text": {"type": "plain_text", "text": ":red_circle: HIGH · too fast"}},
            {"type": "section", "text": {"type": "mrkdwn", "text": "*Actor* `1.2.3.4` &lt;x&gt;"},
             "fields": [{"type": "mrkdwn", "text": "*URL*\n/v1"}, {"type": "plain_text", "text": "<!channel>"}]},
            {"type": "divider"},
            {"type": "context", "elements": [{"type": "mrkdwn", "text": "event id-1"}]},
            {"type": "actions", "elements": [
                {"type": "button", "text": {"type": "plain_text", "text": "Open"}, "url": "https://a.example/x"}]},
        ]
    })
}

fn with_blocks(blocks: Value) -> Value {
    json!({"text": "x", "blocks": blocks})
}

fn section(text: &str) -> Value {
    json!({"type": "section", "text": {"type": "mrkdwn", "text": text}})
}

fn button(extra: (&str, Value)) -> Value {
    let mut button = json!({"type": "button", "text": {"type": "plain_text", "text": "Open"}});
    button[extra.0] = extra.1;
    json!({"type": "actions", "elements": [button]})
}

/// Messages that the official types refuse, each in one respect, with the webhook's word.
fn broken() -> Vec<(&'static str, Value)> {
    let text = |kind: &str, text: String| json!({"type": kind, "text": text});
    let block = |block: Value| ("invalid_blocks", with_blocks(json!([block])));
    let rich =
        |inline: Value| json!({"type": "rich_text", "elements": [{"type": "rich_text_section", "elements": [inline]}]});
    vec![
        ("invalid_payload", json!([])),
        ("invalid_payload", json!({"text": 7})),
        ("invalid_payload", json!({"text": "x".repeat(40_001)})),
        ("invalid_payload", json!({"text": "x", "unfurl_link": false})),
        ("invalid_payload", json!({"text": "x", "unfurl_links": "no"})),
        ("invalid_payload", json!({"text": "x", "parse": "some"})),
        ("invalid_payload", json!({"text": "x", "metadata": {"event_type": "a"}})),
        ("no_text", json!({})),
        ("too_many_attachments", json!({"text": "x", "attachments": vec![json!({"text": "y"}); 101]})),
        ("invalid_blocks_format", with_blocks(json!("text"))),
        ("invalid_blocks", with_blocks(json!([]))),
        ("invalid_blocks", with_blocks(json!(vec![json!({"type": "divider"}); 51]))),
        block(json!({"type": "sectoin"})),
        block(json!("text")),
        block(json!({"type": "divider", "text": "x"})),
        block(json!({"type": "divider", "block_id": "x".repeat(256)})),
        block(json!({"type": "header", "text": text("plain_text", "x".repeat(151))})),
        block(json!({"type": "header", "text": text("plain_text", String::new())})),
        block(json!({"type": "header", "text": text("mrkdwn", "x".to_owned())})),
        block(json!({"type": "header"})),
        block(section(&"x".repeat(3001))),
        block(section("")),
        block(json!({"type": "section", "text": "x"})),
        block(json!({"type": "section", "text": text("markdown", "x".to_owned())})),
        block(json!({"type": "section", "text": {"type": "mrkdwn", "text": "x", "emoji": true}})),
        block(json!({"type": "section", "fields": vec![text("mrkdwn", "x".to_owned()); 11]})),
        block(json!({"type": "section", "fields": [text("mrkdwn", "x".repeat(2001))]})),
        block(json!({"type": "context", "elements": vec![text("mrkdwn", "x".to_owned()); 11]})),
        block(json!({"type": "context"})),
        block(button(("text", text("plain_text", "x".repeat(76))))),
        block(button(("text", text("mrkdwn", "x".to_owned())))),
        block(button(("url", json!(format!("https://a.example/{}", "x".repeat(3000)))))),
        block(button(("value", json!("x".repeat(2001))))),
        block(button(("style", json!("loud")))),
        block(button(("action_id", json!("x".repeat(256))))),
        block(json!({"type": "actions", "elements": vec![button(("value", json!("x")))["elements"][0].clone(); 26]})),
        block(json!({"type": "image", "image_url": "https://a.example/x.png"})),
        block(json!({"type": "image", "image_url": "https://a.example/x.png", "alt_text": "x".repeat(2001)})),
        block(json!({"type": "markdown", "text": "x".repeat(12_001)})),
        block(rich(json!({"type": "text", "text": 1}))),
        block(rich(json!({"type": "text", "text": "x", "style": {"loud": true}}))),
        block(json!({"type": "rich_text", "elements": [{"type": "text", "text": "x"}]})),
    ]
}

/// What the official types take and the service does not.
fn refused_by_the_service() -> Vec<(&'static str, Value)> {
    let link = json!({"type": "link", "url": "javascript:alert(1)"});
    let rich = json!({"type": "rich_text", "elements": [{"type": "rich_text_section", "elements": [link]}]});
    vec![
        ("no_text", json!({"text": " \n"})),
        ("no_text", json!({"text": "", "attachments": []})),
        ("invalid_blocks", with_blocks(json!([{"type": "section"}]))),
        (
            "invalid_blocks",
            with_blocks(json!([{"type": "divider", "block_id": "a"}, {"type": "divider", "block_id": "a"}])),
        ),
        (
            "invalid_blocks",
            with_blocks(json!([
                section(&"x".repeat(2900)),
                section(&"x".repeat(2900)),
                section(&"x".repeat(2900)),
                section(&"x".repeat(2900)),
                section(&"x".repeat(2900))
            ])),
        ),
        ("invalid_blocks", with_blocks(json!([button(("url", json!("javascript:alert(1)")))]))),
        ("invalid_blocks", with_blocks(json!([rich]))),
    ]
}

fn sound() -> Vec<Value> {
    let inline = json!([
        {"type": "text", "text": "x", "style": {"bold": true}}, {"type": "link", "url": "https://a.example"},
        {"type": "emoji", "name": "fire"}
    ]);
    let rich = json!([
        {"type": "rich_text_section", "elements": inline},
        {"type": "rich_text_preformatted", "elements": [{"type": "text", "text": "GET /"}], "border": 0},
        {"type": "rich_text_list", "style": "bullet", "elements": [{"type": "rich_text_section", "elements": inline}]},
        {"type": "rich_text_quote", "elements": inline},
    ]);
    vec![
        message(),
        json!({"text": "x"}),
        json!({"text": "é".repeat(40_000), "unfurl_links": false, "unfurl_media": false, "link_names": false, "parse": "none"}),
        json!({"blocks": [section(&"é".repeat(3000))]}),
        with_blocks(
            json!([{"type": "header", "text": {"type": "plain_text", "text": "é".repeat(150), "emoji": true}}]),
        ),
        with_blocks(json!(vec![json!({"type": "divider"}); 50])),
        with_blocks(json!([{"type": "rich_text", "elements": rich}])),
        with_blocks(json!([{"type": "image", "image_url": "https://a.example/x.png", "alt_text": "x"}])),
        with_blocks(json!([{"type": "markdown", "text": "**x**"}])),
        json!({"text": "x", "attachments": [{"color": "#ff0000", "blocks": [section("x")]}]}),
        json!({"text": "x", "metadata": {"event_type": "alert", "event_payload": {"id": "1"}}}),
    ]
}

async fn quick() -> StandIn<Slack> {
    let slack = start().await.unwrap();
    slack.limit_rates(Rate::UNLIMITED, Rate::UNLIMITED);
    slack
}

async fn hook(slack: &StandIn<Slack>, body: &Value) -> (u16, String) {
    let request = client().post(slack.webhook_url()).header("content-type", "application/json").body(body.to_string());
    let answer = request.send().await.unwrap();
    (answer.status().as_u16(), answer.text().await.unwrap())
}

async fn call(slack: &StandIn<Slack>, method: &str, body: &Value) -> Value {
    let request = client().post(format!("{}/{method}", slack.api_url()));
    let request = request.header("content-type", "application/json; charset=utf-8").bearer_auth(BOT_TOKEN);
    let answer = request.body(body.to_string()).send().await.unwrap();
    assert_eq!(answer.status(), 200, "{body}");
    serde_json::from_slice(&answer.bytes().await.unwrap()).unwrap()
}

async fn post(slack: &StandIn<Slack>, extra: Value) -> Value {
    let mut body = json!({"channel": CHANNEL, "text": "x"});
    for (key, value) in extra.as_object().unwrap() {
        body[key] = value.clone();
    }
    call(slack, "chat.postMessage", &body).await
}

async fn history(slack: &StandIn<Slack>, query: &str) -> Value {
    let url = format!("{}/conversations.history?channel={CHANNEL}&{query}", slack.api_url());
    let answer = client().get(url).bearer_auth(BOT_TOKEN).send().await.unwrap();
    serde_json::from_slice(&answer.bytes().await.unwrap()).unwrap()
}

fn texts(history: &Value) -> Vec<&str> {
    history["messages"].as_array().unwrap().iter().map(|message| message["text"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn the_webhook_takes_what_slack_takes() {
    let slack = quick().await;
    for body in sound() {
        assert_eq!(hook(&slack, &body).await, (200, "ok".to_owned()), "{body}");
    }
    assert_eq!(slack.effects(), sound().len());
    assert_eq!(slack.messages()[0].via, Via::Webhook);
}

#[tokio::test]
async fn the_webhook_refuses_what_slack_refuses() {
    let slack = quick().await;
    for (word, body) in broken().into_iter().chain(refused_by_the_service()) {
        assert_eq!(hook(&slack, &body).await, (400, word.to_owned()), "{body}");
    }
    let post = |body: &'static str, media: &'static str| {
        let request = client().post(slack.webhook_url()).header("content-type", media).body(body);
        async { request.send().await.unwrap().text().await.unwrap() }
    };
    assert_eq!(post("{", "application/json").await, "invalid_payload");
    assert_eq!(post(r#"{"text":"x"}"#, "text/plain").await, "invalid_payload");
    let elsewhere = format!("{}/services/T000/B000/another", slack.base_url());
    let answer = client().post(elsewhere).body("{}").send().await.unwrap();
    assert_eq!((answer.status().as_u16(), answer.text().await.unwrap()), (404, "no_service".to_owned()));
    assert_eq!(client().get(slack.webhook_url()).send().await.unwrap().status(), 405);
    assert_eq!(slack.effects(), 0);
}

#[test]
fn the_official_types_decide_alike() {
    let Some(schema) = contract("slack-message.schema.json") else { return };
    let official = jsonschema::validator_for(&schema).unwrap();
    let ours = |body: &Value| Content::read(body, content::WEBHOOK).and_then(Content::not_blank).is_ok();
    for body in sound() {
        assert!(official.is_valid(&body) && ours(&body), "{body}");
    }
    for (_, body) in broken() {
        assert!(!official.is_valid(&body) && !ours(&body), "{body}");
    }
    for (_, body) in refused_by_the_service() {
        assert!(official.is_valid(&body) && !ours(&body), "{body}");
    }
    for (name, is_sound) in [("slack-webhook.valid.json", true), ("slack-webhook.invalid.json", false)] {
        for body in examples(name) {
            assert_eq!(ours(&body), is_sound, "{body}");
        }
    }
}

#[tokio::test]
async fn answers_are_those_of_the_derived_interface() {
    let Some(api) = contract("slack-api.openapi.json") else { return };
    let answer_schema = |path: &str| {
        let method = &api["paths"][path]["post"]["responses"]["200"]["content"]["application/json"]["schema"];
        jsonschema::validator_for(method).unwrap()
    };
    let slack = quick().await;
    let (posting, updating) = (answer_schema("/chat.postMessage"), answer_schema("/chat.update"));
    let posted = post(&slack, json!({})).await;
    for answer in [&posted, &post(&slack, json!({"channel": "C1"})).await, &post(&slack, json!({"text": ""})).await] {
        assert!(posting.is_valid(answer), "{answer}");
    }
    let update = |ts: Value| json!({"channel": CHANNEL, "ts": ts, "text": "y"});
    for ts in [posted["ts"].clone(), json!("1.000000")] {
        let answer = call(&slack, "chat.update", &update(ts)).await;
        assert!(updating.is_valid(&answer), "{answer}");
    }
}

#[tokio::test]
async fn a_message_is_posted_and_its_ts_grows() {
    let slack = quick().await;
    let first = post(&slack, message()).await;
    let second = post(&slack, json!({"channel": CHANNEL_NAME})).await;
    assert_eq!((&first["ok"], &first["channel"]), (&json!(true), &json!(CHANNEL)));
    assert_eq!(first["message"]["text"], "HIGH · too fast");
    assert!(first["ts"].as_str() < second["ts"].as_str());
    assert_eq!(slack.messages()[0].ts, first["ts"].as_str().unwrap());
    assert_eq!(slack.mentions("id-1"), 1);
    assert_eq!(slack.mentions("id-2"), 0);
}

#[tokio::test]
async fn the_api_refuses_with_200_and_a_word() {
    let slack = quick().await;
    let long = json!(vec![section(&"x".repeat(2900)); 5]);
    for (error, arguments) in [
        ("channel_not_found", json!({"channel": "C1"})),
        ("channel_not_found", json!({"channel": 1})),
        ("no_text", json!({"text": ""})),
        ("msg_too_long", json!({"text": "x".repeat(40_001)})),
        ("invalid_blocks_format", json!({"blocks": {}})),
        ("invalid_blocks", json!({"blocks": [{"type": "sectoin"}]})),
        ("invalid_blocks", json!({"attachments": [{"blocks": [{"type": "sectoin"}]}]})),
        ("msg_blocks_too_long", json!({"blocks": long})),
        ("msg_blocks_too_long", json!({"attachments": [{"blocks": long}]})),
        ("invalid_metadata_format", json!({"metadata": {"event_type": 1, "event_payload": {}}})),
        ("invalid_arguments", json!({"unfurl_link": false})),
        ("invalid_arguments", json!({"client_msg_id": "1"})),
        ("invalid_arguments", json!({"thread_ts": "yesterday"})),
        ("cannot_reply_to_message", json!({"thread_ts": "1700000000.000001"})),
    ] {
        let answer = post(&slack, arguments.clone()).await;
        assert_eq!((&answer["ok"], &answer["error"]), (&json!(false), &json!(error)), "{arguments}");
    }
    assert_eq!(slack.effects(), 0);
}

#[tokio::test]
async fn the_token_the_method_and_the_media_type_are_checked() {
    let slack = quick().await;
    let url = |method: &str| format!("{}/{method}", slack.api_url());
    let error = |request: reqwest::RequestBuilder| async {
        let answer = request.send().await.unwrap();
        assert_eq!(answer.status(), 200);
        let answer: Value = serde_json::from_slice(&answer.bytes().await.unwrap()).unwrap();
        answer["error"].as_str().unwrap_or("ok").to_owned()
    };
    let posting = || client().post(url("chat.postMessage")).header("content-type", "application/json");
    let body = json!({"channel": CHANNEL, "text": "x"}).to_string();
    assert_eq!(error(posting().body(body.clone())).await, "not_authed");
    assert_eq!(error(posting().basic_auth("x", Some(BOT_TOKEN)).body(body.clone())).await, "not_authed");
    assert_eq!(error(posting().bearer_auth("xoxb-other").body(body.clone())).await, "invalid_auth");
    assert_eq!(error(posting().bearer_auth(BOT_TOKEN).body("{")).await, "invalid_json");
    assert_eq!(error(posting().bearer_auth(BOT_TOKEN).body("[]")).await, "json_not_object");
    assert_eq!(error(client().get(url("chat.postMessage")).bearer_auth(BOT_TOKEN)).await, "invalid_post_type");
    assert_eq!(
        error(client().post(url("chat.update")).bearer_auth(BOT_TOKEN).body(body.clone())).await,
        "invalid_post_type"
    );
    assert_eq!(error(client().post(url("chat.delete")).bearer_auth(BOT_TOKEN)).await, "unknown_method");
    assert_eq!(error(client().get(url("auth.test")).bearer_auth(BOT_TOKEN)).await, "ok");
    assert_eq!(slack.effects(), 0);
    let answer = posting().bearer_auth(BOT_TOKEN).body(body).send().await.unwrap();
    let answer: Value = serde_json::from_slice(&answer.bytes().await.unwrap()).unwrap();
    assert_eq!(answer["warning"], "missing_charset");
}

#[tokio::test]
async fn an_update_changes_what_it_names_and_keeps_the_rest() {
    let slack = quick().await;
    let ts = post(&slack, message()).await["ts"].clone();
    let update = |extra: Value| {
        let mut body = json!({"channel": CHANNEL, "ts": ts});
        body.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
        body
    };
    assert_eq!(call(&slack, "chat.update", &update(json!({"text": "y"}))).await["ok"], true);
    assert_eq!((slack.messages()[0].text.as_str(), slack.messages()[0].blocks.len()), ("y", 5));
    assert_eq!(call(&slack, "chat.update", &update(json!({"blocks": []}))).await["ok"], true);
    assert_eq!((slack.messages()[0].blocks.len(), slack.messages()[0].updates), (0, 2));
    assert!(slack.render_terminal(Style::Plain).contains("│ y\n│ (edited)\n"));
    assert_eq!(call(&slack, "chat.update", &update(json!({}))).await["error"], "no_text");
    assert_eq!(
        call(&slack, "chat.update", &update(json!({"ts": "1.000000", "text": "z"}))).await["error"],
        "message_not_found"
    );
    hook(&slack, &json!({"text": "x"})).await;
    let foreign = json!({"ts": slack.messages()[1].ts, "text": "z"});
    assert_eq!(call(&slack, "chat.update", &update(foreign)).await["error"], "cant_update_message");
    assert_eq!(slack.effects(), 2, "an update is no message");
}

#[tokio::test]
async fn threads_hang_on_messages_and_not_on_replies() {
    let slack = quick().await;
    let parent = post(&slack, json!({"text": "parent"})).await["ts"].clone();
    let reply = post(&slack, json!({"text": "reply", "thread_ts": parent})).await["ts"].clone();
    assert_eq!(post(&slack, json!({"thread_ts": reply})).await["error"], "cannot_reply_to_message");
    assert_eq!(texts(&history(&slack, "").await), ["parent"]);
    assert!(slack.render_terminal(Style::Plain).contains("reply in thread"));
}

async fn replies(slack: &StandIn<Slack>, query: &str) -> Value {
    let url = format!("{}/conversations.replies?channel={CHANNEL}&{query}", slack.api_url());
    let answer = client().get(url).bearer_auth(BOT_TOKEN).send().await.unwrap();
    serde_json::from_slice(&answer.bytes().await.unwrap()).unwrap()
}

#[tokio::test]
async fn a_thread_shows_its_message_and_what_answers_it_oldest_first() {
    let slack = quick().await;
    let parent = post(&slack, json!({"text": "parent"})).await["ts"].as_str().unwrap().to_owned();
    post(&slack, json!({"text": "elsewhere"})).await;
    let metadata = json!({"event_type": "delivery", "event_payload": {"id": "id-1"}});
    let first = post(&slack, json!({"text": "a", "thread_ts": parent, "metadata": metadata})).await["ts"].clone();
    post(&slack, json!({"text": "b", "thread_ts": parent, "reply_broadcast": true})).await;
    let found = replies(&slack, &format!("ts={parent}&include_all_metadata=true")).await;
    assert_eq!((texts(&found), &found["messages"][1]["metadata"]), (vec!["parent", "a", "b"], &metadata));
    assert_eq!(replies(&slack, &format!("ts={parent}")).await["messages"][1].get("metadata"), None);
    let later = replies(&slack, &format!("ts={parent}&oldest={}", first.as_str().unwrap())).await;
    assert_eq!(texts(&later), ["parent", "b"]);
    let page = replies(&slack, &format!("ts={parent}&limit=2")).await;
    assert_eq!((texts(&page), &page["has_more"]), (vec!["parent", "a"], &json!(true)));
    assert_eq!(texts(&history(&slack, "").await), ["b", "elsewhere", "parent"], "a broadcast is in the channel, too");
    assert!(slack.render_terminal(Style::Plain).contains("reply in thread, also sent to the channel"));
    assert_eq!(post(&slack, json!({"reply_broadcast": true})).await["error"], "invalid_arguments");
    for bad in ["1.000000", "x", first.as_str().unwrap()] {
        assert_eq!(replies(&slack, &format!("ts={bad}")).await["error"], "thread_not_found");
    }
    slack.revoke_history();
    assert_eq!(replies(&slack, &format!("ts={parent}")).await["error"], "missing_scope");
}

#[tokio::test]
async fn a_message_that_a_person_deleted_is_gone_for_good() {
    let slack = quick().await;
    let parent = post(&slack, json!({"text": "parent"})).await["ts"].clone();
    post(&slack, json!({"text": "reply", "thread_ts": parent})).await;
    slack.delete(parent.as_str().unwrap());
    let edit = json!({"channel": CHANNEL, "ts": parent, "text": "x"});
    assert_eq!(call(&slack, "chat.update", &edit).await["error"], "message_not_found");
    assert_eq!(post(&slack, json!({"thread_ts": parent})).await["error"], "cannot_reply_to_message");
    let found = replies(&slack, &format!("ts={}", parent.as_str().unwrap())).await;
    assert_eq!((&found["error"], slack.effects()), (&json!("thread_not_found"), 1));
}

#[tokio::test]
async fn history_finds_metadata_only_on_request() {
    let slack = quick().await;
    let metadata = json!({"event_type": "delivery", "event_payload": {"id": "id-1"}});
    post(&slack, json!({"metadata": metadata})).await;
    let plain = history(&slack, "").await;
    assert_eq!((&plain["ok"], plain["messages"][0].get("metadata")), (&json!(true), None));
    assert_eq!(history(&slack, "include_all_metadata=true").await["messages"][0]["metadata"], metadata);
    let body = json!({"channel": CHANNEL, "include_all_metadata": true});
    assert_eq!(call(&slack, "conversations.history", &body).await["messages"][0]["metadata"], metadata);
    let form = client().post(format!("{}/conversations.history", slack.api_url())).bearer_auth(BOT_TOKEN);
    let form = form.header("content-type", "application/x-www-form-urlencoded");
    let answer = form.body(format!("channel={CHANNEL}&include_all_metadata=1")).send().await.unwrap();
    let answer: Value = serde_json::from_slice(&answer.bytes().await.unwrap()).unwrap();
    assert_eq!(answer["messages"][0]["metadata"], metadata);
    slack.revoke_history();
    let refused = history(&slack, "include_all_metadata=true").await;
    assert_eq!((&refused["error"], &refused["needed"]), (&json!("missing_scope"), &json!("channels:history")));
}

#[tokio::test]
async fn history_goes_backwards_within_its_bounds_page_by_page() {
    let slack = quick().await;
    let mut times = Vec::new();
    for text in ["a", "b", "c", "d"] {
        times.push(post(&slack, json!({"text": text})).await["ts"].as_str().unwrap().to_owned());
    }
    assert_eq!(texts(&history(&slack, "").await), ["d", "c", "b", "a"]);
    assert_eq!(texts(&history(&slack, &format!("oldest={}", times[1])).await), ["d", "c"]);
    assert_eq!(texts(&history(&slack, &format!("oldest={}&inclusive=true", times[1])).await), ["d", "c", "b"]);
    assert_eq!(texts(&history(&slack, &format!("oldest={}&latest={}", times[0], times[3])).await), ["c", "b"]);
    let page = history(&slack, "limit=3").await;
    assert_eq!((texts(&page), &page["has_more"]), (vec!["d", "c", "b"], &json!(true)));
    let cursor = page["response_metadata"]["next_cursor"].as_str().unwrap();
    let rest = history(&slack, &format!("limit=3&cursor={cursor}")).await;
    assert_eq!((texts(&rest), &rest["has_more"]), (vec!["a"], &json!(false)));
    for (query, error) in [
        ("oldest=yesterday", "invalid_ts_oldest"),
        ("latest=1.0000000", "invalid_ts_latest"),
        ("limit=0", "invalid_limit"),
        ("limit=1000", "invalid_limit"),
        ("cursor=x", "invalid_cursor"),
    ] {
        assert_eq!(history(&slack, query).await["error"], error, "{query}");
    }
}

#[tokio::test]
async fn a_burst_is_tolerated_and_then_slack_asks_for_patience() {
    let slack = start().await.unwrap();
    for _ in 0..30 {
        assert_eq!(hook(&slack, &json!({"text": "x"})).await.0, 200);
    }
    let request = client().post(slack.webhook_url()).header("content-type", "application/json").body(r#"{"text":"x"}"#);
    let answer = request.send().await.unwrap();
    assert_eq!(answer.status(), 429);
    let wait: u64 = answer.headers()["retry-after"].to_str().unwrap().parse().unwrap();
    assert!((1..=30).contains(&wait), "{wait}");
    assert_eq!(slack.effects(), 30);
    let api = client().post(format!("{}/chat.postMessage", slack.api_url())).bearer_auth(BOT_TOKEN);
    let api = api.header("content-type", "application/json").body(json!({"channel": CHANNEL, "text": "x"}).to_string());
    let answer = api.send().await.unwrap();
    assert_eq!(answer.status(), 429, "the limit is the channel's");
    assert_eq!(answer.text().await.unwrap(), r#"{"error":"ratelimited","ok":false}"#);
}

#[tokio::test]
async fn a_message_is_shown_as_people_see_it() {
    let slack = quick().await;
    hook(&slack, &message()).await;
    let shown = slack.render_terminal(Style::Plain);
    let rows: Vec<&str> = shown.lines().collect();
    assert!(rows[0].starts_with("╭─ Slack #soc-alerts · "), "{shown}");
    assert_eq!(
        rows[1..],
        [
            "│ 🔴 HIGH · too fast",
            "│ Actor `1.2.3.4` <x>",
            "│ URL: /v1",
            "│ <!channel>",
            &format!("│ {}", "─".repeat(40)),
            "│ event id-1",
            "│ [ Open ] https://a.example/x",
            "╰─"
        ]
    );
    assert!(slack.messages()[0].pings().is_empty(), "plain text mentions nothing");
    hook(&slack, &json!({"text": "*x* <!here>"})).await;
    assert_eq!(slack.messages()[1].pings(), ["<!here>"]);
    assert!(slack.render_terminal(Style::Plain).ends_with("│ x @here\n╰─\n"));
}

#[test]
fn a_ts_is_read_strictly() {
    assert_eq!(micros("1700000000.000100"), Some(1_700_000_000_000_100));
    assert_eq!(micros("1700000000.5"), Some(1_700_000_000_500_000));
    assert_eq!(micros("1700000000"), Some(1_700_000_000_000_000));
    for text in ["", ".5", "-1", "1.2.3", "1e9", "12345678901", "1.0000000", "１"] {
        assert_eq!(micros(text), None, "{text}");
    }
}

#[tokio::test]
async fn an_app_with_token_rotation_has_tokens_that_expire_and_refresh_tokens_that_are_good_once() {
    let (slack, client) = (start().await.unwrap(), client());
    let good = [
        ("grant_type", "refresh_token"),
        ("client_id", CLIENT_ID),
        ("client_secret", CLIENT_SECRET),
        ("refresh_token", "xoxe-1-first"),
    ];
    let renew = async |form: &[(&str, &str)]| -> Value {
        let form = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(form).finish();
        let request = client.post(format!("{}/oauth.v2.access", slack.api_url())).body(form);
        let request = request.header("Content-Type", "application/x-www-form-urlencoded");
        serde_json::from_slice(&request.send().await.unwrap().bytes().await.unwrap()).unwrap()
    };
    let says = async |token: &str| -> String {
        let request = client.post(format!("{}/auth.test", slack.api_url())).bearer_auth(token);
        let answer: Value = serde_json::from_slice(&request.send().await.unwrap().bytes().await.unwrap()).unwrap();
        answer["error"].as_str().unwrap_or("ok").to_owned()
    };
    assert_eq!(renew(&good).await["error"], "token_rotation_not_enabled");
    slack.rotate("xoxe-1-first");
    assert_eq!(says(BOT_TOKEN).await, "invalid_auth");
    for (key, value, error) in [
        ("grant_type", "client_credentials", "invalid_grant_type"),
        ("client_id", "1.1", "invalid_client_id"),
        ("client_secret", "wrong", "bad_client_secret"),
        ("refresh_token", "xoxe-1-other", "invalid_refresh_token"),
    ] {
        let bad = good.map(|(name, good)| (name, if name == key { value } else { good }));
        assert_eq!(renew(&bad).await["error"], error);
    }
    assert_eq!(renew(&[good.as_slice(), &[("scope", "x")]].concat()).await["error"], "invalid_arguments");
    let first = renew(&good).await;
    assert_eq!(
        (&first["ok"], &first["expires_in"], &first["token_type"]),
        (&json!(true), &json!(43200), &json!("bot"))
    );
    let (access, mut refresh) = (first["access_token"].as_str().unwrap(), first["refresh_token"].clone());
    assert!(access.starts_with("xoxe.xoxb-1-") && refresh.as_str().unwrap().starts_with("xoxe-1-"));
    assert_eq!(says(access).await, "ok");
    assert_eq!(renew(&good).await["error"], "invalid_refresh_token", "it was used");
    slack.set_grace(Duration::from_secs(60));
    assert_eq!(renew(&good).await["ok"], true, "it was used a moment ago");
    // More than two are never good at once.
    for _ in 0..2 {
        let form =
            good.map(|(name, good)| (name, if name == "refresh_token" { refresh.as_str().unwrap() } else { good }));
        let next = renew(&form).await;
        refresh = next["refresh_token"].clone();
    }
    assert_eq!((says(access).await.as_str(), slack.renewals()), ("token_revoked", 4));
    slack.expire_tokens();
    assert_eq!(says("xoxe.xoxb-1-standin-4").await, "token_expired");
    slack.set_token_lifetime(Duration::ZERO);
    slack.generate_refresh_token("xoxe-1-generated");
    slack.revoke_refresh_tokens();
    assert!(!slack.is_fresh("xoxe-1-generated"));
}
