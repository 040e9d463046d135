//! `gatepost tail`: events and deliveries as they come.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};

use serde_json::Value;

use crate::harness::{Gateway, until};
use crate::{ADRIAN, AKTO, ARCHIVE, SOURCES, commands_in, config};

/// A tail that runs, and the lines that it has printed.
struct Tail {
    child: Child,
    lines: Arc<Mutex<Vec<String>>>,
}

impl Tail {
    fn start(gateway: &Gateway, arguments: &[&str]) -> Self {
        let mut command = gateway.folder.command(&[&["tail"], arguments].concat());
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::inherit()).spawn().unwrap();
        let lines = Arc::new(Mutex::new(Vec::new()));
        let (output, seen) = (BufReader::new(child.stdout.take().unwrap()), Arc::clone(&lines));
        std::thread::spawn(move || {
            output.lines().map_while(Result::ok).for_each(|line| seen.lock().unwrap().push(line))
        });
        Self { child, lines }
    }

    fn lines(&self) -> Vec<String> {
        self.lines.lock().unwrap().clone()
    }

    fn shows(&self, what: &str, is_it: impl Fn(&str) -> bool) -> String {
        until(what, || self.lines().into_iter().find(|line| is_it(line)))
    }

    /// Ends it as Ctrl-C does; the exit code.
    fn interrupt(mut self) -> Option<i32> {
        let status = Command::new("kill").args(["-INT", &self.child.id().to_string()]).status().unwrap();
        assert!(status.success());
        until("the tail ends", || self.child.try_wait().unwrap()).code()
    }
}

impl Drop for Tail {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

#[test]
fn events_and_what_becomes_of_them_are_shown_as_they_come() {
    let broken = "[destinations.broken]\ntype = \"file\"\npath = \"absent/x.ndjson\"\n\
                  [[routes]]\nname = \"more\"\nto = [\"broken\"]\n";
    let gateway = Gateway::start(&format!("{SOURCES}{ARCHIVE}{broken}"));
    let post = |id: &str| {
        let body = format!(r#"{{"id":"{id}","type":"alert.triggered","data":{{"details":"{id}"}}}}"#);
        gateway.post_signed("adrian", ADRIAN, body.as_bytes()).accepted();
    };
    post("before");
    gateway.dispatched();
    let (people, scripts) = (Tail::start(&gateway, &[]), Tail::start(&gateway, &["--json", "-n", "0"]));
    people.shows("the last event", |line| line.contains("event") && line.contains("before"));
    // Only once both look do they see what comes.
    let mut posted = 0;
    until("the other one looks, too", || {
        posted += 1;
        post(&format!("during_{posted}"));
        scripts.lines().iter().any(|line| line.starts_with("{\"event\"")).then_some(())
    });
    // So that the next event is alone in its batch, which is named after its first.
    until("the others are in the file", || (gateway.folder.lines("events.ndjson").len() == posted + 1).then_some(()));
    post("after \u{9b}31m\u{202e}");
    people.shows("the event", |line| {
        line.contains("event") && line.contains("HIGH") | line.contains("high") && line.contains("after")
    });
    let told = people.shows("its delivery", |line| line.contains("delivered") && line.contains("after"));
    assert!(told.contains("archive") && commands_in(&told).is_empty(), "{told:?}");
    people.shows("a try that failed", |line| {
        line.contains("retry") && line.contains("broken") && line.contains("next try in")
    });
    scripts.shows("the same in JSON", |line| {
        line.contains("\"delivery\"") && line.contains("\"delivered\"") && line.contains("after")
    });
    let lines = scripts.lines();
    let event = lines.iter().find(|line| line.contains("after")).unwrap();
    let event: Value = serde_json::from_str(event).unwrap();
    assert_eq!(
        (&event["event"]["title"], &event["event"]["severity_name"]),
        (&"after  31m\u{202e}".into(), &"high".into())
    );
    assert!(!lines[0].contains("\"before\""), "-n 0 begins with what is new");
    assert_eq!((people.interrupt(), scripts.interrupt()), (Some(0), Some(0)));
}

#[test]
fn only_what_was_asked_for_is_shown() {
    let gateway = Gateway::start(&config());
    gateway.post_signed("adrian", ADRIAN, br#"{"id":"evt_1","type":"agent.error"}"#).accepted();
    let two = br#"[{"id":"1","filterId":"XSS","url":"/a","severity":"HIGH"},{"id":"2","filterId":"XSS","url":"/b","severity":"LOW"}]"#;
    gateway.post_bearer("akto", AKTO, two).accepted();
    gateway.settle();
    let high = Tail::start(&gateway, &["--json", "--severity", "high"]);
    let adrian = Tail::start(&gateway, &["--source", "adrian"]);
    high.shows("the high one", |line| line.contains("/a"));
    adrian.shows("the one of adrian", |line| line.contains("Agent error"));
    assert_eq!((high.lines().len(), adrian.lines().len()), (1, 1));
    gateway.run(&["tail", "--source", "absent"]).ended(1).complains("there is no source 'absent'");
}

#[test]
fn a_reader_that_goes_ends_it_even_when_nothing_happens() {
    let gateway = Gateway::start(&config());
    let mut child = gateway.folder.command(&["tail"]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    let ended = until("the tail ends", || child.try_wait().unwrap());
    assert_eq!(ended.code(), Some(0));
}
