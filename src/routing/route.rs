//! Routes, in the order of the file.

use super::condition::{Asked, Condition, Decision, Facts};
use crate::domain::{DestinationName, Event, RouteName};

/// A rule: which events go to which destinations.
#[derive(Debug)]
pub struct Route {
    /// Its name.
    pub name: RouteName,
    /// What it takes; `None` takes everything.
    pub when: Option<Condition>,
    /// Where it sends to.
    pub to: Vec<DestinationName>,
    /// What happens to the routes below it when it has taken an event.
    pub flow: Flow,
}

/// What happens to the routes below one that has taken an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flow {
    /// They are asked as well.
    Continue,
    /// They are not asked (`stop = true`), if its condition holds: see [`Router::explain`].
    Stop,
}

/// All routes.
#[derive(Debug, Default)]
pub struct Router {
    routes: Vec<Route>,
    /// What their conditions ask for.
    asked: Asked,
}

/// Who must know of an event.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Plan {
    /// Each destination once, with the first route that asked for it.
    pub deliveries: Vec<(DestinationName, RouteName)>,
    /// How many routes took it.
    pub routes_taken: usize,
    /// Routes whose condition could not be decided, with the reason: they count as taken.
    pub undecided: Vec<(RouteName, String)>,
}

/// One route's view of an event.
#[derive(Debug)]
pub struct Considered<'r> {
    /// The route.
    pub route: &'r Route,
    /// What its condition said; `None` where an earlier route had stopped the search.
    pub decision: Option<Decision>,
}

impl Router {
    /// Routes in the order of the file.
    pub fn new(routes: Vec<Route>) -> Self {
        let conditions = routes.iter().filter_map(|route| route.when.as_ref());
        let asked = Asked::by_any(conditions.map(Condition::source));
        Self { routes, asked }
    }

    /// The routes in the order of the file.
    pub fn routes(&self) -> &[Route] {
        &self.routes
    }

    /// Who must know of `event`.
    pub fn plan(&self, event: &Event) -> Plan {
        let mut plan = Plan::default();
        for considered in self.explain(event) {
            let name = &considered.route.name;
            match considered.decision {
                Some(Decision::Holds) => {}
                Some(Decision::Undecided(why)) => plan.undecided.push((name.clone(), why)),
                Some(Decision::Fails) | None => continue,
            }
            plan.routes_taken += 1;
            for destination in &considered.route.to {
                if !plan.deliveries.iter().any(|(planned, _)| planned == destination) {
                    plan.deliveries.push((destination.clone(), name.clone()));
                }
            }
        }
        plan
    }

    /// What each route says of `event`, in order. One that cannot be decided takes the event and stops nothing, or the text
    /// of an alert could keep it from the routes below.
    pub fn explain(&self, event: &Event) -> Vec<Considered<'_>> {
        let facts = Facts::of(event, &self.asked);
        let mut stopped = false;
        let consider = |route| {
            let decision = (!stopped).then(|| evaluate(route, &facts));
            stopped |= decision == Some(Decision::Holds) && route.flow == Flow::Stop;
            Considered { route, decision }
        };
        self.routes.iter().map(consider).collect()
    }
}

fn evaluate(route: &Route, facts: &Facts) -> Decision {
    route.when.as_ref().map_or(Decision::Holds, |condition| condition.decide(facts))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{Draft, Encoding, Receipt, ReceiptId, Severity, Timestamp};

    fn event(severity: Severity) -> Event {
        let receipt = Receipt {
            id: ReceiptId::generate(),
            source: "s".parse().unwrap(),
            received_at: Timestamp::default(),
            content_type: None,
            encoding: Encoding::Identity,
            body: bytes::Bytes::new(),
        };
        Draft::default().into_event(&receipt, "v", severity, 0)
    }

    fn route(name: &str, when: &str, to: &[&str], flow: Flow) -> Route {
        Route {
            name: name.parse().unwrap(),
            when: Some(Condition::compile(when, &super::super::KnownNames::default()).unwrap()),
            to: to.iter().map(|name| name.parse().unwrap()).collect(),
            flow,
        }
    }

    fn planned(router: &Router, severity: Severity) -> Vec<(String, String)> {
        let deliveries = router.plan(&event(severity)).deliveries;
        deliveries.into_iter().map(|(to, by)| (to.to_string(), by.to_string())).collect()
    }

    #[test]
    fn every_matching_route_applies_and_no_destination_is_told_twice() {
        let router = Router::new(vec![
            route("page", "event.severity >= high", &["oncall", "soc"], Flow::Continue),
            route("all", "true", &["soc", "archive"], Flow::Continue),
        ]);
        let pair = |a: &str, b: &str| (a.to_owned(), b.to_owned());
        assert_eq!(
            planned(&router, Severity::High),
            [pair("oncall", "page"), pair("soc", "page"), pair("archive", "all")]
        );
        assert_eq!(planned(&router, Severity::Low), [pair("soc", "all"), pair("archive", "all")]);
    }

    #[test]
    fn stop_ends_the_search_only_when_the_route_takes_the_event() {
        let router = Router::new(vec![
            route("noise", "event.severity <= low", &["archive"], Flow::Stop),
            route("rest", "true", &["soc"], Flow::Continue),
        ]);
        assert_eq!(planned(&router, Severity::Low), [("archive".to_owned(), "noise".to_owned())]);
        assert_eq!(planned(&router, Severity::High), [("soc".to_owned(), "rest".to_owned())]);
        let low = event(Severity::Low);
        assert!(router.explain(&low)[1].decision.is_none());
    }

    #[test]
    fn a_route_that_cannot_be_decided_takes_the_event_and_stops_nothing() {
        let router = Router::new(vec![
            route("quiet", "event.unmapped.anomaly < 0.3", &["archive"], Flow::Stop),
            route("page", "event.severity >= critical", &["oncall"], Flow::Continue),
        ]);
        let mut odd = event(Severity::Critical);
        odd.unmapped.insert("anomaly".to_owned(), "0.97".into());
        let plan = router.plan(&odd);
        let told: Vec<&str> = plan.deliveries.iter().map(|(to, _)| to.as_str()).collect();
        assert_eq!((told, plan.undecided.len()), (vec!["archive", "oncall"], 1));
        odd.unmapped.insert("anomaly".to_owned(), 0.1.into());
        assert_eq!(router.plan(&odd).deliveries.len(), 1, "decided, it stops the search");
    }

    #[test]
    fn an_event_that_no_route_takes_has_an_empty_plan_and_an_undecided_route_takes_it() {
        let none = Router::new(vec![route("page", "event.severity >= high", &["oncall"], Flow::Continue)]);
        assert_eq!(none.plan(&event(Severity::Low)).routes_taken, 0);
        let router = Router::new(vec![route("odd", "event.unmapped.n > 3", &["soc"], Flow::Continue)]);
        let mut odd = event(Severity::Low);
        odd.unmapped.insert("n".to_owned(), "text".into());
        let plan = router.plan(&odd);
        assert_eq!((plan.routes_taken, plan.undecided.len(), plan.deliveries.len()), (1, 1, 1));
    }
}
