//! What every listing has in common.

use super::failure::{Failure, Outcome};
use super::moment::parse_moment;
use super::number::{parse_count, parse_cursor};
use super::output::{note, out};
use super::table::Table;
use crate::domain::Timestamp;
use crate::store::Page;

/// What every listing takes.
#[derive(clap::Args)]
pub struct Paging {
    /// At most so many, the newest first
    #[arg(long, default_value_t = 50, value_parser = parse_count::<1, 10_000>)]
    limit: u32,
    /// Only what is older than this cursor, which ends the page before
    #[arg(long, value_name = "CURSOR", value_parser = parse_cursor)]
    before: Option<i64>,
    /// Only what came at this time or later: a day (2026-11-21), a time (2026-11-21T10:00:00Z) or a duration before now
    /// (24h). Days and times without an offset are in UTC
    #[arg(long, value_name = "TIME", value_parser = parse_moment)]
    pub since: Option<Timestamp>,
    /// Only what came before this time
    #[arg(long, value_name = "TIME", value_parser = parse_moment)]
    pub until: Option<Timestamp>,
    /// One JSON object a line
    #[arg(long)]
    json: bool,
}

impl Paging {
    /// The piece of the listing that is wanted.
    pub fn page(&self) -> Page {
        Page { limit: self.limit as usize, before: self.before }
    }

    /// Prints a page, and how to get the next one.
    pub fn print<T>(
        &self,
        rows: &[T],
        cursor: impl Fn(&T) -> i64,
        as_json: impl Fn(&T) -> Result<String, Failure>,
        as_table: impl FnOnce(&[T]) -> Table,
    ) -> Outcome {
        if self.json {
            return rows.iter().try_for_each(|row| out!("{}", as_json(row)?));
        }
        let Some(last) = rows.last() else {
            note!("there is nothing like that in the store");
            return Ok(());
        };
        as_table(rows).print()?;
        if rows.len() == self.limit as usize {
            note!("there may be more: --before {}", cursor(last));
        }
        Ok(())
    }
}
