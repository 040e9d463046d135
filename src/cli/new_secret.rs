//! Secrets that gatepost makes up for the operator.

use super::failure::Failure;

/// 32 random bytes in hexadecimal.
#[allow(clippy::disallowed_methods, reason = "a secret is random")]
pub fn new_secret() -> Result<String, Failure> {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes)
        .map_err(|error| Failure::Found(format!("the system gives no random bytes: {error}")))?;
    Ok(hex::encode(bytes))
}
