//! A destination that the demo tells beside its usual places: `--with`.

use crate::standins::{
    Card, Service, StandIn, discord, elasticsearch, email, mattermost, opsgenie, servicenow, splunk, syslog, teams,
    webhook,
};

/// The `type`s there are to choose from.
pub const EXTRAS: [&str; 10] = [
    "discord",
    "elasticsearch",
    "email",
    "mattermost",
    "opsgenie",
    "servicenow",
    "splunk",
    "syslog",
    "teams",
    "webhook",
];

/// Which events are routed to a destination.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Gets {
    /// Those that wake people.
    Pages,
    /// Those that people are told of.
    Work,
    /// Every one.
    Everything,
}

/// A destination with its stand-in.
pub struct Extra {
    /// The `type` of the destination, which is its name as well.
    pub name: &'static str,
    /// Where people see it.
    pub place: &'static str,
    /// What is routed there.
    pub gets: Gets,
    settings: String,
    standin: Box<dyn Shows>,
}

/// What has something to show.
trait Shows {
    fn cards(&self) -> Vec<Card>;
}

impl<S: Service> Shows for StandIn<S> {
    fn cards(&self) -> Vec<Card> {
        self.cards()
    }
}

impl Shows for email::MailServer {
    fn cards(&self) -> Vec<Card> {
        self.cards()
    }
}

impl Shows for syslog::Collector {
    fn cards(&self) -> Vec<Card> {
        self.cards()
    }
}

impl Extra {
    /// Starts the stand-in of that name, one of [`EXTRAS`]; of any other it is that of a webhook.
    ///
    /// # Errors
    /// Where no port can be bound or no thread can be started.
    pub async fn start(name: &str) -> std::io::Result<Self> {
        match name {
            "discord" | "mattermost" | "teams" => Self::chat(name).await,
            "email" | "opsgenie" | "servicenow" => Self::person(name).await,
            _ => Self::sink(name).await,
        }
    }

    /// What people see, or what a sink has; of what gets everything the first few, which show its form.
    pub fn cards(&self) -> Vec<Card> {
        let mut cards = self.standin.cards();
        if self.gets == Gets::Everything {
            cards.truncate(EVENTS_SHOWN);
        }
        cards
    }

    /// The lines of the configuration that lead there.
    pub fn configuration(&self) -> String {
        let Self { name, settings, .. } = self;
        format!("\n[destinations.{name}]\ntype = \"{name}\"\n{settings}")
    }

    async fn chat(name: &str) -> std::io::Result<Self> {
        let settings = |url: String| format!("webhook_url = {{ value = \"{url}\" }}\n");
        Ok(match name {
            "discord" => {
                let chat = discord::start().await?;
                let settings = settings(chat.webhook_url());
                Self::new("discord", "Discord, in a channel", Gets::Work, settings, chat)
            }
            "mattermost" => {
                let chat = mattermost::start().await?;
                let settings = settings(chat.webhook_url());
                Self::new("mattermost", "Mattermost, in a channel", Gets::Work, settings, chat)
            }
            _ => {
                let chat = teams::start().await?;
                let settings = settings(chat.webhook_url());
                Self::new("teams", "Teams, in a channel", Gets::Work, settings, chat)
            }
        })
    }

    async fn person(name: &str) -> std::io::Result<Self> {
        Ok(match name {
            "email" => {
                let server = email::start()?;
                let settings = format!(
                    "smtp = \"{}\"\nfrom = \"Gatepost <gatepost@acme.example>\"\nto = \"soc@acme.example\"\n",
                    server.url()
                );
                Self::new("email", "Email, in a mailbox", Gets::Work, settings, server)
            }
            "opsgenie" => {
                let pager = opsgenie::start().await?;
                let settings =
                    format!("url = \"{}\"\napi_key = {{ value = \"{}\" }}\n", pager.base_url(), opsgenie::API_KEY);
                Self::new("opsgenie", "Opsgenie, on the phone of who is on call", Gets::Pages, settings, pager)
            }
            _ => {
                let instance = servicenow::start().await?;
                let settings = format!(
                    "url = \"{}\"\nuser = \"{}\"\npassword = {{ value = \"{}\" }}\n\
                     close_code = \"Solution provided\"\n",
                    instance.base_url(),
                    servicenow::USER,
                    servicenow::PASSWORD
                );
                Self::new("servicenow", "ServiceNow, as a ticket", Gets::Work, settings, instance)
            }
        })
    }

    async fn sink(name: &str) -> std::io::Result<Self> {
        let everything = Gets::Everything;
        Ok(match name {
            "elasticsearch" => {
                let cluster = elasticsearch::start().await?;
                let settings = format!(
                    "url = \"{}\"\ndata_stream = \"{}\"\napi_key = {{ value = \"{}\" }}\n",
                    cluster.base_url(),
                    elasticsearch::DATA_STREAM,
                    elasticsearch::API_KEY
                );
                Self::new("elasticsearch", "Elasticsearch, a document an event", everything, settings, cluster)
            }
            "splunk" => {
                let collector = splunk::start().await?;
                let settings =
                    format!("url = \"{}\"\ntoken = {{ value = \"{}\" }}\n", collector.base_url(), splunk::TOKEN);
                Self::new("splunk", "Splunk, every event", everything, settings, collector)
            }
            "syslog" => {
                let collector = syslog::start_tcp().await?;
                let settings = format!("address = \"{}\"\nformat = \"cef\"\n", collector.address());
                Self::new("syslog", "Syslog, a message an event", everything, settings, collector)
            }
            _ => {
                let receiver = webhook::start().await?;
                let settings =
                    format!("url = \"{}\"\nsecret = {{ value = \"{}\" }}\n", receiver.url(), webhook::SECRET);
                Self::new("webhook", "A receiver of webhooks, every event", everything, settings, receiver)
            }
        })
    }

    fn new(
        name: &'static str,
        place: &'static str,
        gets: Gets,
        settings: String,
        standin: impl Shows + 'static,
    ) -> Self {
        Self { name, place, gets, settings, standin: Box::new(standin) }
    }
}

/// Shown events of a sink.
const EVENTS_SHOWN: usize = 2;
