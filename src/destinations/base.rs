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
}
