//! Rows under a header, for people.

use super::failure::Outcome;
use super::output::out;
use super::paint::{Paint, Tone};
use super::terminal;

/// One value of a row.
#[derive(Clone, Debug)]
pub struct Cell {
    text: String,
    tone: Tone,
}

impl Cell {
    /// A value with a tone. It came from outside: it is cleaned, and made one line.
    pub fn new(tone: Tone, text: impl AsRef<str>) -> Self {
        Self { text: terminal::line(text.as_ref(), CELL_CHARS_MAX), tone }
    }
}

impl<T: AsRef<str>> From<T> for Cell {
    fn from(text: T) -> Self {
        Self::new(Tone::Plain, text)
    }
}

/// A table. All columns but the last are as wide as their widest value; on a terminal the last one is cut to what is left
/// of the line. Where that is too little, an id and the last column go to a line of their own below.
pub struct Table {
    /// A heading that begins with a blank is of a column of numbers, which stand to the right.
    headings: &'static [&'static str],
    rows: Vec<Vec<Cell>>,
    has_id: bool,
}

impl Table {
    /// An empty one.
    pub fn new(headings: &'static [&'static str]) -> Self {
        Self { headings, rows: Vec::new(), has_id: false }
    }

    /// An empty one whose second column is an id.
    pub fn with_id(headings: &'static [&'static str]) -> Self {
        Self { has_id: true, ..Self::new(headings) }
    }

    /// Adds a row with a cell for each heading.
    pub fn row(&mut self, cells: Vec<Cell>) {
        self.rows.push(cells);
    }

    /// Prints the header and the rows.
    pub fn print(&self) -> Outcome {
        let widths = self.widths();
        let before: usize = widths.iter().take(widths.len().saturating_sub(1)).map(|width| width + GAP).sum();
        let screen = terminal::width();
        let is_narrow = screen.is_some_and(|screen| screen < before + LAST_CHARS_MIN) && self.has_id;
        let paint = Paint::of_stdout();
        let headings = self.headings.iter().map(|heading| Cell::new(Tone::Heading, heading.trim_start())).collect();
        for row in std::iter::once(&headings).chain(&self.rows) {
            let cell = |column: usize, last_width: Option<usize>| {
                row.get(column).map(|cell| self.cell(column, cell, &widths, last_width, paint)).unwrap_or_default()
            };
            let last = self.headings.len() - 1;
            if is_narrow {
                let upper: Vec<String> =
                    (0..last).filter(|column| *column != ID).map(|column| cell(column, None)).collect();
                out!("{}", upper.join(GAP_TEXT).trim_end())?;
                let left =
                    screen.map(|screen| screen.saturating_sub(widths.get(ID).map_or(0, |width| width + 2 * GAP)));
                out!("{GAP_TEXT}{}{GAP_TEXT}{}", cell(ID, None), cell(last, left))?;
            } else {
                let left = screen.map(|screen| screen.saturating_sub(before));
                let cells: Vec<String> = (0..=last).map(|column| cell(column, left)).collect();
                out!("{}", cells.join(GAP_TEXT).trim_end())?;
            }
        }
        Ok(())
    }

    fn cell(&self, column: usize, cell: &Cell, widths: &[usize], last: Option<usize>, paint: Paint) -> String {
        let width = widths.get(column).copied().unwrap_or_default();
        let is_number = self.headings.get(column).is_some_and(|heading| heading.starts_with(' '));
        let blanks = " ".repeat(width.saturating_sub(cell.text.chars().count()));
        match is_number {
            true => format!("{blanks}{}", paint.paint(cell.tone, &cell.text)),
            false if column + 1 == self.headings.len() => {
                paint.paint(cell.tone, &terminal::line(&cell.text, last.unwrap_or(CELL_CHARS_MAX)))
            }
            false => format!("{}{blanks}", paint.paint(cell.tone, &cell.text)),
        }
    }

    fn widths(&self) -> Vec<usize> {
        let widest = |column: usize| {
            let cells = self.rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.text.chars().count());
            let heading = self.headings.get(column).map_or(0, |heading| heading.trim_start().chars().count());
            cells.max().unwrap_or(0).max(heading)
        };
        (0..self.headings.len()).map(widest).collect()
    }
}

const GAP: usize = 2;
const GAP_TEXT: &str = "  ";
/// The column that goes to a line of its own on a narrow terminal.
const ID: usize = 1;
/// No value is longer, wherever it is printed.
const CELL_CHARS_MAX: usize = 160;
/// A shorter piece of a title is not useful.
const LAST_CHARS_MIN: usize = 30;
