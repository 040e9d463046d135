//! The names and places in the configuration, for commands that only read the store: no secret is resolved and no setting
//! of a source or a destination is checked, so that they work in any shell, and beside a configuration that is being edited.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use super::names::{Built, name_of};
use super::{ConfigError, annotations, incidents, read_listen, read_store, read_text, routes};
use crate::domain::SourceName;
use crate::incidents::GroupBy;
use crate::routing::{Annotations, Router};
use crate::settings::{Document, Environment, Fault, Level, Section};
use crate::vendors::Severities;

/// What stands where, by name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outline {
    /// Where vendors reach the gateway.
    pub listen: SocketAddr,
    /// Where the operator reaches it.
    pub admin_listen: SocketAddr,
    /// The database file.
    pub store: PathBuf,
    /// The vendor of each source.
    pub sources: BTreeMap<String, String>,
    /// The type of each destination.
    pub destinations: BTreeMap<String, String>,
    /// The first place where the file is no valid TOML.
    pub fault: Option<Fault>,
}

impl Outline {
    /// Reads the file at `path`. It must be TOML and say which store there is; whatever else is wrong with it is not looked
    /// at.
    pub fn load(path: &Path) -> Result<Self, ConfigError> {
        let outline = Self::load_what_can_be_read(path)?;
        match outline.fault {
            Some(fault) => Err(ConfigError::Faulty { path: path.to_owned(), faults: vec![fault] }),
            None => Ok(outline),
        }
    }

    /// The same for what only reads the store, also of a file that is no valid TOML: a typing error must not hide what
    /// has happened.
    pub fn load_what_can_be_read(path: &Path) -> Result<Self, ConfigError> {
        let (outline, fault) = read(path, Syntax::MayBeFaulty, |root| {
            let store = read_store(root)?;
            let listen = |section: &'static str, port| {
                let address = read_listen(root.section(section).as_ref(), port);
                address.unwrap_or(SocketAddr::from(([127, 0, 0, 1], port)))
            };
            let names = |group: &'static str, key: &'static str| {
                let sections = root.named_sections(group).into_iter();
                sections.map(|section| (section.name().to_owned(), section.text(key).unwrap_or_default())).collect()
            };
            Some(Self {
                listen: listen("server", 8080),
                admin_listen: listen("admin", 8081),
                store,
                sources: names("sources", "vendor"),
                destinations: names("destinations", "type"),
                fault: None,
            })
        })?;
        Ok(Self { fault, ..outline })
    }

    /// What the words for severities mean at a source; `None` where it is not in the file or its words are at fault.
    pub fn load_severities(path: &Path, source: &SourceName) -> Option<Severities> {
        let named = |section: &Section<'_>| section.name() == source.as_str();
        let severities =
            |root: &Section<'_>| Severities::read(&root.named_sections("sources").into_iter().find(named)?);
        read(path, Syntax::MustBeSound, severities).map(|(severities, _)| severities).ok()
    }

    /// What the events of one incident have in common at a source that says so; `None` where it does not, or where what it
    /// says is at fault.
    pub fn load_group_by(path: &Path, source: &SourceName) -> Option<GroupBy> {
        let named = |section: &Section<'_>| section.name() == source.as_str();
        let group_by =
            |root: &Section<'_>| incidents::read_group_by(&root.named_sections("sources").into_iter().find(named)?);
        read(path, Syntax::MustBeSound, group_by).map(|(group_by, _)| group_by).ok()
    }

    /// What the operator says about events in the file at `path`; nothing where it cannot be read or is at fault there.
    pub fn load_annotations(path: &Path) -> Annotations {
        let annotations = |root: &Section<'_>| Some(annotations::read(root)).filter(|_| !root.any_error());
        read(path, Syntax::MustBeSound, annotations).map(|(annotations, _)| annotations).unwrap_or_default()
    }

    /// The routes of the file at `path`, which must be sound; their destinations need not be.
    pub fn load_routes(path: &Path) -> Result<Router, ConfigError> {
        let (router, _) = read(path, Syntax::MustBeSound, |root| {
            let sections = root.named_sections("destinations");
            let names: Built = sections.iter().filter_map(|section| Some((name_of(section)?, None))).collect();
            let router = routes::read(root, &names, Vec::new());
            (!root.any_error()).then_some(router)
        })?;
        Ok(router)
    }
}

/// Whether something may come of a file that is no valid TOML.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Syntax {
    MustBeSound,
    MayBeFaulty,
}

/// Reads the file, and the first place where it is not valid TOML; all its faults where it cannot be used.
fn read<T>(
    path: &Path,
    syntax: Syntax,
    take: impl FnOnce(&Section<'_>) -> Option<T>,
) -> Result<(T, Option<Fault>), ConfigError> {
    let text = read_text(path)?;
    let environment = Environment::of_process(path.parent().map(Path::to_owned).unwrap_or_default());
    let document = Document::new(&text, &environment);
    let table = document.parse();
    let is_valid = !document.any_error();
    let may_be_taken = is_valid || syntax == Syntax::MayBeFaulty;
    let taken = if may_be_taken { take(&document.root(table.get_ref())) } else { None };
    let faults = document.into_faults();
    let mut faults = faults.into_iter().filter(|fault| fault.level == Level::Error);
    match taken {
        Some(taken) => {
            // Errors in the syntax concern no setting.
            let first = faults.find(|fault| fault.path.is_empty());
            Ok((taken, first.filter(|_| !is_valid)))
        }
        None => Err(ConfigError::Faulty { path: path.to_owned(), faults: faults.collect() }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load(text: &str) -> Result<Outline, ConfigError> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("gatepost.toml");
        std::fs::write(&path, text).unwrap();
        Outline::load(&path).map(|outline| Outline { store: outline.store.file_name().unwrap().into(), ..outline })
    }

    #[test]
    fn names_are_read_whatever_else_is_wrong() {
        let text = "[admin]\nlisten = \"127.0.0.1:9\"\n[store]\nurl = \"sqlite:other.db\"\n\
                    [sources.a]\nvendor = \"okta\"\nsecrets = [{ env = \"UNSET\" }]\n\
                    [destinations.soc]\ntype = \"slack\"\nwebhook = 7\n[destinations.none]\n[[routes]]\nname = \"x\"\n";
        let outline = load(text).unwrap();
        assert_eq!(outline.admin_listen.port(), 9);
        assert_eq!(outline.store, Path::new("other.db"));
        assert_eq!(outline.sources, [("a".to_owned(), "okta".to_owned())].into());
        let types = [("none".to_owned(), String::new()), ("soc".to_owned(), "slack".to_owned())];
        assert_eq!(outline.destinations, types.into());
        assert_eq!(load("").unwrap().store, Path::new("gatepost.db"));
    }

    #[test]
    fn what_is_no_toml_or_names_no_store_is_a_fault() {
        for (text, fault) in [("[sources", "not valid TOML"), ("[store]\nurl = \"mysql:x\"", "is not a store")] {
            let Err(ConfigError::Faulty { faults, .. }) = load(text) else { panic!("{text} was taken") };
            assert!(faults.iter().any(|found| found.to_string().contains(fault)), "{faults:?}");
        }
    }
}
