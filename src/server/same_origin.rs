//! Which requests the operator's listener takes: those of tools and of its own pages.
//!
//! It has no authentication, and a browser on the operator's machine can reach it. A page of a foreign site must not:
//! neither with a request of its own, which carries an `Origin`, nor under a name of its own that it makes resolve to this
//! address (DNS rebinding), which shows in `Host`. An address or `localhost` in `Host` cannot be such a name.

use std::net::IpAddr;

use actix_web::http::Uri;
use actix_web::http::header::{HOST, HeaderMap, HeaderName, ORIGIN};

use super::problem::Problem;

/// Refuses what a foreign page may have sent. `hosts`: names of this listener beside addresses and `localhost`, in lower
/// case.
pub fn check(headers: &HeaderMap, uri: &Uri, hosts: &[String]) -> Result<(), Problem> {
    // Browsers always send `Host`; the checks of some load balancers do not.
    let host = only(headers, HOST).map_err(|()| Problem::ForeignHost)?;
    for authority in host.into_iter().chain(uri.authority().map(|authority| authority.as_str())) {
        if !is_own(name_of(authority), hosts) {
            return Err(Problem::ForeignHost);
        }
    }
    let Some(origin) = only(headers, ORIGIN).map_err(|()| Problem::ForeignOrigin)? else { return Ok(()) };
    let authority = origin.strip_prefix("http://").or_else(|| origin.strip_prefix("https://"));
    match (authority, host) {
        (Some(authority), Some(host)) if authority.eq_ignore_ascii_case(host) => Ok(()),
        _ => Err(Problem::ForeignOrigin),
    }
}

/// The value of a header that occurs at most once.
fn only(headers: &HeaderMap, name: HeaderName) -> Result<Option<&str>, ()> {
    let mut values = headers.get_all(name);
    match (values.next(), values.next()) {
        (None, _) => Ok(None),
        (Some(value), None) => value.to_str().map(|text| Some(text.trim())).map_err(|_| ()),
        (Some(_), Some(_)) => Err(()),
    }
}

/// The host without its port.
fn name_of(authority: &str) -> &str {
    match authority.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) && !name.ends_with(':') => name,
        _ => authority,
    }
}

fn is_own(name: &str, hosts: &[String]) -> bool {
    let bare = name.strip_prefix('[').and_then(|name| name.strip_suffix(']')).unwrap_or(name);
    let named = name.to_ascii_lowercase();
    bare.parse::<IpAddr>().is_ok() || named == "localhost" || hosts.contains(&named)
}

#[cfg(test)]
mod tests {
    use actix_web::http::header::HeaderValue;

    use super::*;

    fn verdict(host: Option<&str>, origin: Option<&str>) -> Result<(), Problem> {
        let mut headers = HeaderMap::new();
        for (name, value) in [(HOST, host), (ORIGIN, origin)] {
            value.into_iter().for_each(|value| headers.append(name.clone(), HeaderValue::from_str(value).unwrap()));
        }
        check(&headers, &Uri::from_static("/readyz"), &["gatepost.internal".to_owned()])
    }

    #[test]
    fn only_addresses_and_own_names_are_hosts() {
        for own in [
            "127.0.0.1:8081",
            "127.0.0.1",
            "[::1]:8081",
            "[::1]",
            "10.1.2.3:80",
            "localhost:8081",
            "LOCALHOST",
            "gatepost.internal:8081",
            "Gatepost.Internal",
        ] {
            assert_eq!(verdict(Some(own), None), Ok(()), "{own}");
        }
        for foreign in [
            "evil.example",
            "evil.example:8081",
            "localhost.evil.example",
            "127.0.0.1.evil.example:8081",
            "gatepost.internal.evil",
            "",
            ":8081",
            "1.2.3.4.5",
            "a@127.0.0.1",
        ] {
            assert_eq!(verdict(Some(foreign), None), Err(Problem::ForeignHost), "{foreign}");
        }
        assert_eq!(verdict(None, None), Ok(()), "a load balancer");
        let uri = Uri::from_static("http://evil.example/readyz");
        assert_eq!(check(&HeaderMap::new(), &uri, &[]), Err(Problem::ForeignHost));
        let mut doubled = HeaderMap::new();
        ["127.0.0.1", "evil.example"].into_iter().for_each(|host| doubled.append(HOST, HeaderValue::from_static(host)));
        assert_eq!(check(&doubled, &Uri::from_static("/readyz"), &[]), Err(Problem::ForeignHost));
    }

    #[test]
    fn only_pages_of_this_listener_are_an_origin() {
        for own in ["http://127.0.0.1:8081", "https://127.0.0.1:8081"] {
            assert_eq!(verdict(Some("127.0.0.1:8081"), Some(own)), Ok(()), "{own}");
        }
        for foreign in [
            "https://evil.example",
            "null",
            "",
            "http://127.0.0.1:3000",
            "http://localhost:8081",
            "file://",
            "127.0.0.1:8081",
        ] {
            assert_eq!(verdict(Some("127.0.0.1:8081"), Some(foreign)), Err(Problem::ForeignOrigin), "{foreign}");
        }
        assert_eq!(verdict(None, Some("http://127.0.0.1:8081")), Err(Problem::ForeignOrigin));
    }
}
