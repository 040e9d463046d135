//! Credentials that a destination does not know of, because they are those of its connection, taken out of what it may quote.

use bytes::Bytes;

use crate::destinations::{HttpReply, Reply};

/// The reply, whose body does not repeat `credential`.
pub fn without(reply: Reply, credential: Option<&str>) -> Reply {
    match (reply, credential.filter(|credential| !credential.is_empty())) {
        (Reply::Http(answer), Some(credential)) => Reply::Http(cleaned(answer, credential)),
        (reply, _) => reply,
    }
}

fn cleaned(answer: HttpReply, credential: &str) -> HttpReply {
    let body = String::from_utf8_lossy(&answer.body);
    if !body.contains(credential) {
        return answer;
    }
    let body = Bytes::from(body.replace(credential, "[secret]"));
    HttpReply { body, ..answer }
}
