//! Ports for the processes under test.

use std::net::{Ipv4Addr, TcpListener};
use std::ops::Range;
use std::sync::{Mutex, PoisonError};

/// A port of 127.0.0.1 that is free, and that no other test on this machine is given while this process runs.
///
/// A port of the system's own choice will not do: a gateway that was killed must find its port again, and meanwhile the
/// system could give it to a connection. Nor will one that was free when it was looked at: while its gateway is down
/// another test would find it free as well. So test processes divide the ports below the system's range into blocks.
/// The process that listens on the first port of a block owns the others of it.
pub fn free_port() -> u16 {
    let mut own = OWN.lock().unwrap_or_else(PoisonError::into_inner);
    loop {
        match own.left.next() {
            Some(port) if listen(port).is_some() => return port,
            Some(_) => {}
            None => own.take_block(),
        }
    }
}

/// The blocks of this process.
struct Own {
    left: Range<u16>,
    next_block: u16,
    /// On the first port of each block.
    locks: Vec<TcpListener>,
}

impl Own {
    fn take_block(&mut self) {
        loop {
            let first = PORT_FIRST + self.next_block * BLOCK_PORTS;
            assert!(first < PORT_END, "other tests have taken every port from {PORT_FIRST} to {PORT_END}");
            self.next_block += 1;
            if let Some(lock) = listen(first) {
                self.locks.push(lock);
                self.left = first + 1..first + BLOCK_PORTS;
                return;
            }
        }
    }
}

fn listen(port: u16) -> Option<TcpListener> {
    TcpListener::bind((Ipv4Addr::LOCALHOST, port)).ok()
}

static OWN: Mutex<Own> = Mutex::new(Own { left: 0..0, next_block: 0, locks: Vec::new() });

const PORT_FIRST: u16 = 10_000;
/// Linux connects from 32,768 upwards.
const PORT_END: u16 = 32_000;
/// So many blocks that every test process finds one, so large that a scenario needs few.
const BLOCK_PORTS: u16 = 50;
