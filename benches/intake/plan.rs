//! What is measured, how long and how often: by the words in `GATEPOST_BENCH`.

use std::time::Duration;

use super::machine::Needs;

/// A part of the benchmark.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Section {
    /// Requests a second, side by side with the other contenders; repetitions; one connection.
    Rates,
    /// The time to an answer at half of the rate that was reached.
    Latency,
    /// What is sustained from the request to the file, and how soon a pager knows.
    Deliveries,
    /// Whether events that wait for a sink slow anything.
    Backlog,
    /// Whether retention slows intake.
    Retention,
    /// What requests and events cost in processor time, by thread and by step.
    Steps,
    /// How soon it is ready.
    Start,
    /// Memory, the size of the binary, a large body.
    Size,
    /// Whether ten million dedupe keys slow intake. By hand only: it fills a store of several gigabytes.
    Keys,
    /// Whether a flood hides what matters. By hand only: it takes ten minutes and needs the machine for itself.
    Flood,
    /// What each sink sustains. By hand only: it takes five minutes and needs the machine for itself.
    Sinks,
}

const SECTIONS: &[(&str, Section)] = &[
    ("rates", Section::Rates),
    ("latency", Section::Latency),
    ("deliveries", Section::Deliveries),
    ("backlog", Section::Backlog),
    ("retention", Section::Retention),
    ("steps", Section::Steps),
    ("start", Section::Start),
    ("size", Section::Size),
    ("keys", Section::Keys),
    ("flood", Section::Flood),
    ("sinks", Section::Sinks),
];

/// What is measured, how long and how often.
#[derive(Clone, Debug)]
pub struct Plan {
    /// As they were given.
    pub words: String,
    pub sections: Vec<Section>,
    /// Whether falling below a floor fails the run.
    pub strict: bool,
    /// Repetitions of what is short.
    pub repetitions: usize,
    /// Repetitions of what takes longer.
    pub few: usize,
    pub warm_up: Duration,
    /// A closed loop.
    pub window: Duration,
    /// An open loop that latencies are taken from.
    pub open: Duration,
    /// A fixed rate that the pipeline must sustain.
    pub sustained: Duration,
    /// The rates that are offered from end to end, as shares of L0, ascending.
    pub rungs: &'static [f64],
    /// Requests for one closed window, more than the fastest server answers.
    pub requests: usize,
    /// Dedupe keys and waiting events in a store whose start is timed; no such store where there are none.
    pub start: (usize, usize),
    /// Waiting events that must slow nothing.
    pub backlog: usize,
    /// Rows that retention has to delete.
    pub expired: usize,
    /// Dedupe keys that must not slow intake.
    pub keys: usize,
    /// Events of the last thirty days beside them.
    pub month: usize,
    /// The shortest time that a flood takes.
    pub flood: Duration,
    /// Its events at most.
    pub flood_events: usize,
    /// How long each sink is looked at.
    pub sinks: Duration,
}

impl Plan {
    /// Reads the words, separated by commas: `quick`, `ci` and the names of sections.
    pub fn read(words: &str) -> Result<Self, String> {
        let mut plan = Self::full(words);
        for word in words.split(',').filter(|word| !word.is_empty()) {
            match (word, SECTIONS.iter().find(|(name, _)| *name == word)) {
                ("quick", _) => plan.shorten(),
                ("ci", _) => {
                    plan.shorten();
                    plan.strict = true;
                }
                (_, Some((_, section))) => plan.sections.push(*section),
                _ => {
                    let names: Vec<&str> = SECTIONS.iter().map(|(name, _)| *name).collect();
                    return Err(format!(
                        "GATEPOST_BENCH does not know '{word}'; it knows quick, ci, {}",
                        names.join(", ")
                    ));
                }
            }
        }
        if plan.sections.is_empty() {
            let whole = SECTIONS.iter().map(|(_, section)| *section);
            plan.sections = whole.filter(|section| plan.has(*section)).collect();
        }
        Ok(plan)
    }

    /// What the section cannot do without.
    pub fn needs(&self, section: Section) -> Needs {
        // A key, and a share of a month of events, is up to a kilobyte on the disk; an event that waits is four.
        let keys_gb = (self.keys as f64 * 0.3e-6 + self.month as f64 * 4e-6).ceil();
        match section {
            Section::Start => Needs { cores: 1, disk_gb: 2.0 },
            Section::Keys => Needs { cores: 2, disk_gb: keys_gb + 1.0 },
            Section::Flood => Needs { cores: 2, disk_gb: 8.0 },
            _ => Needs { cores: 2, disk_gb: 2.0 },
        }
    }

    /// Whether the section is part of the run where none is named.
    fn has(&self, section: Section) -> bool {
        match section {
            Section::Keys | Section::Flood | Section::Sinks => false,
            Section::Backlog | Section::Retention => !self.strict,
            _ => true,
        }
    }

    fn full(words: &str) -> Self {
        Self {
            words: words.to_owned(),
            sections: Vec::new(),
            strict: false,
            repetitions: 5,
            few: 3,
            warm_up: Duration::from_millis(300),
            window: Duration::from_secs(2),
            open: Duration::from_secs(5),
            sustained: Duration::from_secs(8),
            rungs: &[0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.4, 0.5],
            requests: 260_000,
            start: (1_000_000, 100_000),
            backlog: 100_000,
            expired: 400_000,
            keys: 10_000_000,
            month: 2_000_000,
            flood: Duration::from_secs(40),
            flood_events: 1_000_000,
            sinks: Duration::from_secs(25),
        }
    }

    fn shorten(&mut self) {
        self.few = 1;
        self.warm_up = Duration::from_millis(200);
        self.window = Duration::from_millis(800);
        self.open = Duration::from_secs(2);
        self.sustained = Duration::from_secs(3);
        self.requests = 120_000;
        self.start = (0, 0);
        self.backlog = 20_000;
        self.expired = 200_000;
        self.keys = 500_000;
        self.month = 100_000;
        self.flood = Duration::from_secs(12);
        self.flood_events = 100_000;
        self.sinks = Duration::from_secs(4);
    }
}
