//! The rates and the latencies of a run as a picture (SVG).

use std::fmt::{self, Write as _};
use std::io;
use std::path::{Path, PathBuf};

use super::report::{Measured, Report, median};

/// Draws the windows at these numbers of connections into a file, and says where it is: where `GATEPOST_BENCH_PICTURE`
/// says, from where the command was given, or beside the build.
pub fn write(report: &Report, connections: &[usize]) -> io::Result<PathBuf> {
    let beside = || Path::new(env!("CARGO_TARGET_TMPDIR")).with_file_name("intake.svg");
    let path = std::env::var_os("GATEPOST_BENCH_PICTURE").map_or_else(beside, PathBuf::from);
    std::fs::write(&path, Picture { report, connections }.to_string())?;
    Ok(path)
}

struct Picture<'r> {
    report: &'r Report,
    connections: &'r [usize],
}

/// One contender at one number of connections.
struct Row<'r> {
    name: &'r str,
    windows: &'r [Measured],
}

impl fmt::Display for Picture<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut panels = String::new();
        let mut top = MARGIN;
        for &connections in self.connections {
            let rows = self.rows(connections);
            write!(panels, "{}", Rates { top, connections, rows: &rows })?;
            write!(panels, "{}", Latencies { top, connections, rows: &rows })?;
            top += HEADING + ROW * rows.len() as f64 + MARGIN * 2.0;
        }
        writeln!(
            f,
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {top}\" width=\"{WIDTH}\" height=\"{top}\" \
             font-family=\"sans-serif\" font-size=\"13\">\n<title>Requests a second, and the time to the answer</title>\n\
             <style>{STYLE}</style>\n<rect width=\"{WIDTH}\" height=\"{top}\" class=\"ground\"/>\n{panels}</svg>"
        )
    }
}

impl<'r> Picture<'r> {
    fn rows(&self, connections: usize) -> Vec<Row<'r>> {
        let all = self.report.contenders().map(|name| Row { name, windows: self.report.windows(connections, name) });
        all.filter(|row| !row.windows.is_empty()).collect()
    }
}

impl Row<'_> {
    fn middle(&self, of: fn(&Measured) -> f64) -> f64 {
        median(self.windows.iter().map(of))
    }
}

/// Bars of requests a second, on the left.
struct Rates<'r> {
    top: f64,
    connections: usize,
    rows: &'r [Row<'r>],
}

impl fmt::Display for Rates<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        heading(f, NAMES, self.top, &format!("Requests a second, {} connections", self.connections))?;
        let most = self.rows.iter().map(|row| row.middle(|one| one.per_second)).fold(1.0, f64::max);
        for (place, row) in self.rows.iter().enumerate() {
            let (rate, y) = (row.middle(|one| one.per_second), line(self.top, place));
            let (length, class) = (BARS * rate / most, class(row.name));
            writeln!(f, "<text x=\"{}\" y=\"{}\" text-anchor=\"end\">{}</text>", NAMES - 8.0, y + 13.0, row.name)?;
            writeln!(
                f,
                "<rect x=\"{NAMES}\" y=\"{y}\" width=\"{length:.1}\" height=\"{}\" class=\"{class}\"/>",
                ROW - 8.0
            )?;
            writeln!(f, "<text x=\"{:.1}\" y=\"{}\">{rate:.0}</text>", NAMES + length + 6.0, y + 13.0)?;
        }
        Ok(())
    }
}

/// A line from the p50 to the p999 of each contender on a logarithmic scale, with a dot at the p99, on the right.
struct Latencies<'r> {
    top: f64,
    connections: usize,
    rows: &'r [Row<'r>],
}

impl fmt::Display for Latencies<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let title = format!("Milliseconds to the answer, {} connections: p50 | p99 | p999", self.connections);
        heading(f, SCALE_FROM, self.top, &title)?;
        let bottom = line(self.top, self.rows.len());
        for (decade, label) in ["0.1", "1", "10", "100", "1000"].iter().enumerate() {
            let x = SCALE_FROM + SCALE * decade as f64 / DECADES;
            let from = self.top + HEADING - 6.0;
            writeln!(f, "<line x1=\"{x}\" y1=\"{from}\" x2=\"{x}\" y2=\"{bottom}\" class=\"grid\"/>")?;
            writeln!(f, "<text x=\"{x}\" y=\"{}\" text-anchor=\"middle\" class=\"dim\">{label}</text>", bottom + 14.0)?;
        }
        for (place, row) in self.rows.iter().enumerate() {
            let (y, class) = (line(self.top, place) + 8.0, class(row.name));
            let times = [row.middle(|one| one.p50_ms), row.middle(|one| one.p99_ms), row.middle(|one| one.p999_ms)];
            let [p50, p99, p999] = times.map(at);
            writeln!(f, "<line x1=\"{p50:.1}\" y1=\"{y}\" x2=\"{p999:.1}\" y2=\"{y}\" class=\"{class}\"/>")?;
            for x in [p50, p99, p999] {
                writeln!(f, "<circle cx=\"{x:.1}\" cy=\"{y}\" r=\"4\" class=\"{class}\"/>")?;
            }
            for (column, time) in times.iter().enumerate() {
                let x = FIGURES_TO + FIGURE * column as f64;
                writeln!(f, "<text x=\"{x}\" y=\"{}\" text-anchor=\"end\">{time:.1}</text>", y + 5.0)?;
            }
        }
        Ok(())
    }
}

fn heading(f: &mut fmt::Formatter<'_>, x: f64, top: f64, title: &str) -> fmt::Result {
    writeln!(f, "<text x=\"{x}\" y=\"{}\" font-weight=\"bold\">{title}</text>", top + 12.0)
}

/// The top of a row.
fn line(top: f64, place: usize) -> f64 {
    top + HEADING + ROW * place as f64
}

/// Where a time stands on the scale.
fn at(ms: f64) -> f64 {
    SCALE_FROM + SCALE * ((ms.max(0.1).log10() + 1.0) / DECADES).min(1.0)
}

fn class(name: &str) -> &'static str {
    if name.starts_with("gatepost") { "ours" } else { "theirs" }
}

/// Readable where the page is light and where it is dark: the ground is drawn as well.
const STYLE: &str = "text{fill:#1f2328}.dim{fill:#59636e}.ground{fill:#fff}.ours{fill:#2563eb;stroke:#2563eb}\
    .theirs{fill:#8b949e;stroke:#8b949e}.grid{stroke:#d1d9e0}line{stroke-width:3}.grid{stroke-width:1}\
    @media(prefers-color-scheme:dark){text{fill:#f0f6fc}.dim{fill:#9198a1}.ground{fill:#0d1117}\
    .ours{fill:#58a6ff;stroke:#58a6ff}.grid{stroke:#3d444d}}";
const WIDTH: f64 = 1_180.0;
const MARGIN: f64 = 20.0;
const HEADING: f64 = 28.0;
const ROW: f64 = 24.0;
/// Where names end and bars begin: room for 27 letters.
const NAMES: f64 = 200.0;
const BARS: f64 = 270.0;
const SCALE_FROM: f64 = 560.0;
const SCALE: f64 = 440.0;
/// From 0.1 ms to 1 s.
const DECADES: f64 = 4.0;
/// Where the first column of figures ends, to the right of the scale, and how wide each is.
const FIGURES_TO: f64 = 1_056.0;
const FIGURE: f64 = 52.0;
