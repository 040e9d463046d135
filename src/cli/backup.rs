//! `gatepost backup`

use std::path::{Path, PathBuf};

use super::failure::{Failure, Outcome};
use super::opening::{open_store, outline_to_read};
use super::output::out;
use crate::store::Upkeep;

#[derive(clap::Args)]
pub struct Backup {
    /// Where the copy goes; must not exist yet
    file: PathBuf,
}

impl Backup {
    pub fn run(&self, path: &Path) -> Outcome {
        if self.file.exists() {
            return Err(Failure::Found(format!("{} exists already; choose another name", self.file.display())));
        }
        let store = open_store(&outline_to_read(path)?)?;
        if let Err(fault) = store.backup(&self.file) {
            // Half a copy is worse than none: it might be restored. If it cannot be removed there is none.
            drop(std::fs::remove_file(&self.file));
            return Err(fault.into());
        }
        out!("{} is a complete and sound copy", self.file.display())
    }
}
