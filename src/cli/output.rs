//! Standard output.

/// Writes to standard output; a closed pipe ends the command without an error.
macro_rules! out {
    ($($argument:tt)*) => {{
        use std::io::Write;
        writeln!(std::io::stdout().lock(), $($argument)*).map_err($crate::cli::failure::io("standard output cannot be written"))
    }};
}
pub(super) use out;
