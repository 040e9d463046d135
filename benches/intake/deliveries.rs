//! What holds from the request to the file and to the page: the rates that are sustained, and how soon a pager knows.

use super::Outcome;
use super::end_to_end;
use super::plan::Plan;
use super::targets::Target;
use super::to_page;

/// Both.
pub fn run(plan: &Plan) -> Outcome<Vec<Target>> {
    let mut targets = end_to_end::run(plan)?;
    targets.extend(to_page::run(plan)?);
    Ok(targets)
}
