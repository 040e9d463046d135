//! A terminal of 80 columns and 24 lines, for what is shown only there.

use std::fs::File;
use std::io::Read;
use std::os::unix::fs::OpenOptionsExt;
use std::process::Stdio;
use std::sync::{Arc, Mutex};

use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{Winsize, tcsetwinsize};

use crate::harness::until;

/// A terminal, and what has been written to it.
pub struct Terminal {
    shown: Arc<Mutex<Vec<u8>>>,
    side: File,
}

impl Terminal {
    /// A new one.
    pub fn open() -> Self {
        let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
        grantpt(&master).unwrap();
        unlockpt(&master).unwrap();
        let name = ptsname(&master, Vec::new()).unwrap().into_string().unwrap();
        let noctty = i32::try_from(OpenptFlags::NOCTTY.bits()).unwrap();
        let side = File::options().read(true).write(true).custom_flags(noctty).open(name).unwrap();
        tcsetwinsize(&side, Winsize { ws_row: 24, ws_col: 80, ws_xpixel: 0, ws_ypixel: 0 }).unwrap();
        let shown = Arc::new(Mutex::new(Vec::new()));
        let (mut screen, seen) = (File::from(master), Arc::clone(&shown));
        std::thread::spawn(move || {
            let mut piece = [0; 4096];
            // A terminal whose last writer has gone answers with an error.
            while let Ok(count @ 1..) = screen.read(&mut piece) {
                seen.lock().unwrap().extend_from_slice(&piece[..count]);
            }
        });
        Self { shown, side }
    }

    /// A process's standard output on it.
    pub fn output(&self) -> Stdio {
        self.side.try_clone().unwrap().into()
    }

    /// What it has been sent, with the line ends of files.
    pub fn shown(&self) -> String {
        let shown = self.shown.lock().unwrap().clone();
        String::from_utf8(shown).unwrap().replace("\r\n", "\n")
    }

    /// Waits until it has been sent this text.
    pub fn shows(&self, text: &str) -> String {
        until(&format!("'{text}' on the terminal"), || {
            let shown = self.shown();
            shown.contains(text).then_some(shown)
        })
    }
}
