//! The configuration and the store, as each command needs them.

use std::path::Path;

use super::failure::{Failure, Outcome};
use super::output::note;
use super::terminal;
use crate::config::{Config, Outline};
use crate::settings::Level;
use crate::store::{Access, SqliteStore};

/// The configuration, its warnings printed.
pub(super) fn load(path: &Path) -> Result<Config, Failure> {
    let config = load_quietly(path)?;
    for warning in config.warnings.iter().filter(|fault| fault.level == Level::Warning) {
        note!("{}: warning: {}", path.display(), terminal::clean(&warning.to_string()));
    }
    Ok(config)
}

/// The configuration, its warnings left to the caller.
pub(super) fn load_quietly(path: &Path) -> Result<Config, Failure> {
    require(path)?;
    Ok(Config::load(path)?)
}

/// The names and places in the configuration, for a command that needs no more of it, and no secret.
pub(super) fn outline(path: &Path) -> Result<Outline, Failure> {
    require(path)?;
    Ok(Outline::load(path)?)
}

fn require(path: &Path) -> Outcome {
    if !path.exists() {
        return Err(Failure::Found(format!(
            "there is no configuration at {}; `gatepost init` writes one, `gatepost demo` shows what it is for",
            path.display()
        )));
    }
    Ok(())
}

/// The same for a command that only reads the store, which a fault in the file must not stop.
pub(super) fn outline_to_read(path: &Path) -> Result<Outline, Failure> {
    require(path)?;
    let outline = Outline::load_what_can_be_read(path)?;
    if let Some(fault) = &outline.fault {
        note!(
            "{}: warning: {}; the store is taken to be {}, and a `gatepost serve` that runs keeps the settings that it has \
             read before",
            path.display(),
            terminal::clean(&fault.to_string()),
            outline.store.display()
        );
    }
    Ok(outline)
}

/// The store, to be read beside a process that may be serving.
pub(super) fn read_store(path: &Path) -> Result<(Outline, SqliteStore), Failure> {
    let outline = outline_to_read(path)?;
    let store = SqliteStore::open_to_read(&outline.store)?;
    Ok((outline, store))
}

/// The store, for an order of the operator beside a process that may be serving.
pub(super) fn open_store(outline: &Outline) -> Result<SqliteStore, Failure> {
    Ok(SqliteStore::open(&outline.store, Access::Operate)?)
}
