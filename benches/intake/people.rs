//! Where people look: strict stand-ins of PagerDuty, Slack and Jira, on threads of their own.

use std::time::SystemTime;

use gatepost::standins::{StandIn, jira, pagerduty, slack};

use super::Outcome;
use super::gateway::Setup;

/// The stand-ins. They stop with the value.
pub struct People {
    pager: StandIn<pagerduty::PagerDuty>,
    chat: StandIn<slack::Slack>,
    tickets: StandIn<jira::Jira>,
}

/// What people have in the end.
pub struct Told {
    /// Pages about the flood itself.
    pub pages: usize,
    /// Messages and replies about it.
    pub messages: usize,
    /// Tickets about it.
    pub tickets: usize,
    /// Comments on them.
    pub comments: usize,
}

impl People {
    /// Starts them on free ports of 127.0.0.1.
    pub fn start() -> Outcome<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let (pager, chat, tickets) = (pagerduty::start(), slack::start(), jira::start());
        Ok(Self { pager: runtime.block_on(pager)?, chat: runtime.block_on(chat)?, tickets: runtime.block_on(tickets)? })
    }

    /// A file and all of them.
    pub fn setup(&self) -> Setup {
        let pager = format!(
            "type = \"pagerduty\"\nurl = \"{}\"\nrouting_key = {{ value = \"{}\" }}",
            self.pager.base_url(),
            pagerduty::ROUTING_KEY
        );
        let chat = format!(
            "type = \"slack\"\nurl = \"{}\"\ntoken = {{ value = \"{}\" }}\nchannel = \"{}\"",
            self.chat.api_url(),
            slack::BOT_TOKEN,
            slack::CHANNEL
        );
        let tickets = format!(
            "type = \"jira\"\ndeployment = \"datacenter\"\nurl = \"{}\"\ntoken = {{ value = \"{}\" }}\nproject = \"{}\"",
            self.tickets.base_url(),
            jira::API_TOKEN,
            jira::PROJECT
        );
        Setup::to_file().and("oncall", &pager).and("soc", &chat).and("tickets", &tickets)
    }

    /// When the first page came that holds a text.
    pub fn paged_at(&self, text: &str) -> Option<SystemTime> {
        let triggers = self.pager.incidents().into_iter().flat_map(|incident| incident.triggers);
        let at = triggers.filter(|trigger| trigger.event.to_string().contains(text)).map(|trigger| trigger.received_at);
        at.min().map(|at| SystemTime::UNIX_EPOCH + std::time::Duration::from_millis(at.as_millis().unsigned_abs()))
    }

    /// How many pages there are.
    pub fn pages(&self) -> usize {
        self.pager.incidents().len()
    }

    /// What was told of the incident of a rule and a victim.
    pub fn told(&self, rule: &str, victim: &str) -> Told {
        let is_it = |text: String| text.contains(rule) && text.contains(victim);
        let pages = self.pager.incidents().into_iter().flat_map(|incident| incident.triggers);
        let messages = self.chat.messages();
        let roots: Vec<&str> = messages
            .iter()
            .filter(|message| is_it(format!("{} {:?}", message.text, message.blocks)))
            .map(|message| message.ts.as_str())
            .collect();
        let is_of = |thread: &Option<String>| thread.as_ref().is_some_and(|ts| roots.contains(&ts.as_str()));
        let replies = messages.iter().filter(|message| is_of(&message.thread_ts)).count();
        let tickets = self.tickets.issues();
        let tickets: Vec<_> = tickets.iter().filter(|issue| is_it(format!("{:?}", issue.fields))).collect();
        Told {
            pages: pages.filter(|trigger| is_it(trigger.event.to_string())).count(),
            messages: roots.len() + replies,
            tickets: tickets.len(),
            comments: tickets.iter().map(|issue| issue.comments.len()).sum(),
        }
    }
}
