//! What templates make, what they refuse, and that the default ones say the built-in words.

use super::*;
use crate::destinations::life::{self, OwnedTelling};
use crate::destinations::spoken::{has_words, notifiers, sent, told};
use crate::destinations::{Notifier, find, testing};
use crate::domain::{IncidentKind, Purpose, Severity};

fn source(slot: Slot, text: &str) -> TemplateSource {
    TemplateSource { slot, text: text.to_owned() }
}

fn compiled(kind: &Kind, class: NotifierClass, sources: Vec<TemplateSource>) -> Templates {
    let has_fields = sources.iter().any(|source| matches!(source.slot, Slot::Field(_)));
    Templates::compile(kind, class, sources, has_fields).unwrap()
}

/// The templates that say the built-in words.
fn default_templates(kind: &Kind, class: NotifierClass) -> Templates {
    let given = defaults(kind).unwrap();
    let slot = |name: &str| match name {
        "title" => Slot::Title,
        "subject" => Slot::Subject,
        _ => Slot::Text,
    };
    let texts = given.texts.iter().map(|(name, text)| source(slot(name), text));
    let fields = toml::from_str::<toml::Table>(given.fields.unwrap_or_default()).unwrap();
    let fields = fields.iter().map(|(name, text)| source(Slot::Field(name.clone()), text.as_str().unwrap()));
    compiled(kind, class, texts.chain(fields).collect())
}

fn with(mut told: OwnedTelling, templates: &Templates) -> OwnedTelling {
    let (wording, failures) = templates.render(&told.job(), &told.telling(), told.wording.annotation.clone());
    assert_eq!(failures, []);
    told.wording = wording;
    told
}

/// What a template makes of the raise of an incident in Slack.
fn said(text: &str) -> String {
    let templates = compiled(find("slack").unwrap(), NotifierClass::AppendOnly, vec![source(Slot::Text, text)]);
    with(life::at("raise", NotifierClass::AppendOnly), &templates).wording.text.unwrap_or_default()
}

fn fault(text: &str) -> String {
    let failures =
        Templates::compile(find("slack").unwrap(), NotifierClass::AppendOnly, vec![source(Slot::Text, text)], false);
    failures.err().map(|failures| failures[0].error.to_string()).unwrap_or_default()
}

/// The words of a message whatever its markup, in their order where it is the same.
fn words(kind: &Kind, text: &str) -> Vec<String> {
    // Slack's token for a time holds the time and what is shown where it is not understood.
    let mut plain = text.replace('\u{200b}', "").replace("{{", "").replace("}}", "");
    while let Some((before, rest)) = plain.split_once("<!date^") {
        let (token, after) = rest.split_once('>').unwrap();
        plain = format!("{before}{}{after}", token.split_once('|').unwrap().1);
    }
    for (mark, meaning) in [("\\", ""), ("&lt;", "<"), ("&gt;", ">"), ("&amp;", "&"), ("&#39;", "'"), ("&quot;", "\"")]
    {
        plain = plain.replace(mark, meaning);
    }
    if kind.name == "email" {
        let parts = plain.split('<').enumerate();
        let untagged =
            parts.map(|(place, part)| if place == 0 { part } else { part.split_once('>').map_or("", |p| p.1) });
        plain = untagged.collect::<Vec<_>>().join(" ");
    }
    let is_ours = |word: &&str| !MARKUP.contains(word) && !word.is_empty();
    let mut words: Vec<String> =
        plain.split(|c: char| !c.is_alphanumeric()).filter(is_ours).map(str::to_owned).collect();
    // A ticket's runbook and excerpt, and texts that are fields of an embed, stand elsewhere than in the text.
    if ["discord", "jira", "mattermost", "servicenow"].contains(&kind.name) {
        words.sort();
    }
    words
}

/// Words of the form of a message, of which there are more or fewer where one text stands for several.
const MARKUP: &[&str] = &[
    "type",
    "section",
    "text",
    "plain",
    "mrkdwn",
    "verbatim",
    "emoji",
    "name",
    "value",
    "inline",
    "title",
    "short",
    "fields",
    "TextRun",
    "RichTextBlock",
    "inlines",
    "fontType",
    "Monospace",
    "weight",
    "Bolder",
    "spacing",
    "None",
    "size",
    "isSubtle",
    "paragraph",
    "content",
    "marks",
    "code",
    "strong",
    "hardBreak",
    "heading",
    "attrs",
    "level",
    "bulletList",
    "listItem",
    "codeBlock",
    "link",
    "href",
    "style",
    "white",
    "space",
    "pre",
    "wrap",
    "noformat",
    "h3",
    "true",
    "false",
    "Default",
];

#[test]
fn the_default_templates_say_the_built_in_words_in_every_notifier_and_at_every_stage() {
    let (mut compared, mut wrong) = (0, Vec::new());
    for (kind, notifier) in notifiers() {
        let class = notifier.class();
        let templates = default_templates(kind, class);
        for stage in life::STAGES {
            let mut told = told(kind, class, stage);
            told.wording.annotation = annotation();
            compared += 1;
            wrong.extend(difference(kind, notifier.as_ref(), &templates, &told, stage));
        }
        for name in testing::EVENTS {
            let mut told = told(kind, class, "open");
            told.event = testing::event(name);
            told.incident.title = told.event.title.clone();
            if name == "hostile" {
                told.incident.title = told.incident.title.chars().take(60).collect();
            }
            told.incident.rule = told.event.kind.clone();
            compared += 1;
            wrong.extend(difference(kind, notifier.as_ref(), &templates, &told, name));
        }
    }
    assert!(compared > 150 && wrong.is_empty(), "{} of {compared} differ\n{}", wrong.len(), wrong.join("\n"));
}

fn annotation() -> Annotation {
    let some = |text: &str| Some(text.to_owned());
    Annotation { runbook: some("https://wiki.example.org/sqli"), owner: some("@web"), note: some("ask first") }
}

/// Where the words differ, the first place and both messages.
fn difference(
    kind: &Kind,
    notifier: &dyn Notifier,
    templates: &Templates,
    told: &OwnedTelling,
    stage: &str,
) -> Option<String> {
    let built_in = sent(notifier, told)?;
    let own = sent(notifier, &with(told.clone(), templates)).unwrap();
    let (wanted, found) = (words(kind, &built_in), words(kind, &own));
    let place = wanted.iter().zip(&found).position(|(wanted, found)| wanted != found);
    let place = place.unwrap_or(wanted.len().min(found.len()));
    let around = |words: &[String]| words[place.saturating_sub(3)..words.len().min(place + 6)].join(" ");
    (wanted != found).then(|| {
        let (wanted, found) = (around(&wanted), around(&found));
        format!("{} {stage}: '{wanted}' is '{found}'\nbuilt in:\n{built_in}\nby templates:\n{own}", kind.name)
    })
}

#[test]
fn a_template_stands_in_the_place_of_title_text_and_fields_of_every_notifier() {
    for (kind, notifier) in notifiers() {
        let class = notifier.class();
        let mut sources = vec![
            source(Slot::Title, "OWN-TITLE {{ title }} {{ number }}"),
            source(Slot::Field("own-name".into()), "{{ rule }} OWN-VALUE"),
            source(Slot::Field("blank".into()), "{{ vendor_id | replace(vendor_id, '') }}"),
        ];
        if kind.name != "pagerduty" {
            sources.push(source(Slot::Text, "OWN-TEXT\n{{ who }} did {{ what }}"));
        }
        let templates = compiled(kind, class, sources);
        for stage in ["open", "resolve", "raise", "storm"] {
            let told = with(told(kind, class, stage), &templates);
            if !has_words(told.intent.operation, class) {
                continue;
            }
            let text = sent(notifier.as_ref(), &told).unwrap().replace('\\', "");
            let says = |what: &str| text.contains(what);
            let about = format!("{} {stage}:\n{text}", kind.name);
            // A subject stays that of the opening, and the title is the first line.
            assert!(says("OWN-TITLE") || class == NotifierClass::Ticket && stage != "open", "{about}");
            assert!(says("OWN-TEXT") || kind.name == "pagerduty", "{about}");
            let is_whole = matches!(class, NotifierClass::Pager) || stage == "open";
            assert!(says("OWN-VALUE") && says("own-name") || !is_whole, "{about}");
            assert!(!says("What happened") && !says("blank"), "{about}");
            assert!(says("gatepost incidents") || class == NotifierClass::Ticket && stage != "open", "{about}");
        }
    }
}

#[test]
fn what_attackers_write_is_never_a_template_and_is_escaped_as_ever() {
    for (kind, notifier) in notifiers().into_iter().filter(|(kind, _)| kind.name != "pagerduty") {
        let templates = compiled(kind, notifier.class(), vec![source(Slot::Text, "{{ message }} {{ title }}")]);
        let mut told = told(kind, notifier.class(), "open");
        told.event.message = Some("{{ 7 * 7 }}{% raw %} <!channel> @here [x](javascript:1) {noformat} <b>".into());
        let told = with(told, &templates);
        assert!(told.wording.text.as_ref().unwrap().starts_with("{{ 7 * 7 }}{% raw %}"), "{:?}", told.wording);
        let text = sent(notifier.as_ref(), &told).unwrap();
        assert!(!text.contains("49"), "{text}");
        match kind.name {
            "discord" => assert!(text.contains("\\<\\!channel\\>") || text.contains("\\<!channel\\>"), "{text}"),
            "email" => assert!(text.contains("&lt;b&gt;"), "{text}"),
            "mattermost" => assert!(!text.contains("@here") && text.contains("\\[x\\]"), "{text}"),
            "opsgenie" => assert!(!text.contains("<b>"), "{text}"),
            "slack" => assert!(text.contains("&lt;!channel&gt;"), "{text}"),
            _ => {}
        }
    }
}

#[test]
fn output_is_redacted_and_free_of_what_people_cannot_see() {
    assert_eq!(said("a\u{202e}b\u{1b}[31m"), "a\u{fffd}b\u{fffd}[31m");
    assert!(!said("Authorization: Bearer abcdefghijklmnop1234567890").contains("abcdefghijklmnop"));
    assert_eq!(said("{% if who %}\nx  \n{% endif %}\n\n\n\n{{ severity }}\n\n"), "x\n\nhigh");
    assert_eq!(said("{{ message and '' }}"), "", "blank output leaves the built-in words");
}

#[test]
fn a_title_and_a_subject_are_one_line_each_and_a_field_may_have_several() {
    let text = "{{ 'a\n\u{1b}[31mb\u{202e}' }}\n\nc";
    let slots = [Slot::Title, Slot::Subject, Slot::Field("name".into())];
    let templates =
        compiled(find("email").unwrap(), NotifierClass::AppendOnly, slots.map(|slot| source(slot, text)).to_vec());
    let told = told(find("email").unwrap(), NotifierClass::AppendOnly, "open");
    let (wording, failures) = templates.render(&told.job(), &told.telling(), Annotation::NONE);
    assert_eq!(failures, []);
    let [(_, field)] = wording.fields.as_deref().unwrap() else { panic!("{wording:?}") };
    for line in [wording.title.as_ref().unwrap(), wording.subject.as_ref().unwrap(), field] {
        assert!(line.starts_with('a') && line.ends_with('c'), "{line:?}");
        assert!(!line.contains(['\u{1b}', '\u{202e}']) && line.contains('\n') == (line == field), "{line:?}");
    }
}

#[test]
fn names_and_filters_are_those_that_are_documented() {
    let page = include_str!("../../../docs/templates.md");
    for name in names::NAMES.iter().chain(names::FILTERS) {
        assert!(page.contains(&format!("`{name}`")) || page.contains(&format!("`{name}(")), "{name}");
    }
    assert!(names::NAMES.is_sorted());
    let told = life::at("raise", NotifierClass::AppendOnly);
    let context = Context::of(&told.job(), &told.telling(), "slack", NotifierClass::AppendOnly);
    let context = serde_json::to_value(&context).unwrap();
    let mut known: Vec<&String> = context.as_object().unwrap().keys().collect();
    known.sort();
    assert_eq!(known, names::NAMES);
    assert!(context.as_object().unwrap().values().all(|value| !value.is_null()));
}

#[test]
fn every_filter_does_what_it_says() {
    for (template, text) in [
        ("{{ severity | upper }} {{ 'AbC' | lower }} {{ 'abc def' | capitalize }}", "HIGH abc Abc def"),
        ("{{ ' x ' | trim }}{{ 'a-b' | replace('-', '+') }}{{ '' | default('none', true) }}", "xa+bnone"),
        ("{{ ['a', 'b'] | join(', ') }} {{ 'abc' | length }} {{ [1, 2] | first }}{{ [1, 2] | last }}", "a, b 3 12"),
        ("{{ 'abcdef' | short(4) }}", "abc…"),
        ("{{ 'a\nb\nc' | few_lines(2, 80) }}", "a\nb\n…"),
        ("x\n{{ 'a\nb' | indented }}", "x\n    a\n    b"),
        ("{% for one in links[9:] %}{{ one.title }}{% else %}none{% endfor %}", "none"),
    ] {
        assert_eq!(said(template), text, "{template}");
    }
}

#[test]
fn a_fault_names_its_line_and_what_to_do() {
    for (template, wanted) in [
        ("a\n{{ titel }}", "line 2: names 'titel', which does not exist; did you mean 'title'?"),
        (
            "{% if false %}\n{{ fact.stats }}{% endif %}",
            "line 2: names 'fact.stats', which does not exist; did you mean 'status'?",
        ),
        ("x\n{% if title %}", "line 2: is not a template: "),
        ("{% include 'x' %}", "line 1: is not a template: "),
        ("{{ range(5) }}", "which does not exist"),
    ] {
        let found = fault(template);
        assert!(found.contains(wanted), "{template}: {found}");
    }
    assert!(fault(&"x".repeat(20_000)).contains("is longer than 16384 bytes; shorten it"));
    assert_eq!(fault("{{ title }}"), "");
}

#[test]
fn what_does_not_exist_is_found_wherever_it_stands() {
    let calls = "there are no tests and functions: compare with ==, in, and, or, not";
    for (used, wanted) in [
        ("{{ title | shout }}", "uses the filter 'shout', which does not exist; did you mean 'short'?".to_owned()),
        ("{{ title | tojson }}", "uses the filter 'tojson', which does not exist; filters: upper, lower".to_owned()),
        ("{% filter uper %}x{% endfilter %}", "did you mean 'upper'?".to_owned()),
        ("{{ title is odd }}", format!("uses 'is odd', which does not exist; {calls}")),
        ("{{ title is not defined }}", format!("uses 'is defined', which does not exist; {calls}")),
        ("{{ title() }}", format!("uses 'title(…)', which does not exist; {calls}")),
        ("{{ title.upper() }}", format!("uses '.upper(…)', which does not exist; {calls}")),
        ("{{ links[0]() }}", format!("uses '(…)', which does not exist; {calls}")),
    ] {
        for (before, after) in [
            ("x\n", ""),
            ("{% if form == 'no such form' %}\n", "{% endif %}"),
            ("{% if title %}{% elif note %}x{% else %}\n", "{% endif %}"),
            ("{% for one in [] %}\n", "{% endfor %}"),
            ("{% for one in links %}x{% else %}\n", "{% endfor %}"),
            ("{% set never %}\n", "{% endset %}"),
            ("{% if false and '\n", "' %}{% endif %}"),
        ] {
            let is_text = before.ends_with("'\n");
            let found = fault(&format!("{before}{used}{after}"));
            assert_eq!(found.is_empty(), is_text, "{before}{used}{after}: {found}");
            assert!(
                is_text || found.starts_with("line 2: ") && found.contains(&wanted),
                "{before}{used}{after}: {found}"
            );
        }
        let argument = used.trim_start_matches("{{ ").trim_end_matches(" }}");
        if !used.starts_with("{%") {
            let inside =
                format!("x\n{{{{ note or (({argument}) if note else [{argument}]) | default(({argument})) }}}}");
            assert!(fault(&inside).contains(&wanted), "{inside}: {}", fault(&inside));
        }
    }
    let walk =
        "{% for one in links recursive %}{{ loop.cycle('a', 'b') }}{{ loop.changed(one) }}{{ loop([]) }}{% endfor %}";
    assert_eq!(fault(walk), "");
}

#[test]
fn check_tries_every_template_against_the_samples() {
    let tried = |class, text: &str| {
        let templates = compiled(find("slack").unwrap(), class, vec![source(Slot::Text, text)]);
        let failed = templates.try_samples();
        failed.iter().map(|(failure, sample)| format!("{sample}: {}", failure.error)).collect::<Vec<_>>()
    };
    assert_eq!(tried(NotifierClass::AppendOnly, "{{ title }}"), [""; 0]);
    for (text, sample, wanted) in [
        ("{% if form == 'storm' %}{{ 1 / 0 }}{% endif %}", "a storm", "fails: "),
        ("{% if operation == 'reply' and change == 'resolve' %}\n{{ title.x.y }}{% endif %}", "a resolution", "line 2"),
        ("{{ labels[0].name }}", "a storm", "asks for what is not there"),
        ("{{ labels[99] }}", "an opening", "asks for what is not there"),
        (
            "{% for a in 'x' * 300 %}{% for b in 'x' * 300 %}{{ a }}{% endfor %}{% endfor %}",
            "an opening",
            "takes more than 50000 steps; make its loops shorter",
        ),
    ] {
        let failed = tried(NotifierClass::AppendOnly, text);
        assert!(failed.len() == 1 && failed[0].starts_with(sample) && failed[0].contains(wanted), "{text}: {failed:?}");
    }
    for (kind, notifier) in notifiers() {
        assert_eq!(default_templates(kind, notifier.class()).try_samples(), [], "{}", kind.name);
    }
}

#[test]
fn output_is_cut_at_its_limit_and_a_title_keeps_what_is_around_it() {
    let long = said("{% for a in ['x' * 30000, 'y' * 30000] %}{{ a }}{% endfor %}");
    assert!(long.len() <= (32 << 10) + 3 && long.ends_with("y…"), "{}", long.len());
    let slack = find("slack").unwrap();
    let notifier = testing::notifier(slack, slack.template);
    let title = source(Slot::Title, "[prod] {{ title }} {{ number }}");
    let templates = compiled(slack, NotifierClass::AppendOnly, vec![title]);
    let mut told = life::at("open", NotifierClass::AppendOnly);
    told.incident.title = "long ".repeat(100);
    let text = sent(notifier.as_ref(), &with(told, &templates)).unwrap();
    assert!(text.contains("[prod] long long") && text.contains("… #4711"), "{text}");
}

#[test]
fn a_template_that_fails_leaves_the_built_in_words() {
    let slack = find("slack").unwrap();
    let text = source(Slot::Text, "{% if severity == 'critical' %}{{ labels[99].name }}{% endif %}OWN-TEXT");
    let fields = [source(Slot::Field("a".into()), "{{ labels[99].name }}"), source(Slot::Field("b".into()), "fine")];
    let sources = [vec![text, source(Slot::Title, "OWN-TITLE")], fields.to_vec()].concat();
    let templates = compiled(slack, NotifierClass::AppendOnly, sources);
    let mut told = life::at("open", NotifierClass::AppendOnly);
    told.incident.rank.severity = Severity::Critical;
    let (wording, failures) = templates.render(&told.job(), &told.telling(), Annotation::NONE);
    let slots: Vec<String> = failures.iter().map(|failure| failure.slot.key()).collect();
    assert_eq!(slots, ["text", "fields.a"]);
    assert_eq!((wording.title.as_deref(), wording.text, wording.fields), (Some("OWN-TITLE"), None, None));
}

#[test]
fn a_test_says_that_it_is_one_whatever_the_templates_say() {
    for (kind, notifier) in notifiers() {
        let slots =
            [Some(Slot::Title), (kind.name != "pagerduty").then_some(Slot::Text), Some(Slot::Field("f".into()))];
        let sources = slots.into_iter().flatten().map(|slot| source(slot, "OWN"));
        let templates = compiled(kind, notifier.class(), sources.collect());
        let told = with(told(kind, notifier.class(), "open"), &templates);
        let job = Job { purpose: Purpose::Probe, ..told.job() };
        let crate::destinations::Next::Send(_, message) = notifier.first(&job, &told.telling()) else { panic!() };
        let text = match message {
            crate::destinations::Message::Http(request) => String::from_utf8(request.body.to_vec()).unwrap(),
            crate::destinations::Message::Mail(mail) => String::from_utf8(mail.mails[0].content.to_vec()).unwrap(),
            other => panic!("{other:?}"),
        };
        assert!(text.contains("This is a test"), "{}: {text}", kind.name);
        assert!(told.incident.kind == IncidentKind::Events);
    }
}
