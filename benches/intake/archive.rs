//! The file that gatepost writes events to, read as it grows.

use std::fs::File;
use std::io::{self, Read};
use std::path::PathBuf;

/// Counts the lines of a file from look to look; the file may not exist yet.
pub struct Archive {
    path: PathBuf,
    file: Option<File>,
    buffer: Vec<u8>,
    lines: usize,
}

impl Archive {
    /// Nothing is read yet.
    pub fn at(path: PathBuf) -> Self {
        Self { path, file: None, buffer: vec![0; 1 << 20], lines: 0 }
    }

    /// How many whole lines it had at the last look.
    pub fn seen(&self) -> usize {
        self.lines
    }

    /// How many whole lines it has now.
    pub fn lines(&mut self) -> io::Result<usize> {
        if self.file.is_none() {
            self.file = match File::open(&self.path) {
                Ok(file) => Some(file),
                Err(error) if error.kind() == io::ErrorKind::NotFound => None,
                Err(error) => return Err(error),
            };
        }
        if let Some(file) = &mut self.file {
            loop {
                let read = file.read(&mut self.buffer)?;
                if read == 0 {
                    break;
                }
                self.lines += self.buffer[..read].iter().filter(|byte| **byte == b'\n').count();
            }
        }
        Ok(self.lines)
    }
}
