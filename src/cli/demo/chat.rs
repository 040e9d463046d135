//! A chat that the demo tells beside its usual places: `--with`.

use crate::standins::{Card, StandIn, discord, mattermost, teams};

/// The chats there are to choose from.
pub const CHATS: [&str; 3] = ["discord", "mattermost", "teams"];

/// A chat with its stand-in.
pub enum Chat {
    Discord(StandIn<discord::Discord>),
    Mattermost(StandIn<mattermost::Mattermost>),
    Teams(StandIn<teams::Teams>),
}

impl Chat {
    /// Starts the stand-in of that name, one of [`CHATS`]; of any other it is that of Teams.
    ///
    /// # Errors
    /// Where no port can be bound or no thread can be started.
    pub async fn start(name: &str) -> std::io::Result<Self> {
        Ok(match name {
            "discord" => Self::Discord(discord::start().await?),
            "mattermost" => Self::Mattermost(mattermost::start().await?),
            _ => Self::Teams(teams::start().await?),
        })
    }

    /// The `type` of the destination, which is its name as well.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Discord(_) => "discord",
            Self::Mattermost(_) => "mattermost",
            Self::Teams(_) => "teams",
        }
    }

    /// Where people see it.
    pub fn place(&self) -> &'static str {
        match self {
            Self::Discord(_) => "Discord, in a channel",
            Self::Mattermost(_) => "Mattermost, in a channel",
            Self::Teams(_) => "Teams, in a channel",
        }
    }

    /// What people see.
    pub fn cards(&self) -> Vec<Card> {
        match self {
            Self::Discord(chat) => chat.cards(),
            Self::Mattermost(chat) => chat.cards(),
            Self::Teams(chat) => chat.cards(),
        }
    }

    /// The lines of the configuration that lead there.
    pub fn configuration(&self) -> String {
        let name = self.name();
        let webhook_url = match self {
            Self::Discord(chat) => chat.webhook_url(),
            Self::Mattermost(chat) => chat.webhook_url(),
            Self::Teams(chat) => chat.webhook_url(),
        };
        format!("\n[destinations.{name}]\ntype = \"{name}\"\nwebhook_url = {{ value = \"{webhook_url}\" }}\n")
    }
}
