//! The notifiers against the stand-ins, over real HTTP: every operation, and what is gone, refused or in doubt.

use std::sync::Arc;

use super::{Fault, Rate, StandIn, Style, discord, jira, mattermost, pagerduty, slack, teams};
use crate::destinations::life::{self, OwnedTelling};
use crate::destinations::{Next, Notifier, Receiver, testing};
use crate::domain::{
    Audience, Clock, Job, Notification, NotifierClass, Operation, Outcome, OutcomeKind, Progress, Reference,
    SystemClock, Telling,
};
use crate::egress::Egress;

/// Drives a notifier to the end of a try, as a worker does.
pub(super) async fn converse(
    notifier: &dyn Notifier,
    egress: &Egress,
    job: &Job<'_>,
    telling: &Telling<'_>,
) -> Outcome {
    let mut next = notifier.first(job, telling);
    for _ in 0..32 {
        match next {
            Next::Done(outcome) => return outcome,
            Next::Send(step, message) => next = notifier.next(job, telling, step, &egress.send(message).await),
        }
    }
    panic!("its steps do not come to an end");
}

/// A notifier, what it was told, and how it is driven.
pub(super) struct Told {
    pub(super) notifier: Arc<dyn Notifier>,
    pub(super) egress: Egress,
    pub(super) reference: Option<Reference>,
    told: Option<Notification>,
}

impl Told {
    pub(super) fn by(kind: &str, settings: &str) -> Self {
        let kind = crate::destinations::find(kind).unwrap();
        let Ok(Receiver::Notifier(notifier)) = testing::build(kind, settings) else { panic!("no notifier") };
        Self { notifier, egress: Egress::new().unwrap(), reference: None, told: None }
    }

    pub(super) fn telling(&self, stage: &str, operation: Operation) -> OwnedTelling {
        let mut told = life::at(stage, self.notifier.class());
        if let Some(before) = &self.told {
            told.told = before.clone();
        }
        told.told.reference = self.reference.clone();
        // The stand-ins keep the time of this machine, by which an earlier try is looked for.
        told.now = SystemClock.now();
        told.told.opened_at = told.now;
        let change = told.intent.change;
        told.with(change, operation)
    }

    /// A first, certain try.
    pub(super) async fn tell(&mut self, stage: &str, operation: Operation) -> Outcome {
        let told = self.telling(stage, operation);
        let outcome = converse(self.notifier.as_ref(), &self.egress, &told.job(), &told.telling()).await;
        self.settle(told, outcome)
    }

    /// A try after one of which it is not known whether it arrived.
    pub(super) async fn tell_again(&mut self, stage: &str, operation: Operation) -> Outcome {
        let told = self.telling(stage, operation);
        let nothing = Progress::default();
        let job = life::in_doubt(told.job(), &nothing);
        let outcome = converse(self.notifier.as_ref(), &self.egress, &job, &told.telling()).await;
        self.settle(told, outcome)
    }

    pub(super) async fn delivers(&mut self, stage: &str, operation: Operation) {
        let outcome = self.tell(stage, operation).await;
        assert_eq!(outcome.kind(), OutcomeKind::Delivered, "{stage} {operation:?}: {outcome:?}");
    }

    pub(super) fn settle(&mut self, told: OwnedTelling, outcome: Outcome) -> Outcome {
        if let Outcome::Delivered { remote } = &outcome {
            self.reference = remote.clone().or(self.reference.take());
            self.told = Some(told.intent.then);
        }
        outcome
    }
}

const CREATE: Operation = Operation::Create { number: 1 };

fn reply(number: u32, audience: Audience) -> Operation {
    Operation::Reply { number, audience }
}

async fn pager() -> (StandIn<pagerduty::PagerDuty>, Told) {
    let pager = pagerduty::start().await.unwrap();
    let settings =
        format!("routing_key = {{ value = \"{}\" }}\nurl = \"{}\"", pagerduty::ROUTING_KEY, pager.base_url());
    (pager, Told::by("pagerduty", &settings))
}

#[tokio::test]
async fn pages_are_triggered_acknowledged_and_resolved_each_by_its_own_key() {
    use pagerduty::Status::{Acknowledged, Resolved, Triggered};
    let (pager, mut told) = pager().await;
    let statuses = || pager.incidents().iter().map(|incident| incident.status).collect::<Vec<_>>();
    told.delivers("open", Operation::Trigger { page: 1 }).await;
    told.delivers("raise", Operation::Trigger { page: 2 }).await;
    // A lost answer: the same key again is the same page.
    pager.script([Fault::TakenThenReset]);
    assert_eq!(told.tell("worse", Operation::Trigger { page: 3 }).await.kind(), OutcomeKind::Unknown);
    assert_eq!(told.tell_again("worse", Operation::Trigger { page: 3 }).await.kind(), OutcomeKind::Delivered);
    assert_eq!(statuses(), [Triggered; 3]);
    for page in 1..=2 {
        told.delivers("acknowledge", Operation::AcknowledgePage { page }).await;
    }
    assert_eq!(statuses(), [Acknowledged, Acknowledged, Triggered]);
    for page in 1..=3 {
        pager.script([Fault::TakenThenReset]);
        assert_eq!(told.tell("resolve", Operation::ResolvePage { page }).await.kind(), OutcomeKind::Unknown);
        assert_eq!(told.tell_again("resolve", Operation::ResolvePage { page }).await.kind(), OutcomeKind::Delivered);
    }
    assert_eq!(statuses(), [Resolved; 3]);
    told.delivers("reopen", Operation::Trigger { page: 4 }).await;
    assert_eq!(statuses(), [Resolved, Resolved, Resolved, Triggered]);
    assert!(pager.render_terminal(Style::Plain).contains("#4711"));
}

async fn channel() -> (StandIn<slack::Slack>, Told) {
    let slack = slack::start().await.unwrap();
    slack.limit_rates(Rate::UNLIMITED, Rate::UNLIMITED);
    let settings = format!(
        "token = {{ value = \"{}\" }}\nchannel = \"{}\"\nurl = \"{}\"",
        slack::BOT_TOKEN,
        slack::CHANNEL,
        slack.api_url()
    );
    (slack, Told::by("slack", &settings))
}

#[tokio::test]
async fn a_message_is_posted_edited_and_answered() {
    let (slack, mut told) = channel().await;
    told.delivers("open", CREATE).await;
    told.delivers("raise", Operation::Edit).await;
    told.delivers("raise", reply(1, Audience::Channel)).await;
    told.delivers("acknowledge", Operation::Edit).await;
    told.delivers("acknowledge", reply(2, Audience::Thread)).await;
    told.delivers("resolve", Operation::Edit).await;
    let messages = slack.messages();
    assert_eq!(messages.len(), 3);
    assert_eq!(messages[0].updates, 3);
    assert!(messages[0].text.starts_with("✅ resolved"), "{}", messages[0].text);
    assert!(messages[1..].iter().all(|reply| reply.thread_ts.as_ref() == Some(&messages[0].ts)));
    assert_eq!((messages[1].is_broadcast, messages[2].is_broadcast), (true, false));
    assert!(messages.iter().all(|message| message.pings().is_empty()));
}

#[tokio::test]
async fn what_was_appended_is_found_again_after_a_lost_answer_and_sent_where_it_is_not() {
    let (slack, mut told) = channel().await;
    for (stage, operation) in
        [("open", CREATE), ("raise", reply(1, Audience::Channel)), ("spread", reply(2, Audience::Thread))]
    {
        let before = slack.effects();
        slack.script([Fault::TakenThenReset]);
        assert_eq!(told.tell(stage, operation).await.kind(), OutcomeKind::Unknown);
        assert_eq!(told.tell_again(stage, operation).await.kind(), OutcomeKind::Delivered);
        assert_eq!(slack.effects(), before + 1, "{operation:?} is there once");
    }
    slack.script([Fault::Reset]);
    assert_eq!(told.tell("worse", reply(3, Audience::Thread)).await.kind(), OutcomeKind::Unknown);
    assert_eq!(told.tell_again("worse", reply(3, Audience::Thread)).await.kind(), OutcomeKind::Delivered);
    assert_eq!(slack.effects(), 4, "it had not arrived, and was sent");
    slack.script([Fault::TakenThenReset]);
    assert_eq!(told.tell("resolve", Operation::Edit).await.kind(), OutcomeKind::Unknown);
    assert_eq!(told.tell_again("resolve", Operation::Edit).await.kind(), OutcomeKind::Delivered);
    assert_eq!((slack.effects(), slack.messages()[0].updates), (4, 2));
    // Without the scope Slack cannot look: sent again, with a mark.
    slack.revoke_history();
    assert_eq!(told.tell_again("reopen", reply(4, Audience::Thread)).await.kind(), OutcomeKind::Delivered);
    assert!(slack.messages()[4].text.contains("Possible repeat"));
}

#[tokio::test]
async fn a_message_that_was_deleted_is_gone_and_can_be_made_again() {
    let (slack, mut told) = channel().await;
    told.delivers("open", CREATE).await;
    slack.delete(&slack.messages()[0].ts);
    assert_eq!(told.tell("raise", Operation::Edit).await.kind(), OutcomeKind::Gone);
    assert_eq!(told.tell("raise", reply(1, Audience::Channel)).await.kind(), OutcomeKind::Gone);
    assert_eq!(told.tell_again("raise", reply(1, Audience::Channel)).await.kind(), OutcomeKind::Gone);
    told.delivers("raise", Operation::Create { number: 2 }).await;
    told.delivers("acknowledge", Operation::Edit).await;
    assert_eq!((slack.effects(), slack.messages()[0].updates), (1, 1));
}

#[tokio::test]
async fn by_webhook_every_message_stands_alone() {
    let slack = slack::start().await.unwrap();
    slack.limit_rates(Rate::UNLIMITED, Rate::UNLIMITED);
    let settings = format!("webhook_url = {{ value = \"{}\" }}", slack.webhook_url());
    let mut told = Told::by("slack", &settings);
    assert_eq!(told.notifier.class(), NotifierClass::AppendOnly);
    told.delivers("open", CREATE).await;
    for (number, stage) in (1..).zip(["update", "raise", "spread", "acknowledge", "resolve", "reopen", "quiet"]) {
        told.delivers(stage, reply(number, Audience::Channel)).await;
    }
    let messages = slack.messages();
    assert_eq!(messages.len(), 8);
    assert!(messages.iter().all(|message| message.text.contains("#4711") && message.thread_ts.is_none()));
    assert_eq!(told.reference, None);
}

#[tokio::test]
async fn teams_is_told_a_whole_life_and_no_run_fails_after_its_202() {
    let teams = teams::start().await.unwrap();
    teams.limit_rate(Rate::UNLIMITED);
    let mut told = Told::by("teams", &format!("webhook_url = {{ value = \"{}\" }}", teams.webhook_url()));
    told.delivers("open", CREATE).await;
    let stages = ["update", "raise", "spread", "acknowledge", "worse", "resolve", "reopen", "quiet", "repeat"];
    for (number, stage) in (1..).zip(stages) {
        told.delivers(stage, reply(number, Audience::Channel)).await;
    }
    assert_eq!((teams.effects(), teams.mentions("#4711"), teams.failed_runs()), (10, 10, Vec::new()));
    teams.script([Fault::TakenThenReset]);
    assert_eq!(told.tell("raise", reply(10, Audience::Channel)).await.kind(), OutcomeKind::Unknown);
    assert_eq!(told.tell_again("raise", reply(10, Audience::Channel)).await.kind(), OutcomeKind::Delivered);
    assert_eq!((teams.effects(), teams.mentions("Possible repeat")), (12, 1), "it is there twice, and says so");
    for (fault, kind) in [
        (Fault::Unauthorized, OutcomeKind::Misconfigured),
        (Fault::Status429 { retry_after: None }, OutcomeKind::Retry),
        (Fault::Garbage200, OutcomeKind::Unknown),
        (Fault::Redirect("https://elsewhere.example/".to_owned()), OutcomeKind::Misconfigured),
    ] {
        teams.script([fault.clone()]);
        assert_eq!(told.tell("raise", reply(11, Audience::Channel)).await.kind(), kind, "{fault:?}");
    }
}

#[tokio::test]
async fn no_alert_makes_a_run_of_teams_fail() {
    let teams = teams::start().await.unwrap();
    teams.limit_rate(Rate::UNLIMITED);
    let settings = format!("webhook_url = {{ value = \"{}\" }}", teams.webhook_url());
    let told = Told::by("teams", &settings);
    let sent = send_every_opening(&told).await;
    assert_eq!((teams.effects(), teams.failed_runs()), (sent, Vec::new()));
}

/// Sends the opening of every hostile event. How many there are; each must be delivered.
async fn send_every_opening(told: &Told) -> usize {
    let tellings = life::every_telling(told.notifier.class(), 37);
    let openings = tellings.into_iter().map(|telling| {
        let change = telling.intent.change;
        telling.with(change, CREATE)
    });
    // Made before any is sent: the long ones take a second each, in which a connection would be closed.
    let openings: Vec<(OwnedTelling, Next)> =
        openings.map(|telling| (telling.clone(), told.notifier.first(&telling.job(), &telling.telling()))).collect();
    let number = openings.len();
    for (telling, next) in openings {
        let Next::Send(step, message) = next else { panic!("{next:?}") };
        let next = told.notifier.next(&telling.job(), &telling.telling(), step, &told.egress.send(message).await);
        assert!(matches!(next, Next::Done(Outcome::Delivered { .. })), "{next:?}");
    }
    number
}

async fn discord() -> (StandIn<discord::Discord>, Told) {
    let discord = discord::start().await.unwrap();
    discord.limit_rate(Rate::UNLIMITED);
    let told = Told::by("discord", &format!("webhook_url = {{ value = \"{}\" }}", discord.webhook_url()));
    (discord, told)
}

#[tokio::test]
async fn a_message_of_discord_is_edited_and_what_is_new_stands_beside_it() {
    let (discord, mut told) = discord().await;
    told.delivers("open", CREATE).await;
    for (number, stage) in (1..).zip(["raise", "spread", "worse", "resolve", "reopen", "quiet"]) {
        told.delivers(stage, Operation::Edit).await;
        told.delivers(stage, reply(number, Audience::Channel)).await;
    }
    let messages = discord.messages();
    assert_eq!((messages.len(), messages[0].edits, discord.mentions("#4711")), (7, 6, 7));
    assert!(messages[0].text().starts_with("💤 quiet · CRITICAL"), "{}", messages[0].text());
    // An edit whose answer is lost is sent again; a message is there twice, and says so.
    discord.script([Fault::TakenThenReset]);
    assert_eq!(told.tell("resolve", Operation::Edit).await.kind(), OutcomeKind::Unknown);
    assert_eq!(told.tell_again("resolve", Operation::Edit).await.kind(), OutcomeKind::Delivered);
    discord.script([Fault::TakenThenReset]);
    assert_eq!(told.tell("resolve", reply(7, Audience::Thread)).await.kind(), OutcomeKind::Unknown);
    assert_eq!(told.tell_again("resolve", reply(7, Audience::Thread)).await.kind(), OutcomeKind::Delivered);
    assert_eq!((discord.effects(), discord.mentions("Possible repeat")), (9, 1));
    discord.delete(&messages[0].id);
    assert_eq!(told.tell("reopen", Operation::Edit).await.kind(), OutcomeKind::Gone);
    told.delivers("reopen", Operation::Create { number: 2 }).await;
    told.delivers("resolve", Operation::Edit).await;
    assert!(discord.messages().last().unwrap().text().starts_with("✅ resolved"));
    for (fault, kind) in [
        (Fault::Unauthorized, OutcomeKind::Misconfigured),
        (Fault::Status429 { retry_after: Some(std::time::Duration::from_millis(1500)) }, OutcomeKind::Retry),
        (Fault::Garbage200, OutcomeKind::Unknown),
    ] {
        for operation in [CREATE, Operation::Edit] {
            discord.script([fault.clone()]);
            assert_eq!(told.tell("raise", operation).await.kind(), kind, "{fault:?} {operation:?}");
        }
    }
}

#[tokio::test]
async fn discord_refuses_no_alert() {
    let (discord, told) = discord().await;
    let sent = send_every_opening(&told).await;
    assert_eq!(discord.effects(), sent);
    assert_eq!(discord.requests().len(), sent, "none was sent a second time in a plainer form");
}

async fn mattermost() -> (StandIn<mattermost::Mattermost>, Told) {
    let mattermost = mattermost::start().await.unwrap();
    mattermost.limit_rate(Rate::UNLIMITED);
    let told = Told::by("mattermost", &format!("webhook_url = {{ value = \"{}\" }}", mattermost.webhook_url()));
    (mattermost, told)
}

#[tokio::test]
async fn mattermost_is_told_a_whole_life_in_messages_that_stand_alone() {
    let (mattermost, mut told) = mattermost().await;
    told.delivers("open", CREATE).await;
    let stages = ["update", "raise", "spread", "acknowledge", "worse", "resolve", "reopen", "quiet", "repeat"];
    for (number, stage) in (1..).zip(stages) {
        told.delivers(stage, reply(number, Audience::Channel)).await;
    }
    assert_eq!((mattermost.effects(), mattermost.mentions("#4711"), told.reference.is_none()), (10, 10, true));
    mattermost.script([Fault::TakenThenReset]);
    assert_eq!(told.tell("raise", reply(10, Audience::Channel)).await.kind(), OutcomeKind::Unknown);
    assert_eq!(told.tell_again("raise", reply(10, Audience::Channel)).await.kind(), OutcomeKind::Delivered);
    assert_eq!((mattermost.effects(), mattermost.mentions("Possible repeat")), (12, 1));
    for (fault, kind) in [
        (Fault::Unauthorized, OutcomeKind::Misconfigured),
        (Fault::Status429 { retry_after: None }, OutcomeKind::Retry),
        (Fault::Garbage200, OutcomeKind::Unknown),
    ] {
        mattermost.script([fault.clone()]);
        assert_eq!(told.tell("raise", reply(11, Audience::Channel)).await.kind(), kind, "{fault:?}");
    }
}

#[tokio::test]
async fn mattermost_refuses_no_alert_and_none_rings_a_phone() {
    let (mattermost, told) = mattermost().await;
    let sent = send_every_opening(&told).await;
    assert_eq!((mattermost.effects(), mattermost.requests().len()), (sent, sent));
    let pings: Vec<String> = mattermost.messages().iter().flat_map(mattermost::Message::pings).collect();
    assert_eq!(pings, [""; 0]);
}

async fn project(more: &str) -> (StandIn<jira::Jira>, Told) {
    let jira = jira::start().await.unwrap();
    jira.limit_rate(Rate::UNLIMITED);
    let settings = format!(
        "url = \"{}\"\nemail = \"{}\"\napi_token = {{ value = \"{}\" }}\nproject = \"{}\"\npriority = true\n{more}",
        jira.base_url(),
        jira::EMAIL,
        jira::API_TOKEN,
        jira::PROJECT
    );
    (jira, Told::by("jira", &settings))
}

const MOVES: &str = "resolve_transition = \"Done\"\nreopen_transition = \"Reopen\"";

#[tokio::test]
async fn a_ticket_is_made_commented_on_raised_and_moved() {
    let (jira, mut told) = project(MOVES).await;
    told.delivers("open", CREATE).await;
    told.delivers("update", reply(1, Audience::Thread)).await;
    told.delivers("raise", Operation::Edit).await;
    told.delivers("raise", reply(2, Audience::Thread)).await;
    told.delivers("resolve", reply(3, Audience::Thread)).await;
    told.delivers("resolve", Operation::Transition).await;
    let issue = jira.issues().remove(0);
    assert_eq!((issue.comments.len(), issue.status, &issue.fields["priority"]["name"]), (3, "Done", &"High".into()));
    told.delivers("reopen", Operation::Transition).await;
    assert_eq!(jira.issues()[0].status, "To Do");
    assert_eq!(jira.effects(), 1);
}

#[tokio::test]
async fn what_people_have_done_to_a_ticket_stays() {
    let (jira, mut told) = project(MOVES).await;
    told.delivers("open", CREATE).await;
    jira.set_priority("SEC-1", "Low");
    told.delivers("raise", Operation::Edit).await;
    told.delivers("worse", Operation::Edit).await;
    assert_eq!(jira.issues()[0].fields["priority"]["name"], "Low");
    jira.set_status("SEC-1", "Done");
    told.delivers("resolve", Operation::Transition).await;
    assert!(!jira.requests().iter().any(|request| request.path.ends_with("/transitions")));
}

#[tokio::test]
async fn an_incident_that_is_back_is_a_new_ticket_where_people_closed_the_old_one() {
    let (jira, mut told) = project("").await;
    told.delivers("open", CREATE).await;
    jira.set_status("SEC-1", "Done");
    // The answer is lost: it is found by its label, and made once.
    jira.script([Fault::NoFault, Fault::TakenThenReset]);
    assert_eq!(told.tell("reopen", Operation::Transition).await.kind(), OutcomeKind::Unknown);
    assert_eq!(told.tell_again("reopen", Operation::Transition).await.kind(), OutcomeKind::Delivered);
    let issues = jira.issues();
    assert_eq!((issues.len(), issues[1].links.as_slice()), (2, &["SEC-1".to_owned()][..]));
    assert_eq!(told.reference.as_ref().unwrap().name, "SEC-2");
    told.delivers("reopen", reply(1, Audience::Thread)).await;
    assert_eq!(jira.issues()[1].comments.len(), 1);
}

#[tokio::test]
async fn a_ticket_and_a_comment_are_found_again_after_a_lost_answer() {
    for deployment in ["cloud", "datacenter"] {
        let (jira, cloud) = project("").await;
        let settings = format!(
            "deployment = \"datacenter\"\nurl = \"{}\"\ntoken = {{ value = \"{}\" }}\nproject = \"{}\"",
            jira.base_url(),
            jira::API_TOKEN,
            jira::PROJECT
        );
        let mut told = if deployment == "cloud" { cloud } else { Told::by("jira", &settings) };
        jira.script([Fault::TakenThenReset]);
        assert_eq!(told.tell("open", CREATE).await.kind(), OutcomeKind::Unknown);
        assert_eq!(told.tell_again("open", CREATE).await.kind(), OutcomeKind::Delivered);
        for (number, arrived) in [(1, Fault::TakenThenReset), (2, Fault::Reset)] {
            jira.script([arrived]);
            assert_eq!(told.tell("raise", reply(number, Audience::Thread)).await.kind(), OutcomeKind::Unknown);
            assert_eq!(told.tell_again("raise", reply(number, Audience::Thread)).await.kind(), OutcomeKind::Delivered);
            assert_eq!(jira.issues()[0].comments.len(), number as usize, "{deployment}: each is there once");
        }
        assert_eq!(jira.effects(), 1);
    }
}

#[tokio::test]
async fn a_ticket_that_was_deleted_is_gone_and_can_be_made_again() {
    let (jira, mut told) = project(MOVES).await;
    told.delivers("open", CREATE).await;
    jira.delete("SEC-1");
    for operation in [Operation::Edit, reply(1, Audience::Thread), Operation::Transition] {
        assert_eq!(told.tell("resolve", operation).await.kind(), OutcomeKind::Gone, "{operation:?}");
    }
    assert_eq!(told.tell_again("raise", reply(1, Audience::Thread)).await.kind(), OutcomeKind::Gone);
    // The link to what is gone is refused, and left out.
    told.delivers("raise", Operation::Create { number: 2 }).await;
    assert_eq!((jira.effects(), jira.issues()[0].links.len()), (1, 0));
}

#[tokio::test]
async fn a_transition_that_the_workflow_does_not_offer_is_no_failure() {
    let (jira, mut told) = project("resolve_transition = \"Close forever\"").await;
    told.delivers("open", CREATE).await;
    told.delivers("resolve", Operation::Transition).await;
    assert_eq!(jira.issues()[0].status, "To Do");
    assert!(told.reference.unwrap().data["left"].as_str().unwrap().contains("Close forever"));
}
