//! `gatepost completions`

use clap::CommandFactory;
use clap_complete::Shell;

use super::Arguments;
use super::failure::{Outcome, io};

#[derive(clap::Args)]
pub struct Completions {
    /// The shell
    shell: Shell,
}

impl Completions {
    pub fn run(&self) -> Outcome {
        let mut script = Vec::new();
        clap_complete::generate(self.shell, &mut Arguments::command(), "gatepost", &mut script);
        std::io::Write::write_all(&mut std::io::stdout().lock(), &script)
            .map_err(io("standard output cannot be written"))
    }
}
