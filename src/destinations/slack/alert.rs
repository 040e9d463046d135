//! One message an event.

use serde_json::json;

use super::post::{Content, Marked, Post, Token};
use super::{PACE, Slack, blocks};
use crate::destinations::render::Summary;
use crate::destinations::{Destination, Next, Pace, Reply, Step};
use crate::domain::Job;

impl Destination for Slack {
    fn pace(&self) -> Pace {
        PACE
    }

    fn first(&self, job: &Job<'_>) -> Next {
        self.append(&post(job, &|marked| content(job, marked)))
    }

    fn next(&self, job: &Job<'_>, step: Step, reply: &Reply) -> Next {
        self.appended(&post(job, &|marked| content(job, marked)), step, reply)
    }
}

fn post<'a>(job: &'a Job<'a>, content: &'a dyn Fn(Marked) -> Content) -> Post<'a> {
    let beside = ("event", json!(job.event.id));
    let token = Token { event_type: METADATA_TYPE, key: TOKEN_KEY, value: job.id.to_string(), beside };
    Post { job, content, token, thread: None, not_before: job.event.received_at }
}

fn content(job: &Job<'_>, marked: Marked) -> Content {
    let mut summary = Summary::of(job);
    if marked == Marked::PossibleRepeat {
        summary = summary.possible_repeat();
    }
    Content { text: blocks::text(&summary), blocks: blocks::blocks(&summary) }
}

pub const METADATA_TYPE: &str = "gatepost_delivery";
pub const TOKEN_KEY: &str = "delivery";
