//! The answers of mail servers, by RFC 5321, RFC 3463 (status codes), RFC 4954 (login) and RFC 7372, and by what large
//! providers answer.
//!
//! What an answer says is its status code at the beginning of the text, such as `5.1.1`.

use std::ops::RangeInclusive;

use crate::destinations::errors::{ANY, ErrorClass, ErrorRow};
use ErrorClass::{Again, Busy, Refused, Settings, Suspect};

/// The answers to the connection, `EHLO`, `STARTTLS` and `AUTH`.
pub const SESSION: &[ErrorRow] = &[
    row(421..=421, ANY, Busy, "the service is not available at the moment", ""),
    row(454..=454, ANY, Busy, "TLS or the login does not work at the moment", ""),
    row(400..=499, ANY, Busy, "it takes no mail at the moment", ""),
    row(530..=530, ANY, Settings, "it wants a login", LOGIN),
    row(534..=534, ANY, Settings, "it does not let this account log in by a password", APP_PASSWORD),
    row(535..=535, ANY, Settings, "it does not accept user and password", PASSWORD),
    row(
        538..=538,
        ANY,
        Settings,
        "it wants TLS before the login",
        "write smtps:// in `smtp`, or the port for STARTTLS",
    ),
    row(550..=554, ANY, Settings, "it takes no mail from this machine", MACHINE),
    row(500..=599, ANY, Settings, "it does not understand what a mail server understands", NO_SUBMISSION),
];

/// The answers to `MAIL FROM`.
pub const SENDER: &[ErrorRow] = &[
    row(421..=421, ANY, Busy, "the service is not available at the moment", ""),
    row(452..=452, ANY, Busy, "it has no room for mail at the moment", ""),
    row(400..=499, ANY, Again, "it does not take mail from `from` at the moment", ""),
    row(530..=530, ANY, Settings, "it wants a login", LOGIN),
    row(535..=535, ANY, Settings, "it does not accept user and password", PASSWORD),
    row(552..=552, ANY, Refused, "the message is too large", ""),
    row(500..=599, ANY, Suspect, "it does not take mail from `from`", FROM),
];

/// The answers to `RCPT TO`. 552 counts as 452 (RFC 5321, section 4.5.3.1.10).
pub const RECIPIENT: &[ErrorRow] = &[
    row(421..=421, ANY, Busy, "the service is not available at the moment", ""),
    row(450..=451, ANY, Again, "the mailbox is not available at the moment, or the first try is turned away", ""),
    row(452..=452, ANY, Again, "the mailbox is full, or the server has no room", ""),
    row(552..=552, ANY, Again, "the mailbox is full", ""),
    row(400..=499, ANY, Again, "it does not take mail for the recipient at the moment", ""),
    row(530..=530, ANY, Settings, "it wants a login", LOGIN),
    row(550..=599, "5.1.1", Suspect, "the recipient's mailbox does not exist", TO),
    row(550..=599, "5.1.10", Suspect, "the recipient's mailbox does not exist", TO),
    row(550..=599, "5.2.1", Suspect, "the recipient's mailbox is closed", TO),
    row(550..=599, "5.7.1", Suspect, "it does not pass on mail for the recipient", RELAY),
    row(551..=551, ANY, Suspect, "the recipient has another address", TO),
    row(500..=599, ANY, Suspect, "it does not take mail for the recipient", TO_OR_RELAY),
];

/// The answers to `DATA` and to the message.
pub const MESSAGE: &[ErrorRow] = &[
    row(421..=421, ANY, Busy, "the service is not available at the moment", ""),
    row(452..=452, ANY, Again, "it has no room for the message at the moment", ""),
    row(400..=499, ANY, Again, "it does not take the message at the moment", ""),
    row(530..=530, ANY, Settings, "it wants a login", LOGIN),
    row(550..=554, "5.7.26", Suspect, "the message passes neither SPF nor DKIM nor DMARC of `from`", AUTHENTICITY),
    row(550..=554, "5.7.20", Suspect, "the message has no valid DKIM signature", AUTHENTICITY),
    row(550..=554, "5.7.23", Suspect, "SPF does not allow this server to send for `from`", AUTHENTICITY),
    row(550..=554, "5.7.60", Suspect, "the account must not send as `from`", FROM),
    row(552..=552, ANY, Refused, "the message is too large", ""),
    row(500..=599, ANY, Refused, "it does not accept the message", ""),
];

const fn row(
    status: RangeInclusive<u16>,
    word: &'static str,
    class: ErrorClass,
    meaning: &'static str,
    remedy: &'static str,
) -> ErrorRow {
    ErrorRow { status, word, class, meaning, remedy, sample: word }
}

const LOGIN: &str = "write the user into `smtp` (smtps://USER@HOST) and set `password`";
const PASSWORD: &str = "correct `password` and the user in `smtp`";
const APP_PASSWORD: &str =
    "make a password for apps at the provider, or let the account log in by SMTP, and set `password`";
const MACHINE: &str = "let the server take mail from this machine, or set another one as `smtp`";
const NO_SUBMISSION: &str = "set `smtp` to a server that takes mail for submission";
const FROM: &str = "set `from` to an address that the account may send as";
const TO: &str = "correct `to`";
const RELAY: &str = "correct `to`, or use an account or a server that may send there";
const TO_OR_RELAY: &str = "correct `to`, or let the server pass on mail for this recipient";
const AUTHENTICITY: &str =
    "send by the server of the domain in `from`, or add this server to its SPF record and let it sign";
