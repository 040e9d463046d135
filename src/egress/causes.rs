//! What lies within an error: most failures of connections are wrapped several times.

use std::error::Error;
use std::io;

/// The error and what caused it, outermost first.
pub fn chain<'e>(error: &'e (dyn Error + 'static)) -> impl Iterator<Item = &'e (dyn Error + 'static)> {
    std::iter::successors(Some(error), |error| (*error).source())
}

/// The error of TLS, also within errors of input and output: what these wrap is not among their sources.
pub fn of_tls<'e>(error: &'e (dyn Error + 'static)) -> Option<&'e rustls::Error> {
    match error.downcast_ref::<io::Error>() {
        Some(wrapper) => of_tls(wrapper.get_ref()?),
        None => error.downcast_ref(),
    }
}
