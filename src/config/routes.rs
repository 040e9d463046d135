//! `[[routes]]`: which events go where.

use crate::domain::{DestinationName, RouteName};
use crate::routing::{Condition, Flow, KnownNames, Route, Router};
use crate::settings::Section;
use crate::vendors;

use super::names::Built;
use super::split;

/// Reads the routes in the order of the file; those at fault are left out, their faults recorded. `led_to`: destinations that
/// are told without a route.
pub fn read(root: &Section<'_>, destinations: &Built, led_to: Vec<DestinationName>) -> Router {
    let known = known_names(root);
    let mut routes: Vec<Route> = Vec::new();
    let mut named = led_to;
    let mut sections: Vec<(RouteName, Section<'_>)> = Vec::new();
    for section in root.section_list("routes") {
        let taken = |name: &str| routes.iter().any(|route| route.name.as_str() == name);
        if let Some(route) = read_route(&section, taken, destinations, &known, &mut named) {
            sections.push((route.name.clone(), section));
            routes.push(route);
        }
    }
    if routes.is_empty() && !root.any_error() {
        root.warn("routes", "there is no route, so no destination is told", "add [[routes]] with name and to");
    }
    let lonely = destinations.iter().filter(|(name, built)| built.is_some() && !named.contains(name));
    if let Some(section) = root.section("destinations").filter(|_| !routes.is_empty()) {
        for (name, _) in lonely {
            section.warn(name.as_str(), "no route leads here", "add it to a route's `to`, or remove it");
        }
    }
    let router = Router::new(routes);
    if !root.any_error() {
        split::warn(root, &sections, &router, destinations);
    }
    router
}

/// What conditions may compare `event.source` and `event.vendor` with. Sources at fault are among them: their own faults
/// are enough.
pub(super) fn known_names(root: &Section<'_>) -> KnownNames {
    KnownNames::new(root.names_in("sources"), vendors::VENDORS.iter().map(|vendor| vendor.name))
}

fn read_route(
    section: &Section<'_>,
    taken: impl Fn(&str) -> bool,
    destinations: &Built,
    known: &KnownNames,
    named: &mut Vec<DestinationName>,
) -> Option<Route> {
    let name = section.required_text("name").and_then(|text| match text.parse() {
        Ok(_) if taken(&text) => {
            section.fault("name", &format!("'{text}' is the name of an earlier route"), "give each route its own name");
            None
        }
        Ok(name) => Some(name),
        Err(fault) => {
            let fault: crate::domain::NameError = fault;
            section.fault("name", &format!("'{text}' is not a name: {fault}"), "choose another one");
            None
        }
    });
    let when = read_condition(section, known);
    let to = read_destinations(section, destinations);
    let flow = if section.flag("stop") { Flow::Stop } else { Flow::Continue };
    section.finish();
    let to = to?;
    named.extend(to.iter().cloned());
    Some(Route { name: name?, when: when?, to, flow })
}

/// The condition; the outer `None` where it is at fault, the inner one where there is none.
pub(super) fn read_condition(section: &Section<'_>, known: &KnownNames) -> Option<Option<Condition>> {
    if !section.has("when") {
        return Some(None);
    }
    let source = section.text("when")?;
    match Condition::compile(&source, known) {
        Ok(condition) => Some(Some(condition)),
        Err(errors) => {
            errors.iter().for_each(|error| section.fault("when", &error.message, &error.remedy));
            None
        }
    }
}

fn read_destinations(section: &Section<'_>, known: &Built) -> Option<Vec<DestinationName>> {
    if !section.has("to") {
        section.fault("to", "is missing", "add to = [\"NAME\"] with a destination's name");
        return None;
    }
    let texts = section.texts_given("to")?;
    if texts.is_empty() {
        section.fault("to", "names no destination", "write to = [\"NAME\"] with a destination's name");
        return None;
    }
    let mut found = Vec::new();
    for text in &texts {
        match known.keys().find(|name| name.as_str() == text) {
            Some(name) => found.push(name.clone()),
            None => {
                let names: Vec<&str> = known.keys().map(|name| name.as_str()).collect();
                let fix = if names.is_empty() {
                    format!("add [destinations.{text}]")
                } else {
                    format!("destinations: {}", names.join(", "))
                };
                section.fault("to", &format!("there is no destination '{text}'"), &fix);
            }
        }
    }
    (found.len() == texts.len()).then_some(found)
}
