//! The base of an API, and the addresses below it.

use url::Url;

use crate::settings::Section;

/// The base that the operator set as `url` or `api_url`, else `default`. `None` when it is at fault or missing.
pub(super) fn setting(section: &Section, default: Option<&str>) -> Option<Url> {
    let (url, api_url) = (section.has("url"), section.has("api_url"));
    if url && api_url {
        section.fault("api_url", "means the same as 'url'", "keep one of them");
        return None;
    }
    match default {
        _ if url => section.url("url"),
        _ if api_url => section.url("api_url"),
        Some(default) => Url::parse(default).ok(),
        None => {
            section.required_text("url");
            None
        }
    }
}

/// The URL of an incoming webhook, which is a credential: the secret `webhook_url`. A base that is set beside it, such as a
/// test server's, replaces scheme, host and port; path and query stay. `None` when it is at fault or missing.
pub(super) fn webhook(section: &Section) -> Option<Url> {
    let has_base = section.has("url") || section.has("api_url");
    let secret = section.required_secret("webhook_url")?;
    let url = section.checked_url("webhook_url", secret.expose_str().unwrap_or_default())?;
    if !has_base {
        return Some(url);
    }
    let mut rebased = join(&setting(section, None)?, url.path());
    rebased.set_query(url.query());
    Some(rebased)
}

/// What may not be repeated of a webhook's URL: the parts of its path and the values of its query, but for these words, as
/// they stand and decoded.
pub(super) fn secrets_of(url: &Url, known: &[&str]) -> Vec<String> {
    let parts = url.path_segments().into_iter().flatten().map(str::to_owned);
    let raw = url.query().unwrap_or_default().split('&').filter_map(|pair| Some(pair.split_once('=')?.1.to_owned()));
    let decoded = url.query_pairs().map(|(_, value)| value.into_owned());
    parts.chain(raw).chain(decoded).filter(|part| !known.contains(&part.as_str())).collect()
}

/// The address of `path` (beginning with `/`) below the base. A base that ends with it already stays as it is, because
/// manuals print whole addresses.
pub(super) fn join(base: &Url, path: &str) -> Url {
    let mut url = base.clone();
    url.set_query(None);
    url.set_fragment(None);
    let folder = base.path().trim_end_matches('/');
    let folder = folder.strip_suffix(path).unwrap_or(folder);
    url.set_path(&format!("{folder}{path}"));
    url
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_lies_below_its_base() {
        let joined = |base: &str| join(&Url::parse(base).unwrap(), "/v2/enqueue").to_string();
        assert_eq!(joined("https://h.example"), "https://h.example/v2/enqueue");
        assert_eq!(joined("https://h.example:8443/a/?b#c"), "https://h.example:8443/a/v2/enqueue");
        assert_eq!(joined("https://h.example/v2/enqueue"), "https://h.example/v2/enqueue");
    }

    #[test]
    fn what_is_secret_in_a_webhook_is_known_as_it_stands_and_decoded() {
        let url = Url::parse("https://h.example/hooks/T1/abc?api-version=1&sig=a%2Bb").unwrap();
        assert_eq!(secrets_of(&url, &["hooks", "1"]), ["T1", "abc", "a%2Bb", "a+b"]);
    }
}
