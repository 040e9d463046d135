//! The names of sections.

use std::collections::BTreeMap;
use std::str::FromStr;

use crate::destinations::Receiver;
use crate::domain::{DestinationName, NameError};
use crate::settings::Section;

/// Every destination that was named; `None` for one that is at fault.
pub(super) type Built = BTreeMap<DestinationName, Option<Receiver>>;

/// The name that the operator gave to a section, if it is one.
pub(super) fn name_of<N: FromStr<Err = NameError>>(section: &Section<'_>) -> Option<N> {
    match section.name().parse() {
        Ok(name) => Some(name),
        Err(fault) => {
            section.fault("", &format!("is not a name: {fault}"), "choose another one");
            None
        }
    }
}
