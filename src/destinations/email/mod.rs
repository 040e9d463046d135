//! Email: a message for each change, which stands alone; those of one incident are one thread.
//!
//! SMTP knows no idempotency. A message has the same `Message-ID` at every try, by which many mail stores show it once, and
//! each recipient is a transaction of its own: [`notes`] keep who has it, so that only the others are tried again. What may
//! have arrived is sent again a few times and says so. What a mail server has taken it may still not deliver: bounces go to
//! the sender's mailbox and are not read.

mod compose;
pub(super) mod errors;
mod html;
mod notes;
mod notice;
mod notifier;
mod reply;
mod server;
mod text;

use std::sync::Arc;
use std::time::Duration;

use lettre::message::Mailbox;

use super::{Build, Carrier, Kind, MailServer, Notifier, Pace};
use crate::settings::Section;

/// The `email` destination.
pub const KIND: Kind = Kind {
    name: "email",
    title: "Email",
    build: Build::Notifier(|section| Some(Box::new(read(section)?) as Box<dyn Notifier>)),
    carrier: Carrier::Own,
    schema: r##"{
  "smtp": {"type": "string", "description": "smtps://user@host:465, or smtp://user@host:587 for STARTTLS; without TLS on loopback only"},
  "password": {"$ref": "#/$defs/secret", "description": "The password of the user in smtp"},
  "from": {"type": "string", "description": "The sender, ADDRESS or NAME <ADDRESS>"},
  "to": {"description": "One to twenty recipients, each ADDRESS or NAME <ADDRESS>",
    "oneOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}, "minItems": 1, "maxItems": 20}]},
  "ca_file": {"type": "string", "description": "PEM certificates of the authorities to trust instead of the system's"},
  "client_cert": {"type": "string", "description": "A PEM file with the certificate that gatepost shows, then those between it and an authority"},
  "client_key": {"description": "The key of client_cert in PEM: a file, or a secret",
    "oneOf": [{"type": "string"}, {"$ref": "#/$defs/secret"}]}
}"##,
    required: &["smtp", "from", "to"],
    template: r#"smtp = "smtps://alerts@smtp.example.com:465"   # or smtp://…:587 for STARTTLS; an @ in the user is %40
password = { env = "SMTP_PASSWORD" }
from = "gatepost@example.com"
to = "soc@example.com"                  # or a list: ["soc@example.com", "Dana <dana@example.com>"]
# ca_file = "ca.pem"                    # authorities to trust instead of the system's
# client_cert = "gatepost.pem"          # shown to a server that asks for a certificate
# client_key = { file = "gatepost.key" }
"#,
    examples: &["smtp", "from", "to"],
};

#[derive(Debug)]
struct Email {
    server: Arc<MailServer>,
    from: Mailbox,
    to: Vec<Mailbox>,
}

fn read(section: &Section) -> Option<Email> {
    let from = section.required_text("from").and_then(|text| mailbox(section, "from", &text));
    let to = recipients(section);
    // A name that resolves is what servers ask for, and the machine's own often does not.
    let hello = from.as_ref().map(|from| from.email.domain().to_owned()).unwrap_or_default();
    let server = server::read(section, &hello);
    Some(Email { server: Arc::new(server?), from: from?, to: to? })
}

fn recipients(section: &Section) -> Option<Vec<Mailbox>> {
    if !section.has("to") {
        section.required_text("to");
        return None;
    }
    let texts = section.text_or_texts("to")?;
    if texts.len() > RECIPIENTS_MAX {
        let fix = "write to a distribution list, or split them into several destinations";
        section.fault("to", &format!("names more than {RECIPIENTS_MAX} recipients"), fix);
        return None;
    }
    let mut to: Vec<Mailbox> = Vec::new();
    for text in texts {
        let mailbox = mailbox(section, "to", &text)?;
        let address = mailbox.email.as_ref() as &str;
        if to.iter().any(|other| AsRef::<str>::as_ref(&other.email).eq_ignore_ascii_case(address)) {
            section.fault("to", &format!("names {address} twice"), "name each recipient once");
            return None;
        }
        to.push(mailbox);
    }
    Some(to)
}

/// An address in ASCII: others need an extension that not every server on the way has.
fn mailbox(section: &Section, key: &'static str, text: &str) -> Option<Mailbox> {
    let is_plain = |mailbox: &Mailbox| {
        let address: &str = mailbox.email.as_ref();
        let is_graphic = address.bytes().all(|byte| byte.is_ascii_graphic() && !b"<>,;\"\\".contains(&byte));
        let has_control = mailbox.name.as_ref().is_some_and(|name| name.chars().any(char::is_control));
        is_graphic && address.len() <= ADDRESS_BYTES_MAX && !has_control
    };
    match text.trim().parse::<Mailbox>().ok().filter(is_plain) {
        Some(mailbox) => {
            if mailbox.email.domain().eq_ignore_ascii_case("example.com") {
                section.warn(key, "still has the domain of the example", "write an address of your own");
            }
            Some(mailbox)
        }
        None => {
            let fix = "write soc@example.org or Security <soc@example.org>; a domain with other letters as xn--…";
            section.fault(key, &format!("'{text}' is not a mail address"), fix);
            None
        }
    }
}

impl Email {
    /// What no reason may repeat.
    fn credentials(&self) -> Vec<String> {
        let password = self.server.login.as_ref().and_then(|login| login.password.expose_str());
        password.filter(|password| password.len() >= SECRET_CHARS_MIN).map(str::to_owned).into_iter().collect()
    }
}

/// Providers take some thirty messages a minute of one account.
const PACE: Pace = Pace { concurrency: 2, burst: 10, interval: Duration::from_secs(2) };
const NAME: &str = "The mail server";
/// One try has time for them.
const RECIPIENTS_MAX: usize = 20;
/// RFC 5321, section 4.5.3.1.3: a path of 256 octets, with its brackets.
const ADDRESS_BYTES_MAX: usize = 254;
/// Shorter texts are words, and replacing them would garble the quote.
const SECRET_CHARS_MIN: usize = 6;

#[cfg(test)]
mod tests;
