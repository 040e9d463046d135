//! Why the store cannot be opened, with what the operator can do about it.

use std::path::{Path, PathBuf};

use super::remedy::remedy;

/// Why the store cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Another process serves it.
    #[error("another gatepost already serves {path}; stop it, or give this one its own store.url")]
    Served {
        /// The file.
        path: PathBuf,
    },
    /// The operator's commands do not create stores.
    #[error("there is no store at {path} yet; `gatepost serve` creates it")]
    Absent {
        /// The file.
        path: PathBuf,
    },
    /// A newer gatepost has written it.
    #[error("{path} was written by a newer gatepost (schema {found}, this one knows {known}); use that version")]
    Newer {
        /// The file.
        path: PathBuf,
        /// The schema in the file.
        found: i64,
        /// The newest schema that this binary knows.
        known: i64,
    },
    /// An older gatepost has written it, and only a process that serves brings it up to date.
    #[error(
        "{path} was written by an older gatepost (schema {found}, this one needs {known}); `gatepost serve` of this \
         version brings it up to date when it starts, until then use the version that wrote it"
    )]
    Older {
        /// The file.
        path: PathBuf,
        /// The schema in the file.
        found: i64,
        /// The schema that this binary needs.
        known: i64,
    },
    /// Another program has written it.
    #[error("{path} is a database, but not one of gatepost's; give store.url another name")]
    Foreign {
        /// The file.
        path: PathBuf,
    },
    /// A setting that durability depends on did not take effect.
    #[error("{path}: SQLite answers {setting} = {found} instead of {wanted}; is it on a network file system?")]
    NotDurable {
        /// The file.
        path: PathBuf,
        /// The setting.
        setting: &'static str,
        /// What it is.
        found: String,
        /// What it must be.
        wanted: &'static str,
    },
    /// The file or its folder cannot be used.
    #[error("{path} cannot be opened; {}", remedy(.path, .source.as_ref()))]
    Unusable {
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

/// The file or its folder cannot be used, for this reason.
pub fn unusable(path: &Path, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> OpenError {
    OpenError::Unusable { path: path.to_owned(), source: source.into() }
}
