//! Alertmanager under the same flood, where it is installed. It keeps alerts in memory and checks no signature.

use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, RwLock};
use std::time::{Duration, Instant};

use super::super::Outcome;
use super::super::peers::installed;
use super::super::process::{Process, new_folder};
use super::super::receiver::Receivers;
use super::senders::{Address, Senders, post};
use super::{Flooding, Row, milliseconds};

/// One rule of one instance at full speed, and severe alerts of other rules among them; nothing where it is not installed.
pub fn run(window: Duration, needles: usize) -> Outcome<Option<Row>> {
    let Some(peer) = installed().0.into_iter().find(|peer| peer.name() == "alertmanager") else { return Ok(None) };
    let pager = Receivers::start(1)?;
    let (process, address) = start(peer.program(), pager.all[0])?;
    let address: Address = Arc::new(RwLock::new(address));
    let senders = Senders::start(&Flooding::Alertmanager, &address, usize::MAX);
    let (mut connection, mut taken_at) = (None, Vec::new());
    for number in 0..needles {
        std::thread::sleep(window / u32::try_from(needles + 1)?);
        let request = Flooding::alert(&format!("number-{number:012}"), "critical", number);
        while post(&mut connection, &address, &request) != Some(200) {}
        taken_at.push(Instant::now());
    }
    std::thread::sleep(window / u32::try_from(needles + 1)?);
    let sent = senders.end();
    std::thread::sleep(Duration::from_secs(2));
    let (arrivals, about_the_flood) = pager.arrivals(0);
    let paged = taken_at.iter().enumerate().map(|(number, taken_at)| {
        arrivals.get(&number).map(|at| milliseconds(at.saturating_duration_since(*taken_at)))
    });
    let memory = process.memory()?.most / 1e6;
    Ok(Some(Row { paged: paged.collect(), pages: about_the_flood, memory, ..Row::of("alertmanager", &sent) }))
}

fn start(program: &std::path::Path, pager: SocketAddr) -> Outcome<(Process, SocketAddr)> {
    let folder = new_folder()?;
    let address = TcpListener::bind("127.0.0.1:0")?.local_addr()?;
    let config = format!(
        "route:\n  receiver: pager\n  group_by: [alertname, instance, severity]\n  group_wait: 0s\n\
         receivers:\n  - name: pager\n    webhook_configs:\n      - url: http://{pager}/\n        max_alerts: 1\n"
    );
    std::fs::write(folder.path().join("alertmanager.yml"), config)?;
    let listen = format!("--web.listen-address={address}");
    let arguments = ["--config.file=alertmanager.yml", "--storage.path=data", "--cluster.listen-address=", &listen];
    let process = Process::start_program(program, &arguments.map(str::to_owned), folder)?;
    let begun = Instant::now();
    while TcpStream::connect(address).is_err() {
        if begun.elapsed() > Duration::from_secs(10) {
            return Err("alertmanager does not listen".into());
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    Ok((process, address))
}
