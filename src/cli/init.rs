//! `gatepost init`

use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use super::failure::{Failure, Outcome, io};
use super::help;
use super::new_secret::new_secret;
use super::output::out;
use crate::destinations::{self, Kind};
use crate::vendors::{self, Vendor};

#[derive(clap::Args)]
#[command(after_help = help::kinds())]
pub struct Init {
    /// A vendor that sends; may be given several times [default: secureagentics and akto]
    #[arg(long = "vendor", value_name = "V")]
    vendors: Vec<String>,
    /// A destination to tell; may be given several times [default: file]
    #[arg(long = "destination", value_name = "T")]
    destinations: Vec<String>,
    /// Overwrite what is there
    #[arg(long)]
    force: bool,
}

impl Init {
    pub fn run(&self, path: &Path) -> Outcome {
        let vendors = self.vendors()?;
        let kinds = self.kinds()?;
        let secrets = path.parent().unwrap_or(Path::new("")).join("secrets");
        if path.exists() && !self.force {
            return Err(Failure::Found(format!("{} exists already; --force overwrites it", path.display())));
        }
        let text = configuration(&vendors, &kinds);
        std::fs::create_dir_all(&secrets).map_err(io(format!("{} cannot be made", secrets.display())))?;
        let mut instructions = Vec::new();
        for vendor in &vendors {
            let file = secrets.join(vendor.name);
            let secret = keep_or_make_secret(&file)?;
            instructions.push(setup(vendor, &secret));
        }
        let variables = variables(&text);
        std::fs::write(path, text).map_err(io(format!("{} cannot be written", path.display())))?;
        out!("{} is written; its secrets are in {}/, readable by you only\n", path.display(), secrets.display())?;
        for instruction in instructions {
            out!("{instruction}\n")?;
        }
        if !variables.is_empty() {
            out!("export what these settings ask for, in the shell or the unit that runs gatepost:")?;
            for (name, setting) in &variables {
                out!("  export {name}=…   # {setting}")?;
            }
            out!("")?;
        }
        let examples = examples(&kinds);
        if !examples.is_empty() {
            out!("edit what stands in {} as an example:", path.display())?;
            examples.iter().try_for_each(|line| out!("  {line}"))?;
            out!("")?;
        }
        let option = configuration_option(path);
        let first = vendors[0].name;
        out!("next: gatepost check{option}, then gatepost serve{option}, then gatepost send{option} {first}")
    }

    fn vendors(&self) -> Result<Vec<&'static Vendor>, Failure> {
        let default = || vec!["secureagentics".to_owned(), "akto".to_owned()];
        let wanted = if self.vendors.is_empty() { default() } else { distinct(&self.vendors) };
        let find = |name: &String| {
            vendors::find(name).ok_or_else(|| {
                let known: Vec<&str> = vendors::VENDORS.iter().map(|vendor| vendor.name).collect();
                Failure::Usage(format!("'{name}' is not a vendor; vendors: {}", known.join(", ")))
            })
        };
        wanted.iter().map(find).collect()
    }

    fn kinds(&self) -> Result<Vec<&'static Kind>, Failure> {
        let wanted = if self.destinations.is_empty() { vec!["file".to_owned()] } else { distinct(&self.destinations) };
        let find = |name: &String| {
            destinations::find(name).ok_or_else(|| {
                let known: Vec<&str> = destinations::KINDS.iter().map(|kind| kind.name).collect();
                Failure::Usage(format!("'{name}' is not a destination; destinations: {}", known.join(", ")))
            })
        };
        wanted.iter().map(find).collect()
    }
}

/// How a shell is told which configuration to use, where it is not the default one.
fn configuration_option(path: &Path) -> String {
    let text = path.to_string_lossy();
    let is_plain = text.chars().all(|c| c.is_ascii_alphanumeric() || "/._-".contains(c));
    match text.as_ref() {
        "gatepost.toml" => String::new(),
        text if is_plain => format!(" -c {text}"),
        text => format!(" -c '{}'", text.replace('\'', r"'\''")),
    }
}

fn distinct(names: &[String]) -> Vec<String> {
    let mut seen = Vec::new();
    for name in names {
        if !seen.contains(name) {
            seen.push(name.clone());
        }
    }
    seen
}

/// The file. Destinations that were not asked for stand in it as comments.
fn configuration(vendors: &[&Vendor], kinds: &[&Kind]) -> String {
    let mut text = String::from(HEAD);
    for vendor in vendors {
        let name = vendor.name;
        text.push_str(&format!("[sources.{name}]                # POST /webhooks/{name}\nvendor = \"{name}\"\n"));
        text.push_str(&format!("secrets = [{{ file = \"secrets/{name}\" }}]   # several while a secret is rotated\n"));
        text.push_str(vendor.template.trim_end());
        text.push_str("\n\n");
    }
    for kind in destinations::KINDS {
        let active = kinds.iter().any(|wanted| wanted.name == kind.name);
        let block = format!("[destinations.{}]\ntype = \"{}\"\n{}", kind.name, kind.name, kind.template.trim_end());
        for line in block.lines() {
            let comment = if active || line.is_empty() { "" } else { "# " };
            text.push_str(&format!("{comment}{line}\n"));
        }
        text.push('\n');
    }
    // People are told of what is urgent; what keeps events gets everything.
    let named = |is_notifier: bool| -> Vec<String> {
        let wanted = kinds.iter().filter(|kind| kind.is_notifier() == is_notifier);
        wanted.map(|kind| format!("\"{}\"", kind.name)).collect()
    };
    let (urgent, rest) = (named(true), named(false));
    if !urgent.is_empty() {
        let urgent = urgent.join(", ");
        text.push_str(&format!("[[routes]]\nname = \"urgent\"\nwhen = 'event.severity >= high'\nto = [{urgent}]\n\n"));
    }
    let rest = if rest.is_empty() { urgent } else { rest };
    text.push_str(&format!("[[routes]]\nname = \"everything\"\nto = [{}]\n", rest.join(", ")));
    text
}

/// The settings of the destinations whose values the operator must replace, each as it stands in the file.
fn examples(kinds: &[&Kind]) -> Vec<String> {
    let line = |kind: &Kind, key: &str| {
        let line = kind.template.lines().find(|line| line.starts_with(&format!("{key} = ")))?;
        Some(format!("destinations.{}.{}", kind.name, line.split("  #").next().unwrap_or(line).trim_end()))
    };
    kinds.iter().flat_map(|kind| kind.examples.iter().filter_map(|key| line(kind, key))).collect()
}

/// The environment variables that the configuration asks for, each with the setting that does. Comments do not count.
fn variables(text: &str) -> Vec<(String, String)> {
    let mut section = "";
    let mut found = Vec::new();
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        if let Some(name) = line.strip_prefix('[').and_then(|rest| rest.split(']').next()) {
            section = name;
        }
        let variable = line.split("env = \"").nth(1).and_then(|rest| rest.split('"').next());
        if let Some((key, variable)) = line.split(" = ").next().zip(variable) {
            found.push((variable.to_owned(), format!("{section}.{key}")));
        }
    }
    found
}

/// The secret in the file, or a new one of 32 random bytes written to it.
fn keep_or_make_secret(file: &Path) -> Result<String, Failure> {
    if let Ok(kept) = std::fs::read_to_string(file)
        && !kept.trim().is_empty()
    {
        return Ok(kept.trim().to_owned());
    }
    let secret = new_secret()?;
    write_private(file, &secret).map_err(io(format!("{} cannot be written", file.display())))?;
    Ok(secret)
}

fn write_private(file: &Path, secret: &str) -> std::io::Result<()> {
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create(true).truncate(true).mode(0o600);
    options.open(file)?.write_all(secret.as_bytes())
}

fn setup(vendor: &Vendor, secret: &str) -> String {
    let url = format!("https://YOUR-HOST/webhooks/{}", vendor.name);
    let text = vendor.setup.replace("{url}", &url).replace("{secret}", secret);
    format!("{}\n{}", vendor.title, text.trim())
}

const HEAD: &str =
    "# gatepost: see `gatepost check` for what is wrong with this file, docs/configuration.md for all of it.
# Secrets are not written here but in files ({ file = \"…\" }) or in the environment ({ env = \"…\" }).

[server]
listen = \"127.0.0.1:8080\"       # what vendors reach, best behind a proxy that speaks TLS

[admin]
listen = \"127.0.0.1:8081\"       # /healthz, /readyz, /metrics: for you only

[store]
url = \"sqlite:gatepost.db\"

# When incidents are told and when they end; these are the defaults, docs/incidents.md explains them.
# [incidents]
# wait = \"10s\"
# repeat_after = \"never\"
# quiet_after = \"24h\"
# storm = { per_rule = 5, per_rank = 15, within = \"15m\" }     # or \"never\"

# Who is told how gatepost itself is doing, by the names of two destinations: none is told of itself. A source says
# `expect = \"24h\"` where its silence is a fault. docs/operation.md explains it.
# [operator]
# to = [\"slack\", \"pagerduty\"]
# failing_after = \"5m\"
# untold_after = \"15m\"
# heartbeat = { file = \"secrets/heartbeat-url\" }       # a dead man's switch; heartbeat_every = \"1m\"

";
