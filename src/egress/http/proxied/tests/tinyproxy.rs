//! Requests through a real tinyproxy, where one is installed.
//!
//! ```sh
//! apt-get install tinyproxy-bin
//! cargo test --lib a_real_proxy -- --ignored
//! ```

use std::process::{Child, Command, Stdio};

use super::*;

/// A tinyproxy of the test's own, ended with it.
struct Tinyproxy {
    child: Child,
    address: std::net::SocketAddr,
    _folder: tempfile::TempDir,
}

impl Drop for Tinyproxy {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

async fn start(more: &str) -> Tinyproxy {
    let folder = tempfile::tempdir().unwrap();
    let address = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap();
    let conf = folder.path().join("tinyproxy.conf");
    let port = address.port();
    std::fs::write(&conf, format!("Port {port}\nListen 127.0.0.1\nTimeout 20\nMaxClients 10\n{more}\n")).unwrap();
    let mut command = Command::new("tinyproxy");
    command.arg("-d").arg("-c").arg(&conf).stdout(Stdio::null()).stderr(Stdio::null());
    let child = command.spawn().expect("tinyproxy is installed");
    let tinyproxy = Tinyproxy { child, address, _folder: folder };
    while tokio::net::TcpStream::connect(address).await.is_err() {
        tokio::task::yield_now().await;
    }
    tinyproxy
}

#[tokio::test]
#[ignore = "needs tinyproxy"]
async fn a_real_proxy_lets_requests_through_and_its_refusals_are_told_apart() {
    let client = client();
    let guarded = start("BasicAuth gatepost s3cret-password").await;
    for scheme in ["https", "http"] {
        let receiver = receiver_of(scheme).await;
        let url = format!("{scheme}://{}/path", receiver.address);
        let good = over(proxy_at(guarded.address, Some("gatepost:s3cret-password")));
        let reply = client.send_over(&good, post(&url)).await;
        assert!(is_taken(&reply), "{scheme}: {reply:?}");
        assert!(!receiver.requests()[0].to_lowercase().contains("proxy-authorization"));
        for (credentials, said) in [(None, "wants credentials (407)"), (Some("gatepost:wrong"), "credentials (401)")] {
            let reply = client.send_over(&over(proxy_at(guarded.address, credentials)), post(&url)).await;
            match (&reply, scheme) {
                (Reply::NotSent(why), _) => assert!(why.contains(said), "{why}"),
                // Without a tunnel its 401 looks like one of the destination.
                (Reply::Http(answer), "http") => assert_eq!((answer.status, credentials.is_some()), (401, true)),
                _ => panic!("{scheme} {credentials:?}: {reply:?}"),
            }
        }
        assert_eq!(receiver.requests().len(), 1);
    }
    // It allows tunnels to one port only, and nothing listens there.
    let closed = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap();
    let narrow = start(&format!("ConnectPort {}", closed.port())).await;
    let receiver = receiver_of("https").await;
    let connection = over(proxy_at(narrow.address, None));
    let reply = client.send_over(&connection, post(&format!("https://{}/", receiver.address))).await;
    let fault = failed(&reply);
    println!("not allowed: {fault:?}");
    assert!(!fault.may_have_arrived && fault.detail.contains("(403)"), "{fault:?}");
    let reply = client.send_over(&connection, post(&format!("https://{closed}/"))).await;
    let fault = failed(&reply);
    println!("nothing listens: {fault:?}");
    assert!(!fault.may_have_arrived && fault.detail.contains("(5"), "{fault:?}");
    assert!(receiver.requests().is_empty());
}
