//! `gatepost templates`

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use serde_json::json;

use super::failure::{Failure, Outcome, io};
use super::names;
use super::output::out;
use crate::destinations::templates::{DefaultTemplates, defaults};
use crate::destinations::{KINDS, Kind};

#[derive(Args)]
#[command(after_help = "Examples:
  gatepost templates list
  gatepost templates show slack title
  gatepost templates copy slack templates/soc

docs/templates.md says what a template can name.")]
pub struct Templates {
    #[command(subcommand)]
    action: Action,
}

#[derive(Subcommand)]
enum Action {
    /// List which templates each type of notifier takes
    List {
        /// One JSON object a line
        #[arg(long)]
        json: bool,
    },
    /// Print one default template: the built-in words
    Show {
        /// The type of the destination, such as slack
        #[arg(value_name = "TYPE")]
        kind: String,
        /// title, subject, text or fields
        template: String,
        /// One JSON object
        #[arg(long)]
        json: bool,
    },
    /// Write the default templates into a folder, to be changed, and print the settings that use them
    Copy {
        /// The type of the destination, such as slack
        #[arg(value_name = "TYPE")]
        kind: String,
        /// The folder, which is made where it does not exist; no file in it is written over
        folder: PathBuf,
    },
}

impl Templates {
    pub fn run(&self) -> Outcome {
        match &self.action {
            Action::List { json } => list(*json),
            Action::Show { kind, template, json } => show(&found(kind)?.1, kind, template, *json),
            Action::Copy { kind, folder } => copy(&found(kind)?.1, kind, folder),
        }
    }
}

fn list(json: bool) -> Outcome {
    let all = KINDS.iter().filter_map(|kind| Some((kind, defaults(kind)?)));
    all.into_iter().try_for_each(|(kind, templates)| match json {
        true => out!("{}", json!({ "type": kind.name, "templates": given(&templates) })),
        false => out!("{:<11} {}", kind.name, given(&templates).join(", ")),
    })
}

fn show(templates: &DefaultTemplates, kind: &str, name: &str, json: bool) -> Outcome {
    let text = templates.texts.iter().find(|(known, _)| *known == name).map(|(_, text)| *text);
    match text.or(templates.fields.filter(|_| name == "fields")) {
        Some(text) if json => out!("{}", json!({ "type": kind, "template": name, "text": text.trim_end() })),
        Some(text) => out!("{}", text.trim_end()),
        None => {
            let given = given(templates).join(", ");
            Err(Failure::Found(format!("there is no default template '{name}' for {kind}; there are: {given}")))
        }
    }
}

fn copy(templates: &DefaultTemplates, kind: &str, folder: &Path) -> Outcome {
    std::fs::create_dir_all(folder).map_err(io(format!("{} cannot be made", folder.display())))?;
    let paths: Vec<PathBuf> = templates.texts.iter().map(|(name, _)| folder.join(format!("{name}.txt"))).collect();
    if let Some(taken) = paths.iter().find(|path| path.exists()) {
        return Err(Failure::Found(format!("{} is there already; choose another folder", taken.display())));
    }
    for ((_, text), path) in templates.texts.iter().zip(&paths) {
        std::fs::write(path, text).map_err(io(format!("{} cannot be written", path.display())))?;
    }
    out!("# for a destination of type {kind}; paths are relative to the folder of gatepost.toml")?;
    out!("[destinations.NAME.templates]")?;
    for ((name, _), path) in templates.texts.iter().zip(&paths) {
        // A name in quotes, as TOML and JSON write it alike.
        out!("{name} = {{ file = {} }}", serde_json::Value::from(path.display().to_string()))?;
    }
    match templates.fields {
        Some(fields) => out!("[destinations.NAME.templates.fields]\n{}", fields.trim_end()),
        None => Ok(()),
    }
}

/// The names of the templates that a kind takes.
fn given(templates: &DefaultTemplates) -> Vec<&'static str> {
    templates.texts.iter().map(|(name, _)| *name).chain(["fields"]).collect()
}

fn found(name: &str) -> Result<(&'static Kind, DefaultTemplates), Failure> {
    let all = KINDS.iter().filter_map(|kind| Some((*kind, defaults(kind)?)));
    let known: Vec<(&'static Kind, DefaultTemplates)> = all.collect();
    match known.iter().find(|(kind, _)| kind.name == name) {
        Some(found) => Ok(*found),
        None => Err(names::unknown("type of notifier", name, known.iter().map(|(kind, _)| kind.name))),
    }
}
