//! Against the real rsyslog, over TCP and over TLS: every message arrives as it was sent, in order, and none is split.
//!
//! Needs Debian's packages `rsyslog` and `rsyslog-openssl`.

use std::path::Path;
use std::process::{Child, Command, Stdio};

use super::*;
use crate::destinations::testing;
use crate::destinations::{Message, Next, find};
use crate::domain::{Event, Purpose};

/// A running rsyslog with its folder; it ends when it is dropped.
struct Rsyslog {
    child: Child,
    folder: tempfile::TempDir,
    port: u16,
}

impl Drop for Rsyslog {
    fn drop(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Rsyslog {
    async fn start(is_tls: bool) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let port = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap().port();
        let tls = project("tests/fixtures/tls");
        let (module, input) = match is_tls {
            false => (String::new(), String::new()),
            true => (
                format!(
                    "global(DefaultNetstreamDriver=\"ossl\" DefaultNetstreamDriverCAFile=\"{tls}/authority.pem\" \
                     DefaultNetstreamDriverCertFile=\"{tls}/good.pem\" DefaultNetstreamDriverKeyFile=\"{tls}/receiver.key\")\n"
                ),
                " StreamDriver.Name=\"ossl\" StreamDriver.Mode=\"1\" StreamDriver.AuthMode=\"anon\"".to_owned(),
            ),
        };
        let out = folder.path().display();
        // What arrived as the message, without a line break of rsyslog's own within it, and what was said about it.
        let conf = format!(
            "{module}module(load=\"imtcp\"{input})\ninput(type=\"imtcp\" address=\"127.0.0.1\" port=\"{port}\")\n\
             template(name=\"raw\" type=\"string\" string=\"%rawmsg%\\n\")\n\
             if $syslogtag startswith \"rsyslogd\" then {{ action(type=\"omfile\" file=\"{out}/own\") stop }}\n\
             action(type=\"omfile\" file=\"{out}/messages\" template=\"raw\")\n"
        );
        std::fs::write(folder.path().join("conf"), conf).unwrap();
        let path = |name: &str| folder.path().join(name);
        let child = Command::new("/usr/sbin/rsyslogd")
            .args(["-n", "-f"])
            .arg(path("conf"))
            .arg("-i")
            .arg(path("pid"))
            .stdout(Stdio::null())
            .stderr(std::fs::File::create(path("errors")).unwrap())
            .spawn()
            .expect("rsyslogd of Debian's package rsyslog");
        let started = Self { child, folder, port };
        // Looked for in the system's table: a connection that says nothing would be an error in the log.
        let listening = format!(":{port:04X} 00000000:0000 0A ");
        let table = || std::fs::read_to_string("/proc/net/tcp").unwrap();
        crate::standins::syslog::tests::until(|| table().contains(&listening)).await;
        started
    }

    fn file(&self, name: &str) -> String {
        std::fs::read_to_string(self.folder.path().join(name)).unwrap_or_default()
    }
}

fn project(path: &str) -> String {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path).display().to_string()
}

fn corpus() -> Vec<Event> {
    testing::every_event().into_iter().chain(testing::random_events(3, 200)).collect()
}

/// The messages of each form, of which the longest are as long as the setting allows.
fn messages(address: &str) -> Vec<Bytes> {
    let owned = testing::batch_of(&corpus(), Purpose::Alert);
    let mut all = Vec::new();
    for form in ["event", "ocsf", "cef"] {
        let settings = format!("address = \"{address}\"\nformat = \"{form}\"\nhostname = \"gw.example\"");
        let sink = testing::sink(find("syslog").unwrap(), &settings);
        let Next::Send(_, Message::Syslog(sent)) = sink.first(&owned.as_batch()) else { panic!() };
        all.extend(sent.messages);
    }
    assert!(all.iter().any(|message| message.len() > 8080), "none is as long as rsyslog takes");
    all
}

async fn everything_arrives(is_tls: bool) {
    let rsyslog = Rsyslog::start(is_tls).await;
    let address = format!("{}://127.0.0.1:{}", if is_tls { "tls" } else { "tcp" }, rsyslog.port);
    let (collectors, collector) = (collectors(), collector(&address, AUTHORITY));
    let sent = messages(&address);
    for messages in sent.chunks(100) {
        let batch = SyslogMessages { collector: Arc::clone(&collector), messages: messages.to_vec() };
        let reply = collectors.send(batch).await;
        assert!(matches!(reply, Reply::Written), "{reply:?}: {}", rsyslog.file("errors"));
    }
    collectors.close().await;
    crate::standins::syslog::tests::until(|| rsyslog.file("messages").lines().count() >= sent.len()).await;
    let found = rsyslog.file("messages");
    for (number, (found, sent)) in found.lines().zip(&sent).enumerate() {
        assert_eq!(found, std::str::from_utf8(sent).unwrap(), "message {number}");
    }
    assert_eq!(found.lines().count(), sent.len(), "one was split");
    let bytes: usize = sent.iter().map(Bytes::len).sum();
    println!(
        "{address}: {} messages of {bytes} bytes, the longest of {}",
        sent.len(),
        sent.iter().map(Bytes::len).max().unwrap()
    );
    let said = rsyslog.file("own") + &rsyslog.file("errors");
    assert!(!said.contains("error") && !said.contains("oversize"), "{said}");
}

#[tokio::test]
#[ignore = "needs Debian's packages rsyslog and rsyslog-openssl"]
async fn the_real_rsyslog_has_every_byte_over_tcp() {
    everything_arrives(false).await;
}

#[tokio::test]
#[ignore = "needs Debian's packages rsyslog and rsyslog-openssl"]
async fn the_real_rsyslog_has_every_byte_over_tls() {
    everything_arrives(true).await;
}
