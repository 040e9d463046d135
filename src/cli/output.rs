//! Standard output and standard error.

/// Writes to standard output; a closed pipe ends the command without an error.
macro_rules! out {
    ($($argument:tt)*) => {{
        use std::io::Write;
        writeln!(std::io::stdout().lock(), $($argument)*).map_err($crate::cli::failure::io("standard output cannot be written"))
    }};
}
pub(super) use out;

/// Writes to standard error. Where that cannot be written, on a full disk, the line is lost, and the command goes on.
macro_rules! note {
    ($($argument:tt)*) => {{
        use std::io::Write;
        drop(writeln!(std::io::stderr().lock(), $($argument)*));
    }};
}
pub(super) use note;
