//! The rates and the latencies of a run as a picture (SVG).

use std::fmt::{self, Write as _};
use std::io;
use std::path::{Path, PathBuf};

use super::report::{Measured, Report, median};

/// Draws the windows at these numbers of connections into a file beside the build, and says where it is.
pub fn write(report: &Report, connections: &[usize]) -> io::Result<PathBuf> {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).with_file_name("intake.svg");
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
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {top}\" font-family=\"sans-serif\" \
             font-size=\"13\">\n<rect width=\"{WIDTH}\" height=\"{top}\" fill=\"#fff\"/>\n{panels}</svg>"
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
            let (length, color) = (BARS * rate / most, color(row.name));
            writeln!(f, "<text x=\"{}\" y=\"{}\" text-anchor=\"end\">{}</text>", NAMES - 8.0, y + 13.0, row.name)?;
            writeln!(
                f,
                "<rect x=\"{NAMES}\" y=\"{y}\" width=\"{length:.1}\" height=\"{}\" fill=\"{color}\"/>",
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
            writeln!(f, "<line x1=\"{x}\" y1=\"{from}\" x2=\"{x}\" y2=\"{bottom}\" stroke=\"#ddd\"/>")?;
            writeln!(f, "<text x=\"{x}\" y=\"{}\" text-anchor=\"middle\" fill=\"#666\">{label}</text>", bottom + 14.0)?;
        }
        for (place, row) in self.rows.iter().enumerate() {
            let (y, color) = (line(self.top, place) + 8.0, color(row.name));
            let [p50, p99, p999] =
                [row.middle(|one| one.p50_ms), row.middle(|one| one.p99_ms), row.middle(|one| one.p999_ms)].map(at);
            writeln!(
                f,
                "<line x1=\"{p50:.1}\" y1=\"{y}\" x2=\"{p999:.1}\" y2=\"{y}\" stroke=\"{color}\" stroke-width=\"3\"/>"
            )?;
            for x in [p50, p99, p999] {
                writeln!(f, "<circle cx=\"{x:.1}\" cy=\"{y}\" r=\"4\" fill=\"{color}\"/>")?;
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

fn color(name: &str) -> &'static str {
    if name.starts_with("gatepost") { "#2563eb" } else { "#9ca3af" }
}

const WIDTH: f64 = 1_060.0;
const MARGIN: f64 = 20.0;
const HEADING: f64 = 28.0;
const ROW: f64 = 24.0;
/// Where names end and bars begin.
const NAMES: f64 = 160.0;
const BARS: f64 = 300.0;
const SCALE_FROM: f64 = 560.0;
const SCALE: f64 = 460.0;
/// From 0.1 ms to 1 s.
const DECADES: f64 = 4.0;
