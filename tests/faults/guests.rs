//! Every kind of destination that is not in the usual world, each with its stand-in: how it is set, how it is made to
//! misbehave, and what it holds.

use std::time::Duration;

use gatepost::standins::{
    Arrived, Card, Fault, Rate, Service, StandIn, discord, elasticsearch, email, mattermost, opsgenie, servicenow,
    slack, splunk, syslog, teams, webhook,
};
use serde_json::json;

use super::misdeeds::{LONGER_THAN_A_TRY, RETRY_AFTER};
use super::proxy::Mode;
use super::world::GUEST;

/// The kinds, by the `type` of a destination.
pub const KINDS: [&str; 10] = [
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

/// A fault at a destination.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// Nothing listens.
    Refuse,
    /// The network resets each connection when something comes.
    Reset,
    /// Taken, and the connection ends without an answer.
    AnswerLost,
    /// Taken, and no answer comes within the time of a try.
    AnswerLate,
    /// It wants a pause, in its own words.
    TooMany,
    /// It fails, twice.
    Broken,
    /// It answers that all is well, with an error inside.
    ErrorInside,
    /// Taken; the answer comes a byte a second.
    Slow,
    /// Another service answers.
    Garbage,
}

impl Trouble {
    pub const ALL: [Self; 9] = [
        Self::AnswerLate,
        Self::Slow,
        Self::Refuse,
        Self::Reset,
        Self::AnswerLost,
        Self::TooMany,
        Self::Broken,
        Self::ErrorInside,
        Self::Garbage,
    ];

    /// Whether the kind knows such a thing.
    pub fn is_of(self, kind: &str) -> bool {
        match (kind, self) {
            // The protocol has no answers.
            ("syslog", _) => matches!(self, Self::Refuse | Self::Reset | Self::AnswerLost | Self::Garbage),
            // Any 2xx is its yes.
            ("webhook", Self::ErrorInside | Self::Garbage) => false,
            // It says of a request without success that the operator must act: the destination stops.
            ("opsgenie", Self::ErrorInside) => false,
            ("email", Self::ErrorInside) => false,
            _ => true,
        }
    }

    /// Whether it is over within seconds.
    pub fn is_short(self, kind: &str) -> bool {
        match (kind, self) {
            (_, Self::AnswerLate | Self::Slow) => false,
            // Mail is repeated after a minute at the earliest.
            ("email", _) => matches!(self, Self::Refuse | Self::Garbage),
            // What is in doubt is searched for, three times within 35 s.
            ("servicenow", Self::Reset | Self::AnswerLost | Self::ErrorInside | Self::Broken | Self::Garbage) => false,
            // A third try of what cannot be looked for waits for ten seconds.
            ("discord" | "mattermost" | "teams", Self::Reset | Self::Broken) => false,
            _ => true,
        }
    }

    /// What the network before the kind does.
    pub fn of_network(self, kind: &str) -> Mode {
        match (kind, self) {
            (_, Self::Refuse) => Mode::Refuse,
            // There the server speaks first, so that the proxy would wait for a byte that does not come.
            ("email", Self::Reset) => Mode::Pass,
            (_, Self::Reset) => Mode::Reset,
            // Its answers have no body that could be slow.
            ("teams", Self::Slow) => Mode::Trickle,
            _ => Mode::Pass,
        }
    }

    /// Until tries have met their limits.
    pub fn lasts(self) -> Duration {
        match self {
            Self::AnswerLate | Self::Slow => LONGER_THAN_A_TRY,
            _ => Duration::ZERO,
        }
    }
}

/// What one request meets: one by HTTP, or the next command of that name to a mail server.
#[derive(Clone, Debug)]
pub struct Mishap {
    pub http: Fault,
    pub mail: (&'static str, email::Fault),
}

/// A destination under test.
pub struct Guest {
    pub kind: &'static str,
    /// Its name in the configuration.
    pub name: &'static str,
    standin: Box<dyn Place>,
}

impl Guest {
    /// Starts the stand-in of a kind that is alone beside the archive.
    pub async fn start(kind: &'static str) -> Self {
        Self { kind, name: GUEST, standin: place(kind).await }
    }

    /// Starts the stand-in of a kind that is one of many, and named for its kind.
    pub async fn among_others(kind: &'static str) -> Self {
        Self { kind, name: kind, standin: place(kind).await }
    }

    /// The lines of the configuration that lead there.
    pub fn settings(&self) -> String {
        format!("type = \"{}\"\n{}", self.kind, self.standin.settings())
    }

    /// `127.0.0.1:PORT`, as it stands in the settings.
    pub fn address(&self) -> String {
        let settings = self.standin.settings();
        let from = settings.find("127.0.0.1:").unwrap();
        let rest = &settings[from + "127.0.0.1:".len()..];
        let port: String = rest.chars().take_while(char::is_ascii_digit).collect();
        format!("127.0.0.1:{port}")
    }

    /// Whether it is told of incidents; otherwise it is a sink, which keeps every event.
    pub fn is_notifier(&self) -> bool {
        !matches!(self.kind, "elasticsearch" | "splunk" | "syslog" | "webhook")
    }

    /// Whether what is sent again after doubt has one effect.
    pub fn is_idempotent(&self) -> bool {
        matches!(self.kind, "elasticsearch" | "opsgenie" | "servicenow" | "webhook")
    }

    /// Whether people read what is there, so that a repetition must say that it is one.
    pub fn says_repeats(&self) -> bool {
        matches!(self.kind, "discord" | "email" | "mattermost" | "slack" | "teams")
    }

    /// The next request meets this.
    pub fn meets(&self, mishap: &Mishap) {
        self.standin.meets(mishap);
    }

    /// Whether what it was to meet has met nothing yet.
    pub fn is_yet_to_meet(&self) -> bool {
        self.standin.is_yet_to_meet()
    }

    /// What people see, one card a message, alert or ticket.
    pub fn cards(&self) -> Vec<Card> {
        self.standin.cards()
    }

    /// It has this trouble from now on, as far as it is a matter of the service.
    pub fn suffers(&self, trouble: Trouble) {
        self.standin.suffers(trouble);
    }

    /// It is well again.
    pub fn mend(&self) {
        self.standin.mend();
    }

    /// How many messages, alerts, tickets or events there are.
    pub fn effects(&self) -> usize {
        self.standin.effects()
    }

    /// How many of them hold this text.
    pub fn mentions(&self, text: &str) -> usize {
        self.standin.mentions(text)
    }

    /// What came by HTTP, oldest first; nothing of what does not speak it.
    pub fn requests(&self) -> Vec<Arrived> {
        self.standin.requests()
    }
}

/// What the stand-ins have in common.
trait Place: Send + Sync {
    fn settings(&self) -> String;
    fn suffers(&self, trouble: Trouble);
    fn mend(&self);
    fn effects(&self) -> usize;
    fn mentions(&self, text: &str) -> usize;
    fn requests(&self) -> Vec<Arrived>;

    fn meets(&self, mishap: &Mishap);

    fn is_yet_to_meet(&self) -> bool;

    fn cards(&self) -> Vec<Card>;
}

/// One that speaks HTTP.
struct Http<S: Service> {
    standin: StandIn<S>,
    settings: String,
    /// The body of an answer of status 200 that says that something is wrong.
    error_inside: String,
}

impl<S: Service> Place for Http<S> {
    fn settings(&self) -> String {
        self.settings.clone()
    }

    fn suffers(&self, trouble: Trouble) {
        let faults = match trouble {
            Trouble::Refuse | Trouble::Reset => return,
            Trouble::AnswerLost => vec![Fault::TakenThenReset],
            Trouble::AnswerLate => vec![Fault::TakenThenHang(LONGER_THAN_A_TRY)],
            Trouble::TooMany => vec![Fault::Status429 { retry_after: Some(RETRY_AFTER) }],
            Trouble::Broken => vec![Fault::Status(503), Fault::Status(500)],
            Trouble::ErrorInside => vec![Fault::Answer { status: 200, body: self.error_inside.clone() }],
            Trouble::Slow => vec![Fault::SlowAnswer { bytes_per_second: 1 }],
            Trouble::Garbage => vec![Fault::Garbage200],
        };
        self.standin.script(faults);
    }

    fn mend(&self) {
        self.standin.forget_script();
    }

    fn effects(&self) -> usize {
        self.standin.effects()
    }

    fn mentions(&self, text: &str) -> usize {
        self.standin.mentions(text)
    }

    fn requests(&self) -> Vec<Arrived> {
        self.standin.requests()
    }

    fn meets(&self, mishap: &Mishap) {
        self.standin.script([mishap.http.clone()]);
    }

    fn is_yet_to_meet(&self) -> bool {
        self.standin.unmet() > 0
    }

    fn cards(&self) -> Vec<Card> {
        self.standin.cards()
    }
}

struct Mail(email::MailServer);

impl Place for Mail {
    fn settings(&self) -> String {
        format!("smtp = \"{}\"\nfrom = \"gatepost@acme.example\"\nto = \"soc@acme.example\"\n", self.0.url())
    }

    fn suffers(&self, trouble: Trouble) {
        use email::Fault::{Answer, Close, Silence, TakenThenClose, TakenThenSilence};
        let (command, fault) = match trouble {
            Trouble::Refuse | Trouble::ErrorInside => return,
            Trouble::Reset => ("EHLO", Close),
            Trouble::AnswerLost => (".", TakenThenClose),
            Trouble::AnswerLate => (".", TakenThenSilence(LONGER_THAN_A_MAIL)),
            Trouble::TooMany => ("connect", Answer("421 4.7.0 too many connections, try again later")),
            Trouble::Broken => (".", Answer("451 4.3.0 the queue cannot be written")),
            Trouble::Slow => ("MAIL", Silence(LONGER_THAN_A_MAIL)),
            Trouble::Garbage => ("connect", Answer("SSH-2.0-OpenSSH_9.6")),
        };
        self.0.script(command, fault);
    }

    fn mend(&self) {
        self.0.forget_script();
    }

    fn effects(&self) -> usize {
        self.0.mails().len()
    }

    fn mentions(&self, text: &str) -> usize {
        let mails = self.0.mails();
        let holds =
            |mail: &&email::Received| mail.message.subject().contains(text) || mail.message.plain.contains(text);
        mails.iter().filter(holds).count()
    }

    fn requests(&self) -> Vec<Arrived> {
        Vec::new()
    }

    fn meets(&self, mishap: &Mishap) {
        let (command, fault) = mishap.mail.clone();
        self.0.script(command, fault);
    }

    fn is_yet_to_meet(&self) -> bool {
        self.0.unmet() > 0
    }

    fn cards(&self) -> Vec<Card> {
        self.0.cards()
    }
}

struct Logs(syslog::Collector);

impl Place for Logs {
    fn settings(&self) -> String {
        format!("address = \"{}\"\n", self.0.address())
    }

    fn suffers(&self, trouble: Trouble) {
        match trouble {
            Trouble::AnswerLost => self.0.set(syslog::Conduct::CloseAfterOne),
            Trouble::Garbage => self.0.set(syslog::Conduct::Answer(b"HTTP/1.1 400 Bad Request\r\n\r\n")),
            _ => {}
        }
    }

    fn mend(&self) {
        self.0.set(syslog::Conduct::Take);
    }

    fn effects(&self) -> usize {
        self.0.messages().len()
    }

    fn mentions(&self, text: &str) -> usize {
        self.0.messages().iter().filter(|message| message.parameter("event_id") == Some(text)).count()
    }

    fn requests(&self) -> Vec<Arrived> {
        Vec::new()
    }

    /// Only notifiers meet these.
    fn meets(&self, _: &Mishap) {}

    fn is_yet_to_meet(&self) -> bool {
        false
    }

    fn cards(&self) -> Vec<Card> {
        Vec::new()
    }
}

/// No document that any of the services would send.
fn failure() -> String {
    json!({ "status": "failure", "error": { "message": "scripted", "detail": "scripted" } }).to_string()
}

fn http<S: Service>(standin: StandIn<S>, settings: String, error_inside: String) -> Box<dyn Place> {
    Box::new(Http { standin, settings, error_inside })
}

/// The pace is the gateway's own: what counts here is how often something arrives.
async fn place(kind: &str) -> Box<dyn Place> {
    let hook = |url: String| format!("webhook_url = {{ value = \"{url}\" }}\n");
    match kind {
        "discord" => {
            let chat = discord::start().await.unwrap();
            chat.limit_rate(Rate::UNLIMITED);
            let settings = hook(chat.webhook_url());
            http(chat, settings, failure())
        }
        "mattermost" => {
            let chat = mattermost::start().await.unwrap();
            chat.limit_rate(Rate::UNLIMITED);
            let settings = hook(chat.webhook_url());
            http(chat, settings, failure())
        }
        "teams" => {
            let chat = teams::start().await.unwrap();
            chat.limit_rate(Rate::UNLIMITED);
            let settings = hook(chat.webhook_url());
            let words = "Webhook message delivery failed with error: Microsoft Teams endpoint returned HTTP error 429 \
                         with ContextId tcid=0,server=standin";
            http(chat, settings, words.to_owned())
        }
        "slack" => {
            let chat = slack::start().await.unwrap();
            chat.limit_rates(Rate::UNLIMITED, Rate::UNLIMITED);
            let settings = hook(chat.webhook_url());
            http(chat, settings, failure())
        }
        "opsgenie" => {
            let pager = opsgenie::start().await.unwrap();
            // Each request would be asked about twice, two seconds apart.
            pager.lag(0);
            let settings =
                format!("url = \"{}\"\napi_key = {{ value = \"{}\" }}\n", pager.base_url(), opsgenie::API_KEY);
            http(pager, settings, failure())
        }
        "servicenow" => {
            let instance = servicenow::start().await.unwrap();
            let (url, user, password) = (instance.base_url(), servicenow::USER, servicenow::PASSWORD);
            let settings = format!("url = \"{url}\"\nuser = \"{user}\"\npassword = {{ value = \"{password}\" }}\n");
            http(instance, settings, failure())
        }
        "webhook" => {
            let receiver = webhook::start().await.unwrap();
            let settings =
                format!("url = \"{}\"\nsecret = {{ value = \"{}\" }}\nbatch = 10\n", receiver.url(), webhook::SECRET);
            http(receiver, settings, failure())
        }
        "elasticsearch" => {
            let cluster = elasticsearch::start().await.unwrap();
            let (url, stream) = (cluster.base_url(), elasticsearch::DATA_STREAM);
            let key = elasticsearch::API_KEY;
            let settings = format!("url = \"{url}\"\ndata_stream = \"{stream}\"\napi_key = {{ value = \"{key}\" }}\n");
            http(cluster, settings, failure())
        }
        "splunk" => {
            let collector = splunk::start().await.unwrap();
            let settings = format!("url = \"{}\"\ntoken = {{ value = \"{}\" }}\n", collector.base_url(), splunk::TOKEN);
            let busy = json!({ "text": "Server is busy", "code": 9 }).to_string();
            http(collector, settings, busy)
        }
        "email" => Box::new(Mail(email::start().unwrap())),
        "syslog" => Box::new(Logs(syslog::start_tcp().await.unwrap())),
        other => panic!("no stand-in of {other}"),
    }
}

/// A mail server has fifteen seconds to take a message.
const LONGER_THAN_A_MAIL: Duration = Duration::from_secs(17);
