//! The environment of the gateway: stand-ins, a folder, a configuration.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use gatepost::standins::{Rate, StandIn, jira, pagerduty, slack};

use super::guests::Guest;
use super::ports::free_port;

/// The secret of the source `adrian`.
pub const ADRIAN_SECRET: &str = "adrian-adrian-adrian-adrian-0001";
/// The secret of the source `akto`.
pub const AKTO_SECRET: &str = "akto-akto-akto-akto-akto-akto-02";

/// Everything but the gateway.
pub struct World {
    pub slack: Option<StandIn<slack::Slack>>,
    pub jira: Option<StandIn<jira::Jira>>,
    pub pagerduty: Option<StandIn<pagerduty::PagerDuty>>,
    /// Destinations beside the usual ones, or the one in their place.
    pub guests: Vec<Guest>,
    pub public: SocketAddr,
    pub setting: Setting,
    company: Company,
    urls: Urls,
    folder: tempfile::TempDir,
}

/// Which destinations there are beside the archive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Company {
    /// A pager, a chat and tickets, each for other severities.
    Usual,
    /// One, in their place.
    OneGuest,
    /// A notifier of every kind; each is told of all that is high or worse.
    EveryNotifier,
}

/// What the gateway is started with.
#[derive(Clone, Debug)]
pub struct Setting {
    pub admin: SocketAddr,
    pub public: SocketAddr,
    pub config: PathBuf,
    pub store: PathBuf,
    pub log: PathBuf,
    /// Variables of its environment.
    pub environment: BTreeMap<&'static str, String>,
}

/// Where the stand-ins listen, also while they do not.
#[derive(Clone)]
struct Urls {
    slack: String,
    jira: String,
    pagerduty: String,
}

impl World {
    /// The notifiers that an event of this severity is told to, as the routes say.
    pub fn notifiers_of(&self, severity: u8) -> Vec<&'static str> {
        let guests = self.guests.iter().filter(|guest| guest.is_notifier()).map(|guest| guest.name);
        match (self.company, severity) {
            (Company::Usual, 5..) => vec!["oncall", "soc", "tickets"],
            (Company::Usual, 4) => vec!["oncall", "tickets"],
            (Company::Usual, 3) => vec!["tickets"],
            (Company::OneGuest, 5..) => guests.collect(),
            (Company::EveryNotifier, 4..) => ["oncall", "soc", "tickets"].into_iter().chain(guests).collect(),
            _ => Vec::new(),
        }
    }

    /// The sinks that get every event.
    pub fn sinks(&self) -> Vec<&'static str> {
        let guests = self.guests.iter().filter(|guest| !guest.is_notifier()).map(|guest| guest.name);
        ["archive"].into_iter().chain(guests).collect()
    }

    /// With the archive and this destination, which gets what the usual chat gets, or every event if it is a sink.
    pub async fn hosting(guest: Guest) -> Self {
        let usual = Self::new().await;
        let (guests, company) = (vec![guest], Company::OneGuest);
        let world = Self { guests, company, slack: None, jira: None, pagerduty: None, ..usual };
        world.write_config(&world.guest_config_text());
        world
    }

    /// With a notifier of every kind: the usual ones, and those kinds beside them.
    pub async fn of_every_notifier(kinds: &[&'static str]) -> Self {
        let mut world = Self { company: Company::EveryNotifier, ..Self::new().await };
        for kind in kinds {
            world.guests.push(Guest::among_others(kind).await);
        }
        world.write_config(&world.every_notifier_config_text());
        world
    }

    pub async fn new() -> Self {
        Self::with_store_in(None).await
    }

    /// With the store in another folder than everything else.
    pub async fn with_store_in(store: Option<&Path>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        // Each has a port of the system's choice, and keeps it: one that was looked at first may still be held by a process
        // that is being started meanwhile.
        let (slack, jira, pagerduty) = (slack::start(), jira::start(), pagerduty::start());
        let (slack, jira, pagerduty) = (slack.await.unwrap(), jira.await.unwrap(), pagerduty.await.unwrap());
        let urls = Urls {
            slack: slack.api_url(),
            jira: jira.base_url().to_owned(),
            pagerduty: pagerduty.base_url().to_owned(),
        };
        let store = store.unwrap_or(folder.path()).join("gatepost.db");
        let public = free_address();
        let setting = Setting {
            admin: free_address(),
            public,
            config: folder.path().join("gatepost.toml"),
            store,
            log: folder.path().join("gatepost.log"),
            environment: BTreeMap::new(),
        };
        let (slack, jira, pagerduty) = (Some(slack), Some(jira), Some(pagerduty));
        let (guests, company) = (Vec::new(), Company::Usual);
        let world = Self { guests, slack, jira, pagerduty, public, setting, company, urls, folder };
        world.lift_rates();
        world.write_config(&world.config_text());
        world
    }

    /// The pace is the gateway's own; what counts here is how often something arrives.
    pub fn lift_rates(&self) {
        if let Some(slack) = &self.slack {
            slack.limit_rates(Rate::UNLIMITED, Rate::UNLIMITED);
        }
        if let Some(jira) = &self.jira {
            jira.limit_rate(Rate::UNLIMITED);
        }
        if let Some(pagerduty) = &self.pagerduty {
            pagerduty.limit_rate(Rate::UNLIMITED);
        }
    }

    pub fn archive(&self) -> PathBuf {
        self.folder.path().join("events.ndjson")
    }

    pub fn store(&self) -> &Path {
        &self.setting.store
    }

    pub fn write_config(&self, text: &str) {
        std::fs::write(&self.setting.config, text).unwrap();
    }

    /// The ports of Slack, Jira and PagerDuty, also while they do not listen.
    pub fn ports(&self) -> [u16; 3] {
        let Urls { slack, jira, pagerduty } = &self.urls;
        [slack, jira, pagerduty].map(|url| url.parse::<url::Url>().unwrap().port().unwrap())
    }

    /// As [`config_text`](Self::config_text), but events are grouped, and storms are told, as they are by
    /// default.
    pub fn grouped_config_text(&self) -> String {
        let text = self.config_text().replace("group_by = [\"event\"]\n", "");
        text.replace("[incidents]\nwait = \"0s\"\nstorm = \"never\"\n", "")
    }

    /// As [`config_text`](Self::config_text), with the guest in the place of the notifiers.
    fn guest_config_text(&self) -> String {
        let guest = &self.guests[0];
        let text = self.config_text();
        let (before, rest) = text.split_once("[destinations.oncall]").unwrap();
        let (_, routes) = rest.split_once("[[routes]]\nname = \"everything\"").unwrap();
        let (condition, to) = if guest.is_notifier() { ("event.severity >= critical", GUEST) } else { ("true", GUEST) };
        let settings = guest.settings();
        format!(
            "{before}[destinations.{GUEST}]\n{settings}\n[[routes]]\nname = \"guest\"\nwhen = '{condition}'\n\
             to = [\"{to}\"]\n\n[[routes]]\nname = \"everything\"{routes}"
        )
    }

    /// Events of one type are one incident, whatever agent they are of; it is told at once, and the chats that can be
    /// edited show counts each second. Tickets follow to their end.
    fn every_notifier_config_text(&self) -> String {
        let text = self.config_text();
        let (before, _) = text.split_once("[[routes]]").unwrap();
        let before = before
            .replacen("group_by = [\"event\"]", "group_by = [\"type\"]", 1)
            .replace("storm = \"never\"\n", "update_every = \"1s\"\n")
            .replace("type = \"slack\"\n", "type = \"slack\"\npace = \"20/s\"\n")
            .replace(
                "type = \"jira\"\n",
                "type = \"jira\"\nresolve_transition = \"Done\"\nreopen_transition = \"Reopen\"\npriority = true\n",
            );
        let guests = self.guests.iter().map(|guest| {
            let more = match guest.kind {
                "servicenow" => "close_code = \"Solution provided\"\nreopen_state = \"2\"\n",
                _ => "pace = \"20/s\"\n",
            };
            format!("[destinations.{}]\n{}{more}\n", guest.name, guest.settings())
        });
        let guests: String = guests.collect();
        let names: Vec<String> = self.notifiers_of(4).iter().map(|name| format!("\"{name}\"")).collect();
        format!(
            "{before}{guests}[[routes]]\nname = \"people\"\nwhen = 'event.severity >= high'\nto = [{}]\n\n\
             [[routes]]\nname = \"everything\"\nto = [\"archive\"]\n",
            names.join(", ")
        )
    }

    /// Each event is its own incident and is told at once, so that what is counted is events.
    ///
    /// Jira as Data Center: its search does not lag, so that a miss is known for one after seconds and not minutes.
    pub fn config_text(&self) -> String {
        let Urls { slack, jira, pagerduty } = &self.urls;
        format!(
            r#"
[server]
listen = "{public}"

[admin]
listen = "{admin}"

[store]
url = "sqlite:{store}"

[incidents]
wait = "0s"
storm = "never"

[sources.adrian]
vendor = "secureagentics"
secrets = [{{ value = "{ADRIAN_SECRET}" }}]
group_by = ["event"]

[sources.akto]
vendor = "akto"
secrets = [{{ value = "{AKTO_SECRET}" }}]
group_by = ["event"]
body_limit = "1MiB"

[destinations.archive]
type = "file"
path = "events.ndjson"

[destinations.oncall]
type = "pagerduty"
url = "{pagerduty}"
routing_key = {{ value = "{routing_key}" }}

[destinations.soc]
type = "slack"
url = "{slack}"
token = {{ value = "{bot_token}" }}
channel = "{channel}"

[destinations.tickets]
type = "jira"
deployment = "datacenter"
url = "{jira}"
token = {{ value = "{api_token}" }}
project = "{project}"

[[routes]]
name = "people"
when = 'event.severity >= critical'
to = ["soc"]

[[routes]]
name = "page"
when = 'event.severity >= high'
to = ["oncall"]

[[routes]]
name = "work"
when = 'event.severity >= medium'
to = ["tickets"]

[[routes]]
name = "everything"
to = ["archive"]
"#,
            public = self.public,
            admin = self.setting.admin,
            store = self.setting.store.display(),
            routing_key = pagerduty::ROUTING_KEY,
            bot_token = slack::BOT_TOKEN,
            channel = slack::CHANNEL,
            api_token = jira::API_TOKEN,
            project = jira::PROJECT,
        )
    }
}

/// The name of the destination in [`World::hosting`].
pub const GUEST: &str = "guest";

/// An address that stays this test's while its process is down.
fn free_address() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], free_port()))
}
