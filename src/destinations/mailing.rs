//! Mail out and what came back, between a destination and `egress`: one connection, and on it one SMTP transaction for each
//! recipient, so that a recipient who is refused does not stop the others.

use std::fmt;
use std::sync::Arc;

use super::tls::TlsSettings;
use crate::domain::Secret;
use bytes::Bytes;

/// Mails for one server.
#[derive(Debug)]
pub struct Mailing {
    /// The server that takes them.
    pub server: Arc<MailServer>,
    /// The address after `MAIL FROM`.
    pub sender: String,
    /// In the order in which they are sent.
    pub mails: Vec<Mail>,
}

/// One message for one recipient. Printing it shows neither.
pub struct Mail {
    /// The address after `RCPT TO`.
    pub recipient: String,
    /// The message: header and body of RFC 5322 in ASCII, every line ended by CRLF, dots not doubled.
    pub content: Bytes,
}

impl fmt::Debug for Mail {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a mail of {} bytes", self.content.len())
    }
}

/// A mail server, and how it is spoken to.
#[derive(Debug)]
pub struct MailServer {
    /// A name or an IP address, without brackets.
    pub host: String,
    /// The port.
    pub port: u16,
    /// When TLS begins.
    pub security: MailSecurity,
    /// The account, where the server wants one.
    pub login: Option<MailLogin>,
    /// The name after `EHLO`.
    pub hello: String,
    /// What a connection of TLS trusts.
    pub tls: TlsSettings,
}

/// When TLS begins. There is no way to accept a certificate that is not valid.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MailSecurity {
    /// With the connection (RFC 8314).
    Tls,
    /// By `STARTTLS`, without which nothing is sent.
    StartTls,
    /// Never; connections go to loopback addresses only.
    PlainOnLoopback,
}

/// An account of a mail server.
#[derive(Clone, Debug)]
pub struct MailLogin {
    /// Its name.
    pub user: String,
    /// Its password.
    pub password: Secret,
}

/// What became of one mail.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MailResult {
    /// The server's last answer about it.
    Answered(MailAnswer),
    /// The connection ended before an answer.
    Broken {
        /// Whether the server may have taken it all the same: only once it was sent to its end.
        may_have_arrived: bool,
        /// What happened.
        detail: String,
    },
    /// It was not its turn before the connection ended or the time was over.
    NotTried,
}

/// An answer of a mail server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MailAnswer {
    /// What it answers.
    pub stage: MailStage,
    /// Its code, from 200 to 599.
    pub code: u16,
    /// Its text, lines with blanks between them.
    pub text: String,
}

impl MailAnswer {
    /// Whether the server has the mail.
    pub fn is_taken(&self) -> bool {
        self.stage == MailStage::Content && (200..300).contains(&self.code)
    }

    /// The status code of RFC 3463 at the beginning of the text, such as `5.1.1`.
    pub fn enhanced_code(&self) -> Option<&str> {
        let word = self.text.split_whitespace().next()?;
        let is_number = |part: &str| (1..=3).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_digit());
        (word.split('.').count() == 3 && word.split('.').all(is_number)).then_some(word)
    }
}

/// What an answer is about, in the order of a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum MailStage {
    /// The connection.
    Greeting,
    /// `EHLO`
    Hello,
    /// `STARTTLS`
    StartTls,
    /// `AUTH`
    Login,
    /// `MAIL FROM`
    Sender,
    /// `RCPT TO`
    Recipient,
    /// `DATA`
    Data,
    /// The message.
    Content,
}

impl MailStage {
    /// The command, as a person finds it in the log of a mail server.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Greeting => "the connection",
            Self::Hello => "EHLO",
            Self::StartTls => "STARTTLS",
            Self::Login => "AUTH",
            Self::Sender => "MAIL FROM",
            Self::Recipient => "RCPT TO",
            Self::Data => "DATA",
            Self::Content => "the message",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_code_stands_at_the_beginning_of_the_text_or_nowhere() {
        let code = |text: &str| {
            let answer = MailAnswer { stage: MailStage::Recipient, code: 550, text: text.into() };
            answer.enhanced_code().map(str::to_owned)
        };
        assert_eq!(code("5.1.1 no such user").as_deref(), Some("5.1.1"));
        assert_eq!(code("4.7.26").as_deref(), Some("4.7.26"));
        for text in ["", "no such user 5.1.1", "5.1", "5.1.1.1 x", "5.x.1", "5..1", "5.1234.1"] {
            assert_eq!(code(text), None, "{text}");
        }
    }

    #[test]
    fn only_an_answer_to_the_message_itself_says_that_it_was_taken() {
        let is_taken = |stage, code| MailAnswer { stage, code, text: String::new() }.is_taken();
        assert!(is_taken(MailStage::Content, 250));
        assert!(!is_taken(MailStage::Content, 354) && !is_taken(MailStage::Content, 450));
        assert!(!is_taken(MailStage::Recipient, 250) && !is_taken(MailStage::Data, 250));
    }

    #[test]
    fn neither_content_nor_password_is_printed() {
        let login = MailLogin { user: "soc".into(), password: Secret::new("hunter2") };
        let mail = Mail { recipient: "a@b.example".into(), content: Bytes::from_static(b"Subject: x") };
        assert_eq!(format!("{mail:?}"), "a mail of 10 bytes");
        assert!(!format!("{login:?}").contains("hunter2"));
    }
}
