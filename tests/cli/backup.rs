//! `gatepost backup`: whole while requests come in.

use crate::harness::{Folder, Gateway};
use crate::{ADRIAN, column, config};

#[test]
fn a_backup_is_whole_while_requests_come_in() {
    let gateway = Gateway::start(&config());
    let post = |n: usize| {
        let body = format!(r#"{{"id":"evt_{n}","type":"alert.triggered","data":{{}}}}"#);
        gateway.post_signed("adrian", ADRIAN, body.as_bytes()).accepted()
    };
    let before: Vec<String> = (0..50).map(post).collect();
    let stop = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        let posting = scope.spawn(|| {
            let mut n = 50;
            while !stop.load(std::sync::atomic::Ordering::Relaxed) {
                post(n);
                n += 1;
            }
            n
        });
        let ran = gateway.run(&["backup", "copy.db"]);
        stop.store(true, std::sync::atomic::Ordering::Relaxed);
        assert!(posting.join().unwrap() > 50, "nothing came in meanwhile");
        ran.done().prints("copy.db is a complete and sound copy");
    });
    let copy = std::fs::read(gateway.folder.path().join("copy.db")).unwrap();
    gateway.run(&["backup", "copy.db"]).ended(1).complains("copy.db exists already");
    assert!(copy == std::fs::read(gateway.folder.path().join("copy.db")).unwrap());
    gateway.run(&["backup", "absent/copy.db"]).ended(1);

    let restored = Folder::new();
    restored.write("gatepost.db", &copy);
    restored.write("gatepost.toml", config());
    let held = restored.run(&["receipts", "list", "--json", "--limit", "10000"]).done().json_lines();
    let held = column(&held, "id");
    assert!(before.iter().all(|receipt| held.contains(&receipt.as_str())), "an acknowledged receipt is not in it");
    restored.run(&["receipts", "show", &before[0], "--json"]).done();
}
