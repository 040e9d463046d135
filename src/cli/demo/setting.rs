//! The environment of the demo: stand-ins, a folder, a configuration.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use super::super::failure::{Failure, io};
use super::super::new_secret::new_secret;
use super::super::output::note;
use super::extra::{Extra, Gets};
use crate::app::{App, AppError};
use crate::config::Config;
use crate::domain::ReceiptId;
use crate::standins::{StandIn, jira, pagerduty, slack};

/// The environment of the demo.
pub struct Setting {
    /// Slack, where the channel is.
    pub slack: StandIn<slack::Slack>,
    /// PagerDuty, the pager.
    pub pagerduty: StandIn<pagerduty::PagerDuty>,
    /// Jira, where the tickets are.
    pub jira: StandIn<jira::Jira>,
    /// The destinations that were asked for.
    pub extras: Vec<Extra>,
    folder: PathBuf,
}

impl Setting {
    /// Starts the stand-ins, also of these destinations, and writes the configuration into a new folder.
    pub async fn start(extras: &[String]) -> Result<Self, Failure> {
        let failed = || io("a stand-in cannot be started on loopback");
        let folder = std::env::temp_dir().join(format!("gatepost-demo-{}", ReceiptId::generate().as_uuid().simple()));
        std::fs::create_dir(&folder).map_err(io(format!("{} cannot be made", folder.display())))?;
        let mut started: Vec<Extra> = Vec::new();
        for name in extras {
            if started.iter().all(|extra| extra.name != name) {
                started.push(Extra::start(name).await.map_err(failed())?);
            }
        }
        let setting = Self {
            slack: slack::start().await.map_err(failed())?,
            pagerduty: pagerduty::start().await.map_err(failed())?,
            jira: jira::start().await.map_err(failed())?,
            extras: started,
            folder,
        };
        setting.write()?;
        Ok(setting)
    }

    /// Serves the configuration.
    pub async fn serve(&self) -> Result<App, Failure> {
        let mut tries = 1;
        loop {
            match App::start(self.config()?).await {
                // Another program was given the port since it was found free.
                Err(AppError::Listen { source, .. }) if source.kind() == ErrorKind::AddrInUse && tries < TRIES => {
                    tries += 1;
                    self.write()?;
                }
                started => return Ok(started?),
            }
        }
    }

    /// Writes the configuration, with ports that are free now.
    fn write(&self) -> Result<(), Failure> {
        let file = self.file();
        std::fs::write(&file, self.text()?).map_err(io(format!("{} cannot be written", file.display())))
    }

    /// The configuration file, which other commands can use while the demo stays up.
    pub fn file(&self) -> PathBuf {
        self.folder.join("gatepost.toml")
    }

    /// The archive that the file destination writes.
    pub fn archive(&self) -> PathBuf {
        self.folder.join("events.ndjson")
    }

    /// The configuration.
    pub fn config(&self) -> Result<Config, Failure> {
        Ok(Config::load(&self.file())?)
    }

    /// Removes the folder.
    pub fn clear(self) {
        if let Err(error) = std::fs::remove_dir_all(&self.folder) {
            note!("the demo's folder {} was not removed: {error}", Path::new(&self.folder).display());
        }
    }

    fn text(&self) -> Result<String, Failure> {
        let port = free_port()?;
        let admin = free_port()?;
        Ok(format!(
            r#"# The configuration of a running `gatepost demo`. Its secrets live as long as it does.

[server]
listen = "127.0.0.1:{port}"

[admin]
listen = "127.0.0.1:{admin}"

[store]
url = "sqlite:gatepost.db"

[incidents]
wait = "0s"                         # chats and tickets are told at once, so that the show need not wait

[sources.adrian]
vendor = "secureagentics"
secrets = [{{ value = "{adrian}" }}]

[sources.akto]
vendor = "akto"
secrets = [{{ value = "{akto}" }}]
dashboard_url = "https://app.akto.io"

[destinations.oncall]
type = "pagerduty"
url = "{pagerduty}"
routing_key = {{ value = "{routing_key}" }}

[destinations.soc]
type = "slack"
api_url = "{slack}"
token = {{ value = "{slack_token}" }}
channel = "{channel}"

[destinations.tickets]
type = "jira"
url = "{jira}"
email = "{email}"
api_token = {{ value = "{api_token}" }}
project = "{project}"

[destinations.archive]
type = "file"
path = "events.ndjson"
{more}
[[routes]]
name = "page"
when = 'event.severity >= high'
to = ["oncall"{pages}]

[[routes]]
name = "work"
when = 'event.severity >= medium'
to = ["soc", "tickets"{work}]

[[routes]]
name = "everything"
to = ["archive"{everything}]
"#,
            adrian = new_secret()?,
            akto = new_secret()?,
            pagerduty = self.pagerduty.base_url(),
            routing_key = pagerduty::ROUTING_KEY,
            slack = self.slack.api_url(),
            slack_token = slack::BOT_TOKEN,
            channel = slack::CHANNEL,
            jira = self.jira.base_url(),
            email = jira::EMAIL,
            api_token = jira::API_TOKEN,
            project = jira::PROJECT,
            more = self.extras.iter().map(Extra::configuration).collect::<String>(),
            pages = self.also(Gets::Pages),
            work = self.also(Gets::Work),
            everything = self.also(Gets::Everything),
        ))
    }
}

impl Setting {
    /// The names of the extras that get this, behind those that always do.
    fn also(&self, gets: Gets) -> String {
        self.extras.iter().filter(|extra| extra.gets == gets).map(|extra| format!(", \"{}\"", extra.name)).collect()
    }
}

/// A port that is free now, so that the file can name it and other commands find it.
fn free_port() -> Result<u16, Failure> {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").map_err(io("loopback cannot be listened on"))?;
    listener.local_addr().map(|address| address.port()).map_err(io("loopback cannot be listened on"))
}

/// How often free ports are looked for.
const TRIES: usize = 5;

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_port_that_was_taken_meanwhile_is_not_insisted_on() {
        let setting = Setting::start(&[]).await.unwrap();
        let address = setting.config().unwrap().listen;
        let _taken = std::net::TcpListener::bind(address).unwrap();
        let app = setting.serve().await.unwrap();
        assert_ne!(app.public_address(), address);
        app.stop().await;
        setting.clear();
    }
}
