//! `gatepost serve` in a temporary folder.

use std::fs::File;
use std::net::{Ipv4Addr, SocketAddr};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use super::ports::free_port;
use super::{Answer, Folder, PATIENCE, Post, Ran, hmac_hex, until};

/// A gateway that serves.
pub struct Gateway {
    /// Where it keeps everything.
    pub folder: Folder,
    /// Where vendors reach it.
    pub server: SocketAddr,
    /// Where the operator reaches it.
    pub admin: SocketAddr,
    /// What stands in `[server]` beside `listen`.
    server_settings: String,
    /// How often it was started.
    starts: usize,
    child: Option<Child>,
}

impl Gateway {
    /// Starts one with this configuration, which leaves out `[server]` and `[admin]`.
    pub fn start(config: &str) -> Self {
        Self::start_with("", config)
    }

    /// Starts one with these lines in `[server]`.
    pub fn start_with(server_settings: &str, config: &str) -> Self {
        let (server, admin) = (free_address(), free_address());
        let server_settings = server_settings.to_owned();
        let mut gateway = Self { folder: Folder::new(), server, admin, server_settings, starts: 0, child: None };
        gateway.configure(config);
        gateway.serve_again();
        gateway
    }

    /// Writes another configuration, for the next start or reload.
    pub fn configure(&self, config: &str) {
        let Self { server, admin, server_settings, .. } = self;
        let head = format!("[server]\nlisten = \"{server}\"\n{server_settings}\n[admin]\nlisten = \"{admin}\"\n");
        self.folder.write("gatepost.toml", format!("{head}\n{config}"));
    }

    /// Starts it again after it was stopped, and waits until it is ready.
    pub fn serve_again(&mut self) {
        self.starts = self.log().matches(READY).count() + 1;
        let log = File::options().create(true).append(true).open(self.folder.path().join(LOG)).unwrap();
        let mut command = self.folder.command(&["serve", "--log-format", "json"]);
        self.child = Some(command.stdout(Stdio::null()).stderr(log).spawn().unwrap());
        until("it is ready", || {
            assert!(self.is_alive(), "it does not start:\n{}", self.log());
            self.is_ready().then_some(())
        });
    }

    /// Sends it a signal, such as `HUP`.
    pub fn signal(&self, name: &str) {
        let id = self.child.as_ref().unwrap().id();
        let status = Command::new("kill").args([&format!("-{name}"), &id.to_string()]).status().unwrap();
        assert!(status.success());
    }

    /// Stops it as an operator would, with SIGTERM, and says how it ended.
    pub fn stop(&mut self) -> ExitStatus {
        self.signal("TERM");
        let mut child = self.child.take().unwrap();
        let deadline = Instant::now() + PATIENCE;
        while Instant::now() < deadline {
            if let Some(status) = child.try_wait().unwrap() {
                return status;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        child.kill().unwrap();
        child.wait().unwrap();
        panic!("it does not stop\n{}", self.log());
    }

    /// Whether the process is running.
    pub fn is_alive(&mut self) -> bool {
        self.child.as_mut().is_some_and(|child| child.try_wait().unwrap().is_none())
    }

    /// What it has logged.
    pub fn log(&self) -> String {
        self.folder.lines(LOG).join("\n")
    }

    /// Waits for a text in the log.
    pub fn logs(&self, text: &str) {
        until(&format!("'{text}' in the log:\n{}", self.log()), || self.log().contains(text).then_some(()));
    }

    /// Runs another command in its folder.
    pub fn run(&self, arguments: &[&str]) -> Ran {
        self.folder.run(arguments)
    }

    /// What a listing holds, newest first.
    pub fn list(&self, what: &str, filters: &[&str]) -> Vec<Value> {
        self.run(&[&[what, "list", "--json", "--limit", "10000"], filters].concat()).done().json_lines()
    }

    /// One row in full.
    pub fn show(&self, what: &str, id: &str) -> Value {
        self.run(&[what, "show", id, "--json"]).done().json()
    }

    /// Waits until every receipt is dispatched and every delivery has arrived or is dead.
    pub fn settle(&self) {
        self.dispatched();
        for state in ["waiting", "leased"] {
            until(&format!("no delivery is {state}"), || {
                self.list("deliveries", &["--state", state]).is_empty().then_some(())
            });
        }
        // What a sink has not been sent and is in no batch is in no list either.
        let is_open = |one: &Value| one["waiting"] != 0 || one["leased"] != 0;
        until("no sink is behind", || {
            let status = self.run(&["status", "--json"]).done().json();
            (!status["destinations"].as_array()?.iter().any(is_open)).then_some(())
        });
    }

    /// Waits until every receipt is dispatched.
    pub fn dispatched(&self) {
        let is_waiting = |row: &Value| row["state"] == "waiting";
        until("every receipt is dispatched", || (!self.list("receipts", &[]).iter().any(is_waiting)).then_some(()));
    }

    /// Posts a body as Secureagentics would.
    pub fn post_signed(&self, source: &str, secret: &str, body: &[u8]) -> Answer {
        let signature = hmac_hex(secret, body);
        let post = Post::to(format!("/webhooks/{source}")).line("x-secureagentics-signature", signature);
        post.line("content-type", "application/json").body(body).send(self.server)
    }

    /// Posts a body as Akto would.
    pub fn post_bearer(&self, source: &str, secret: &str, body: &[u8]) -> Answer {
        let post = Post::to(format!("/webhooks/{source}")).line("authorization", format!("Bearer {secret}"));
        post.line("content-type", "application/json").body(body).send(self.server)
    }

    /// Both by its own account and by its answer.
    fn is_ready(&self) -> bool {
        self.log().matches(READY).count() == self.starts && Post::get("/readyz").send(self.admin).status == 200
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            // Dropping reports no errors: the test is over.
            drop(child.kill());
            drop(child.wait());
        }
        if std::thread::panicking() {
            eprintln!("--- the gateway's log\n{}", self.log());
        }
    }
}

/// An address that stays this gateway's while its process is down.
fn free_address() -> SocketAddr {
    SocketAddr::from((Ipv4Addr::LOCALHOST, free_port()))
}

const LOG: &str = "gatepost.log";
const READY: &str = "gatepost is ready";
