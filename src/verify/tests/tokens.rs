//! Token schemes: what is accepted and what is not.

use super::*;
use crate::verify::{TokenScheme, VerifierError};

const SECRETS: [&str; 2] = ["correct-horse-battery-staple-01", "tr0ub4dor-and-three-more-words"];

fn bearer(value: &str) -> Result<Option<usize>, Refusal> {
    slot_of(
        &verifier(Scheme::Token(TokenScheme::bearer()), &SECRETS),
        &request(&[("Authorization", value)], "{}"),
        seconds(0),
    )
}

#[test]
fn a_token_opens_behind_its_prefix_in_either_case() {
    for prefix in ["Bearer ", "bearer ", "BEARER ", "Bearer   ", " \tBearer "] {
        assert_eq!(bearer(&format!("{prefix}{}", SECRETS[0])), Ok(Some(0)), "{prefix}");
        assert_eq!(bearer(&format!("{prefix}{} ", SECRETS[1])), Ok(Some(1)), "{prefix}");
    }
}

#[test]
fn nothing_else_opens() {
    let token = SECRETS[0];
    for missing in ["", "  ", "Bearer", "bearer ", "BEARER"] {
        assert_eq!(bearer(missing), Err(Refusal::SignatureMissing), "{missing:?}");
    }
    for wrong in [
        token.to_owned(),
        format!("Bearer{token}"),
        format!("Bearer\t{token}"),
        format!("Bearer Bearer {token}"),
        format!("Basic {token}"),
        format!("Bearer \"{token}\""),
        format!("Bearer {}", token.to_uppercase()),
        format!("Bearer {token}0"),
        format!("Bearer {}", &token[..30]),
        format!("Bearer {token} {token}"),
        format!("Bearer {token},{}", SECRETS[1]),
        format!("Bearer {token}\0"),
        format!("Bearer {token}\u{a0}"),
        format!("Ｂearer {token}"),
        format!("Bearer {}", "a".repeat(5_000)),
        "Bearer null".to_owned(),
    ] {
        assert_eq!(bearer(&wrong), Err(Refusal::SignatureMismatch), "{wrong:?}");
    }
}

#[test]
fn two_lines_open_nothing_even_when_both_are_right() {
    let verifier = verifier(Scheme::Token(TokenScheme::bearer()), &SECRETS);
    let value = format!("Bearer {}", SECRETS[0]);
    let request = request(&[("authorization", &value), ("Authorization", &value)], "{}");
    assert_eq!(slot_of(&verifier, &request, seconds(0)), Err(Refusal::SignatureMismatch));
    assert_eq!(verifier.precheck(&request.headers), Err(Refusal::SignatureMismatch));
}

#[test]
fn the_headers_alone_decide() {
    let verifier = verifier(Scheme::Token(TokenScheme::bearer()), &SECRETS);
    let headers = |value: &str| request(&[("authorization", value)], "").headers;
    assert_eq!(verifier.precheck(&headers(&format!("Bearer {}", SECRETS[1]))), Ok(()));
    assert_eq!(verifier.precheck(&headers("Bearer wrong")), Err(Refusal::SignatureMismatch));
}

#[test]
fn a_header_without_prefix_holds_the_token_alone() {
    let scheme = TokenScheme { header: "x-gitlab-token".to_owned(), prefix: String::new() };
    let verifier = verifier(Scheme::Token(scheme), &["Basic dXNlcjpwYXNzd29yZA==", "second secret with blanks"]);
    let slot_of_value = |value: &str| slot_of(&verifier, &request(&[("X-Gitlab-Token", value)], "{}"), seconds(0));
    assert_eq!(slot_of_value("Basic dXNlcjpwYXNzd29yZA=="), Ok(Some(0)));
    assert_eq!(slot_of_value("second secret with blanks"), Ok(Some(1)));
    assert_eq!(slot_of_value("basic dXNlcjpwYXNzd29yZA=="), Err(Refusal::SignatureMismatch));
    assert_eq!(slot_of_value(""), Err(Refusal::SignatureMissing));
}

#[test]
fn a_secret_that_no_header_can_carry_is_a_fault() {
    for bad in [" leading", "trailing ", "new\nline", "\u{fc}mlaut", "nul\0"] {
        let made = Verifier::new(Scheme::Token(TokenScheme::bearer()), vec![Secret::new("good"), Secret::new(bad)]);
        assert_eq!(made.err(), Some(VerifierError::NoToken { position: 2 }), "{bad:?}");
    }
}
