use super::*;
use crate::standins::Style;
use crate::standins::tests::{client, contract, examples};

fn paragraph(text: &str) -> Value {
    json!({"type": "doc", "version": 1, "content": [{"type": "paragraph", "content": [{"type": "text", "text": text}]}]})
}

fn cloud() -> Value {
    json!({"fields": {
        "project": {"key": PROJECT}, "issuetype": {"name": "Task"}, "summary": "HIGH · too fast",
        "description": paragraph("event id-1"), "labels": ["gatepost", "gp-1"], "priority": {"name": "High"}
    }})
}

fn data_center() -> Value {
    with(cloud(), "description", json!("h2. Event\nid-1"))
}

fn with(mut body: Value, field: &str, value: Value) -> Value {
    body["fields"][field] = value;
    body
}

fn without(mut body: Value, field: &str) -> Value {
    body["fields"].as_object_mut().unwrap().remove(field);
    body
}

/// A document of that many characters when it is serialized.
fn document_of(chars: usize) -> Value {
    let empty = paragraph("").to_string().chars().count();
    paragraph(&"é".repeat(chars - empty))
}

async fn quick() -> StandIn<Jira> {
    let jira = start().await.unwrap();
    jira.limit_rate(Rate::UNLIMITED);
    jira
}

async fn send(request: reqwest::RequestBuilder) -> (u16, Value) {
    let answer = request.send().await.unwrap();
    let status = answer.status().as_u16();
    (status, serde_json::from_slice(&answer.bytes().await.unwrap()).unwrap_or(Value::Null))
}

async fn post(jira: &StandIn<Jira>, path: &str, body: &Value) -> (u16, Value) {
    let request = client().post(format!("{}/rest/api/{path}", jira.base_url())).basic_auth(EMAIL, Some(API_TOKEN));
    send(request.header("content-type", "application/json").body(body.to_string())).await
}

async fn find(jira: &StandIn<Jira>, label: &str) -> Vec<String> {
    let jql = format!(r#"project = "SEC" AND labels = "{label}""#);
    let (status, found) = post(jira, "3/search/jql", &json!({"jql": jql, "fields": ["summary"]})).await;
    assert_eq!(status, 200, "{found}");
    found["issues"].as_array().unwrap().iter().map(|issue| issue["key"].as_str().unwrap().to_owned()).collect()
}

/// Bodies that Cloud refuses, with the field that is blamed.
fn broken() -> Vec<(&'static str, Value)> {
    vec![
        ("project", without(cloud(), "project")),
        ("project", with(cloud(), "project", json!({"key": "OPS"}))),
        ("issuetype", without(cloud(), "issuetype")),
        ("issuetype", with(cloud(), "issuetype", json!({"name": "Saga"}))),
        ("issuetype", with(cloud(), "issuetype", json!({"id": "9"}))),
        ("summary", without(cloud(), "summary")),
        ("summary", with(cloud(), "summary", json!("  "))),
        ("summary", with(cloud(), "summary", json!("a\nb"))),
        ("summary", with(cloud(), "summary", json!("a\r"))),
        ("summary", with(cloud(), "summary", json!("é".repeat(255)))),
        ("description", with(cloud(), "description", json!("wiki"))),
        ("labels", with(cloud(), "labels", json!("a"))),
        ("labels", with(cloud(), "labels", json!(["a b"]))),
        ("labels", with(cloud(), "labels", json!(["a\u{a0}b"]))),
        ("labels", with(cloud(), "labels", json!([""]))),
        ("labels", with(cloud(), "labels", json!([1]))),
        ("labels", with(cloud(), "labels", json!(["x".repeat(256)]))),
        ("priority", with(cloud(), "priority", json!({"name": "Urgent"}))),
        ("assignee", with(cloud(), "assignee", json!({"name": "bob"}))),
        ("customfield_10001", with(cloud(), "customfield_10001", json!("x"))),
    ]
}

#[tokio::test]
async fn an_issue_is_created_in_both_dialects() {
    let jira = quick().await;
    let (status, answer) = post(&jira, "3/issue", &cloud()).await;
    let url = format!("{}/rest/api/3/issue/10001", jira.base_url());
    assert_eq!((status, answer), (201, json!({"id": "10001", "key": "SEC-1", "self": url})));
    let (status, answer) = post(&jira, "2/issue", &data_center()).await;
    assert_eq!((status, &answer["key"]), (201, &json!("SEC-2")));
    let issues = jira.issues();
    assert_eq!((issues[0].summary(), issues[0].description().as_str()), ("HIGH · too fast", "event id-1"));
    assert_eq!((issues[1].labels(), issues[1].description().as_str()), (vec!["gatepost", "gp-1"], "h2. Event\nid-1"));
    assert_eq!((jira.effects(), jira.mentions("id-1"), jira.mentions("id-2")), (2, 2, 0));
}

#[tokio::test]
async fn ids_do_as_well_as_names_and_limits_are_inclusive() {
    let jira = quick().await;
    let body = with(with(cloud(), "issuetype", json!({"id": "10002"})), "priority", json!({"id": "5"}));
    let body = with(with(body, "project", json!({"id": "10000"})), "assignee", json!({"accountId": "1"}));
    let body = with(with(body, "summary", json!("é".repeat(254))), "labels", json!(["x".repeat(255)]));
    let mut body = with(body, "description", document_of(32_767));
    body["properties"] = json!([{"key": "gatepost.event", "value": {"id": "in-a-property"}}]);
    assert_eq!(post(&jira, "3/issue", &body).await.0, 201);
    assert_eq!(jira.mentions("in-a-property"), 1);
    let long = with(data_center(), "description", json!("é".repeat(32_767)));
    assert_eq!(post(&jira, "2/issue", &long).await.0, 201);
}

#[tokio::test]
async fn a_refusal_blames_the_field_and_uses_a_number_up() {
    let jira = quick().await;
    for (field, body) in broken() {
        let (status, answer) = post(&jira, "3/issue", &body).await;
        let blamed: Vec<&str> = answer["errors"].as_object().unwrap().keys().map(String::as_str).collect();
        assert_eq!((status, blamed), (400, vec![field]), "{body}");
    }
    assert_eq!(jira.effects(), 0);
    let number = broken().len() + 1;
    assert_eq!(post(&jira, "3/issue", &cloud()).await.1["key"], format!("SEC-{number}"));
}

#[tokio::test]
async fn the_words_of_jira_are_kept_where_they_are_known() {
    let jira = quick().await;
    let said = |body: Value, dialect: &'static str| {
        let jira = &jira;
        async move { post(jira, dialect, &body).await.1 }
    };
    let answer = said(with(cloud(), "labels", json!(["x y"])), "3/issue").await;
    assert_eq!(answer["errors"]["labels"], "The label 'x y' contains spaces which is invalid.");
    let answer = said(with(cloud(), "description", document_of(32_768)), "3/issue").await;
    assert_eq!(answer, json!({"errorMessages": ["CONTENT_LIMIT_EXCEEDED"], "errors": {}}));
    let answer = said(with(data_center(), "description", json!("x".repeat(32_768))), "2/issue").await;
    let long = "The entered text is too long. It exceeds the allowed limit of 32,767 characters.";
    assert_eq!(answer["errors"]["description"], long);
    let answer = said(with(cloud(), "description", paragraph("")), "3/issue").await;
    assert!(answer["errorMessages"][0].as_str().unwrap().starts_with("INVALID_INPUT /content/0/"), "{answer}");
    let answer = said(cloud(), "2/issue").await;
    assert_eq!(answer["errors"]["description"], "Operation value must be a string");
    let both = with(with(cloud(), "summary", json!("")), "project", json!({}));
    assert_eq!(said(both, "3/issue").await["errors"].as_object().unwrap().len(), 2);
}

#[tokio::test]
async fn the_rest_of_the_body_is_checked_too() {
    let jira = quick().await;
    let top = |key: &str, value: Value| {
        let mut body = cloud();
        body[key] = value;
        body
    };
    for body in [
        json!([]),
        json!({}),
        json!({"fields": []}),
        top("field", json!({})),
        top("properties", json!({})),
        top("properties", json!([{"key": "a"}])),
        top("properties", json!([{"key": "", "value": 1}])),
        top("properties", json!([{"key": "a", "value": 1, "x": 1}])),
        top("properties", json!([{"key": "x".repeat(256), "value": 1}])),
        top("properties", json!([{"key": "a", "value": "x".repeat(32 * 1024)}])),
    ] {
        assert_eq!(post(&jira, "3/issue", &body).await.0, 400, "{body}");
    }
    assert_eq!(jira.effects(), 0);
}

#[test]
fn the_derived_schema_decides_alike() {
    let none = BTreeSet::new();
    for (name, dialect, is_sound) in [
        ("jira-cloud-create.valid.json", Dialect::Cloud, true),
        ("jira-cloud-create.invalid.json", Dialect::Cloud, false),
        ("jira-dc-create.valid.json", Dialect::DataCenter, true),
        ("jira-dc-create.invalid.json", Dialect::DataCenter, false),
    ] {
        for body in examples(name) {
            assert_eq!(create::check(dialect, &body, &none).is_ok(), is_sound, "{body}");
        }
    }
    let Some(schema) = contract("jira-create-issue.schema.json") else { return };
    let schema = jsonschema::validator_for(&schema).unwrap();
    assert!(schema.is_valid(&cloud()));
    for (field, body) in broken() {
        // The schema knows the shape, not what this project has; and it allows one character more than Jira.
        let is_ours = body["fields"]["project"]["key"] == "OPS" || body.to_string().contains("Saga");
        let is_ours =
            is_ours || matches!(field, "priority" | "customfield_10001") || body["fields"]["issuetype"]["id"] == "9";
        let is_one_longer = body["fields"]["summary"].as_str().is_some_and(|summary| summary.chars().count() == 255);
        assert_eq!(schema.is_valid(&body), is_ours || is_one_longer, "{body}");
    }
}

#[tokio::test]
async fn a_field_that_is_not_on_the_screen_is_refused() {
    let jira = quick().await;
    jira.hide_field("priority");
    let (status, answer) = post(&jira, "3/issue", &cloud()).await;
    let why = "Field 'priority' cannot be set. It is not on the appropriate screen, or unknown.";
    assert_eq!((status, &answer["errors"]), (400, &json!({"priority": why})));
    assert_eq!(post(&jira, "3/issue", &without(cloud(), "priority")).await.0, 201);
}

#[tokio::test]
async fn credentials_are_checked_everywhere() {
    let jira = quick().await;
    for path in ["3/issue", "3/search/jql", "2/issue", "2/search", "3/issue/SEC-1/comment", "3/nothing"] {
        let url = format!("{}/rest/api/{path}", jira.base_url());
        let json = || client().post(&url).header("content-type", "application/json").body("{}");
        for request in [
            json(),
            json().basic_auth(EMAIL, Some("wrong")),
            json().basic_auth("other@example.com", Some(API_TOKEN)),
            json().bearer_auth("wrong"),
            json().header("authorization", "Basic %%%"),
            json().header("authorization", API_TOKEN),
        ] {
            assert_eq!(send(request).await.0, 401, "{path}");
        }
    }
    let myself = |version: u8| client().get(format!("{}/rest/api/{version}/myself", jira.base_url()));
    assert_eq!(send(myself(3)).await.0, 401);
    let (status, answer) = send(myself(3).basic_auth(EMAIL, Some(API_TOKEN))).await;
    assert_eq!((status, &answer["emailAddress"]), (200, &json!(EMAIL)));
    let (status, answer) = send(myself(2).bearer_auth(API_TOKEN)).await;
    assert_eq!((status, &answer["name"]), (200, &json!("soc-bot")));
    assert_eq!(post(&jira, "3/issue", &cloud()).await.1["key"], "SEC-1", "a stranger uses no number up");
}

#[tokio::test]
async fn other_methods_paths_and_media_types_are_refused() {
    let jira = quick().await;
    let base = jira.base_url();
    let status = |request: reqwest::RequestBuilder| async { send(request.bearer_auth(API_TOKEN)).await.0 };
    assert_eq!(status(client().get(format!("{base}/rest/api/3/issue"))).await, 405);
    assert_eq!(status(client().delete(format!("{base}/rest/api/3/issue/SEC-1"))).await, 405);
    assert_eq!(status(client().post(format!("{base}/rest/api/3/myself"))).await, 405);
    assert_eq!(status(client().post(format!("{base}/rest/api/3/search"))).await, 404, "removed from Cloud");
    assert_eq!(status(client().post(format!("{base}/rest/api/2/search/jql"))).await, 404);
    assert_eq!(status(client().post(format!("{base}/rest/api/4/issue"))).await, 404);
    assert_eq!(status(client().post(format!("{base}/rest/api/3/issue")).body(cloud().to_string())).await, 415);
    let json = client().post(format!("{base}/rest/api/3/issue")).header("content-type", "application/json");
    assert_eq!(status(json.body("{")).await, 400);
    assert_eq!(jira.effects(), 0);
}

#[tokio::test]
async fn a_search_finds_the_label_and_nothing_else() {
    let jira = quick().await;
    post(&jira, "3/issue", &cloud()).await;
    post(&jira, "3/issue", &with(cloud(), "labels", json!(["gp-2"]))).await;
    post(&jira, "3/issue", &with(cloud(), "labels", json!(["gp-1"]))).await;
    assert_eq!(find(&jira, "gp-1").await, ["SEC-3", "SEC-1"]);
    assert!(find(&jira, "gp").await.is_empty());
    assert!(find(&jira, "GP-1").await.is_empty());
    let jql = "project = SEC AND labels = gp-2";
    let (_, bare) = post(&jira, "3/search/jql", &json!({"jql": jql})).await;
    assert_eq!(bare, json!({"issues": [{"id": "10002"}], "isLast": true}), "Cloud gives only ids unasked");
    let (_, old) = post(&jira, "2/search", &json!({"jql": jql, "maxResults": 1})).await;
    assert_eq!((&old["total"], &old["issues"][0]["fields"]["summary"]), (&json!(1), &json!("HIGH · too fast")));
}

#[tokio::test]
async fn a_search_is_paged_in_the_way_of_its_dialect() {
    let jira = quick().await;
    for _ in 0..3 {
        post(&jira, "3/issue", &cloud()).await;
    }
    let jql = "project = SEC AND labels = gp-1";
    let (_, first) = post(&jira, "3/search/jql", &json!({"jql": jql, "maxResults": 2})).await;
    assert_eq!((first["issues"].as_array().unwrap().len(), &first["isLast"]), (2, &json!(false)));
    let next = json!({"jql": jql, "maxResults": 2, "nextPageToken": first["nextPageToken"]});
    assert_eq!(post(&jira, "3/search/jql", &next).await.1, json!({"issues": [{"id": "10001"}], "isLast": true}));
    let (_, second) = post(&jira, "2/search", &json!({"jql": jql, "startAt": 2, "fields": ["labels"]})).await;
    assert_eq!((&second["total"], &second["issues"][0]["key"]), (&json!(3), &json!("SEC-1")));
    assert_eq!(second["issues"][0]["fields"], json!({"labels": ["gatepost", "gp-1"]}));
}

#[tokio::test]
async fn a_search_that_is_not_understood_is_refused() {
    let jira = quick().await;
    let jql = "project = SEC AND labels = gp-1";
    for (path, body) in [
        ("3/search/jql", json!({})),
        ("3/search/jql", json!([])),
        ("3/search/jql", json!({"jql": "text ~ x"})),
        ("3/search/jql", json!({"jql": "project = OPS AND labels = gp-1"})),
        ("3/search/jql", json!({"jql": jql, "startAt": 0})),
        ("3/search/jql", json!({"jql": jql, "fields": "summary"})),
        ("3/search/jql", json!({"jql": jql, "maxResults": -1})),
        ("3/search/jql", json!({"jql": jql, "nextPageToken": "x"})),
        ("2/search", json!({"jql": jql, "nextPageToken": "0"})),
    ] {
        let (status, answer) = post(&jira, path, &body).await;
        assert!(status == 400 && answer["errorMessages"][0].is_string(), "{body}: {answer}");
    }
}

#[tokio::test]
async fn the_search_of_cloud_lags_behind() {
    let jira = quick().await;
    jira.lag_search(Duration::from_secs(3600));
    post(&jira, "3/issue", &cloud()).await;
    assert!(find(&jira, "gp-1").await.is_empty());
    let old = json!({"jql": "project = SEC AND labels = gp-1"});
    assert_eq!(post(&jira, "2/search", &old).await.1["total"], 1, "Data Center does not lag");
    jira.lag_search(Duration::ZERO);
    assert_eq!(find(&jira, "gp-1").await, ["SEC-1"]);
}

#[tokio::test]
async fn comments_are_checked_like_descriptions() {
    let jira = quick().await;
    post(&jira, "3/issue", &cloud()).await;
    let (status, answer) = post(&jira, "3/issue/SEC-1/comment", &json!({"body": paragraph("again")})).await;
    assert_eq!((status, &answer["id"]), (201, &json!("10001001")));
    assert_eq!(post(&jira, "2/issue/10001/comment", &json!({"body": "again"})).await.0, 201);
    for (path, body, expected) in [
        ("3/issue/SEC-9/comment", json!({"body": paragraph("x")}), 404),
        ("3/issue/SEC-1/comment", json!({"body": "wiki"}), 400),
        ("3/issue/SEC-1/comment", json!({"body": paragraph("")}), 400),
        ("3/issue/SEC-1/comment", json!({"body": document_of(32_768)}), 400),
        ("3/issue/SEC-1/comment", json!({"body": paragraph("x"), "text": "x"}), 400),
        ("3/issue/SEC-1/comment", json!([]), 400),
        ("2/issue/SEC-1/comment", json!({"body": paragraph("x")}), 400),
        ("2/issue/SEC-1/comment", json!({"body": ""}), 400),
    ] {
        assert_eq!(post(&jira, path, &body).await.0, expected, "{path} {body}");
    }
    assert_eq!((jira.issues()[0].comments.len(), jira.effects()), (2, 1), "a comment is no issue");
}

async fn get(jira: &StandIn<Jira>, path: &str) -> (u16, Value) {
    send(client().get(format!("{}/rest/api/{path}", jira.base_url())).bearer_auth(API_TOKEN)).await
}

async fn put(jira: &StandIn<Jira>, path: &str, body: &Value) -> (u16, Value) {
    let request = client().put(format!("{}/rest/api/{path}", jira.base_url())).bearer_auth(API_TOKEN);
    send(request.header("content-type", "application/json").body(body.to_string())).await
}

#[tokio::test]
async fn an_issue_is_shown_with_the_fields_that_are_asked_for_and_edited() {
    let jira = quick().await;
    post(&jira, "3/issue", &cloud()).await;
    let (status, issue) = get(&jira, "3/issue/SEC-1?fields=status,priority").await;
    let expected = json!({"status": {"name": "To Do", "statusCategory": {"key": "new"}}, "priority": {"name": "High"}});
    assert_eq!((status, &issue["id"], &issue["fields"]), (200, &json!("10001"), &expected));
    let highest = json!({"fields": {"priority": {"name": "Highest"}}});
    assert_eq!(put(&jira, "3/issue/10001", &highest).await.0, 204);
    assert_eq!(get(&jira, "2/issue/SEC-1").await.1["fields"]["priority"]["name"], "Highest");
    jira.set_priority("SEC-1", "Low");
    assert_eq!(get(&jira, "2/issue/SEC-1").await.1["fields"]["priority"]["name"], "Low");
    for (body, expected) in [
        (json!({"fields": {"priority": {"name": "Urgent"}}}), 400),
        (json!({"fields": {"summary": ""}}), 400),
        (json!({"fields": {"customfield_1": "x"}}), 400),
        (json!({"fields": {}, "update": {}}), 400),
        (json!([]), 400),
        (json!({"fields": {"summary": "another"}}), 204),
    ] {
        assert_eq!(put(&jira, "3/issue/SEC-1", &body).await.0, expected, "{body}");
    }
    jira.hide_field("priority");
    assert_eq!(put(&jira, "3/issue/SEC-1", &highest).await.0, 400);
    jira.delete("SEC-1");
    assert_eq!(get(&jira, "3/issue/SEC-1").await.0, 404);
    assert_eq!(put(&jira, "3/issue/SEC-1", &highest).await.0, 404);
    assert_eq!(get(&jira, "3/issue/SEC-1/comment").await.0, 404);
    assert_eq!(get(&jira, "3/issue/SEC-1/transitions").await.0, 404);
}

#[tokio::test]
async fn a_transition_is_possible_only_from_its_status() {
    let jira = quick().await;
    post(&jira, "3/issue", &cloud()).await;
    let names = async || {
        let (_, answer) = get(&jira, "3/issue/SEC-1/transitions").await;
        let names = answer["transitions"].as_array().unwrap().iter();
        names.map(|transition| transition["name"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    let go = async |body: Value| post(&jira, "3/issue/SEC-1/transitions", &body).await.0;
    assert_eq!(names().await, ["Start", "Done"]);
    assert_eq!(go(json!({"transition": {"id": "31"}})).await, 400);
    assert_eq!(go(json!({"transition": {}})).await, 400);
    assert_eq!(go(json!({"transition": {"id": "21"}, "fields": {"summary": "x"}})).await, 400);
    assert_eq!(go(json!({"transition": {"id": "21"}})).await, 204);
    assert_eq!((names().await, jira.issues()[0].status), (vec!["Reopen".to_owned()], "Done"));
    assert!(jira.render_terminal(Style::Plain).contains("Task · Done · High"));
    jira.set_status("SEC-1", "In Progress");
    assert_eq!(names().await, ["Done"]);
}

#[tokio::test]
async fn comments_are_listed_in_the_order_that_is_asked_for() {
    let jira = quick().await;
    post(&jira, "3/issue", &cloud()).await;
    for text in ["a", "b", "c"] {
        post(&jira, "2/issue/SEC-1/comment", &json!({"body": text})).await;
    }
    let listed = async |query: &str| {
        let (_, answer) = get(&jira, &format!("2/issue/SEC-1/comment?{query}")).await;
        let comments = answer["comments"].as_array().unwrap().iter();
        (
            comments.map(|comment| comment["body"].as_str().unwrap().to_owned()).collect::<String>(),
            answer["total"].clone(),
        )
    };
    assert_eq!(listed("").await, ("abc".to_owned(), json!(3)));
    assert_eq!(listed("orderBy=-created&maxResults=2").await, ("cb".to_owned(), json!(3)));
    assert_eq!(listed("startAt=2").await, ("c".to_owned(), json!(3)));
    assert_eq!(get(&jira, "2/issue/SEC-1/comment?maxResults=x").await.0, 400);
    assert_eq!(get(&jira, "2/issue/SEC-1/comment?orderBy=author").await.0, 400);
}

#[tokio::test]
async fn a_new_issue_may_be_linked_to_one_that_exists() {
    let jira = quick().await;
    post(&jira, "3/issue", &cloud()).await;
    let linked = |key: &str, kind: &str| {
        let mut body = cloud();
        let link = json!({"type": {"name": kind}, "outwardIssue": {"key": key}});
        body["update"] = json!({"issuelinks": [{"add": link}]});
        body
    };
    assert_eq!(post(&jira, "3/issue", &linked("SEC-1", "Relates")).await.0, 201);
    assert_eq!(jira.issues()[1].links, ["SEC-1"]);
    for body in [linked("SEC-9", "Relates"), linked("SEC-1", "Hates")] {
        let (status, answer) = post(&jira, "3/issue", &body).await;
        assert!(status == 400 && answer["errors"]["issuelinks"].is_string(), "{answer}");
    }
    jira.hide_field("issuelinks");
    assert_eq!(post(&jira, "3/issue", &linked("SEC-1", "Relates")).await.0, 400);
}

#[tokio::test]
async fn cloud_throttles_bursts_and_writes_to_one_issue() {
    let jira = start().await.unwrap();
    jira.limit_rate(Rate::new(2, Duration::from_secs(60)));
    for expected in [201, 201, 429] {
        assert_eq!(post(&jira, "3/issue", &cloud()).await.0, expected);
    }
    assert_eq!(post(&jira, "2/issue", &data_center()).await.0, 201, "the limits are Cloud's");
    jira.limit_rate(Rate::UNLIMITED);
    jira.shared.service().writes = Limiter::new(Rate::new(1, Duration::from_secs(60)));
    let url = format!("{}/rest/api/3/issue/SEC-1/comment", jira.base_url());
    let comment = || {
        let request = client().post(&url).bearer_auth(API_TOKEN).header("content-type", "application/json");
        request.body(json!({"body": paragraph("x")}).to_string()).send()
    };
    assert_eq!(comment().await.unwrap().status(), 201);
    let answer = comment().await.unwrap();
    assert_eq!(
        (answer.status().as_u16(), &answer.headers()["ratelimit-reason"]),
        (429, &"jira-per-issue-on-write".parse().unwrap())
    );
    assert!(answer.headers().contains_key("retry-after"));
}

#[tokio::test]
async fn a_ticket_is_shown_as_people_see_it() {
    let jira = quick().await;
    let body = with(cloud(), "summary", json!("HIGH · too fast\u{202e}\u{7}"));
    post(&jira, "3/issue", &body).await;
    post(&jira, "3/issue/SEC-1/comment", &json!({"body": paragraph("again")})).await;
    let shown = jira.render_terminal(Style::Plain);
    let rows: Vec<&str> = shown.lines().collect();
    assert!(rows[0].starts_with("╭─ Jira SEC-1 · "), "{shown}");
    let rest =
        ["│ HIGH · too fast", "│ Task · High · gatepost gp-1", "│", "│ event id-1", "│ ── comment", "│ again", "╰─"];
    assert_eq!(rows[1..], rest);
}
