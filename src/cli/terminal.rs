//! Output for a terminal.

use std::io::IsTerminal;
use std::path::Path;

use super::output::note;
use crate::settings::{Fault, Level};
pub use crate::text::{escape_json as escaped, for_terminal as clean};

/// One line, at most `width` characters.
pub fn line(text: &str, width: usize) -> String {
    let clean = clean(text).replace('\n', " ");
    if clean.chars().count() <= width {
        return clean;
    }
    let mut cut: String = clean.chars().take(width.saturating_sub(1)).collect();
    cut.push('…');
    cut
}

/// Every fault on its own line, with the file's name in front: `gatepost.toml: line 12: …`.
pub fn print_faults(path: &Path, faults: &[Fault]) {
    for fault in faults {
        let level = match fault.level {
            Level::Error => "error",
            Level::Warning => "warning",
        };
        note!("{}: {level}: {}", path.display(), clean(&fault.to_string()));
    }
}

/// Whether standard output is a terminal.
pub fn is_watched() -> bool {
    std::io::stdout().is_terminal()
}

/// The columns of the terminal that standard output is; `None` where it is none.
pub fn width() -> Option<usize> {
    size().map(|size| usize::from(size.ws_col)).filter(|columns| *columns > 0)
}

/// Its lines.
pub fn height() -> Option<usize> {
    size().map(|size| usize::from(size.ws_row)).filter(|lines| *lines > 0)
}

fn size() -> Option<rustix::termios::Winsize> {
    rustix::termios::tcgetwinsize(std::io::stdout()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_cut_to_its_width() {
        assert_eq!(line("one\ntwo three", 9), "one two …");
    }
}
