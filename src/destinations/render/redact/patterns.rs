//! What credentials are found by.

use std::sync::LazyLock;

use regex::Regex;

macro_rules! pattern {
    ($(#[$doc:meta])* $name:ident, $pattern:expr) => {
        $(#[$doc])*
        #[allow(clippy::expect_used, reason = "a constant pattern; a test compiles every one")]
        pub(super) static $name: LazyLock<Regex> = LazyLock::new(|| Regex::new($pattern).expect("a constant pattern"));
    };
}

/// What may stand between the word that announces a credential and the end of the name: `password2`,
/// `password_confirmation`, `tokenValue`.
macro_rules! name_suffix {
    () => {
        concat!(
            r"(?:[-_.]?(?:[0-9]|confirm(?:ation|ed)?|again|repeat(?:ed)?|retyped?|verify|value|hash|new|old|current",
            r"|plain|text))*"
        )
    };
}

/// The brackets of a name in a form: `user[password]`, `password[]`.
macro_rules! brackets {
    () => {
        r"(?:\[[0-9]*\]|\]|%5b[0-9]*%5d|%5d)*"
    };
}

pattern!(
    NAMED,
    concat!(
        r"(?i)(?:(?P<header>proxy-authorization|authorization|set-cookie2?|cookie|x-auth(?:entication)?|x-session|x-access)",
        r"|(?P<claim>authentication)",
        r"|(?P<field>passw(?:or)?d|pswd|passcode|pass[-_]?phrase|pwd|secret|token|api[-_]?key|access[-_]?key(?:[-_]?id)?|",
        r"private[-_]?key|signing[-_]?key|client[-_]?key|credentials?|session[-_]?id|jsessionid|phpsessid|webhook[-_]?url)(?P<plural>s)?",
        r"|(?P<short>pass|pw|t?otp)",
        r"|(?P<key>key))",
        name_suffix!(),
        brackets!(),
        r#"(?P<close>\\*["'`]|%22|&quot;)?"#,
        brackets!(),
        r"(?P<separator>[\t\p{Zs}]*(?::|=>|=|%3a|%3d)[\t\p{Zs}]*|>|(?:\r?\n){2}|(?:\\+r)?\\+n(?:\\+r)?\\+n)",
        // `b"..."`, `Secret("...")`
        r#"(?:(?:[bufr]{1,2}|(?:new[ \t]+)?[a-z_][a-z0-9_.:]*\([ \t]*)?(?P<open>\\*["'`]|%22|&quot;))?"#,
    )
);
/// The end of the name of an XML element or attribute that announces a credential.
macro_rules! xml_name {
    () => {
        concat!(
            r"(?:[a-z0-9_.:\[-]*?(?:passw(?:or)?d|pswd|pwd|passcode|pass[-_]?phrase|secret|token|api[-_]?key|access[-_]?key|",
            r"private[-_]?key|credential|session[-_]?id|authorization|cookie)s?|(?:[a-z0-9_.:\[-]*[.:\[_-])?(?:pass|pw|t?otp)",
            r"|[a-z0-9_.:-]*(?-i:Pass|Otp))",
            name_suffix!(),
            brackets!(),
        )
    };
}

pattern!(
    /// An element with attributes, with CDATA, or escaped: `<Password type="x">`, `&lt;token&gt;`, `\u003ctoken\u003e`.
    XML_ELEMENT,
    concat!(
        r"(?is)(?P<before>(?:<|&lt;|\\+u003c)",
        xml_name!(),
        r#"(?:\s(?:[^<>&/]|/[^<>&])*)?(?:>|&gt;|\\+u003e))"#,
        r"(?:\s*<!\[CDATA\[.*?(?:\]\]>|\z)|[^<&\\\s][^<&\\]*)(?P<after><|&|\\|\z|)"
    )
);
pattern!(
    /// A name in one attribute and its value in another, or in the element: `<add key="password" value="x"/>`.
    XML_PAIR,
    concat!(
        r#"(?is)(?P<before><[^<>]*?\s(?:name|key|id)\s*=\s*["']"#,
        xml_name!(),
        r#"["'](?:[^<>]*?\svalue\s*=\s*["']|(?:\s[^<>]*[^<>/])?>))[^<"']+"#
    )
);
pattern!(
    /// The same in JSON, as browsers export requests: `{"name":"password","value":"x"}`.
    JSON_PAIR,
    concat!(
        r#"(?is)\\*["'](?:name|key|id|field|header|param(?:eter)?)\\*["']\s*:\s*\\*["']"#,
        xml_name!(),
        r#"\\*["']\s*,(?:[^{}]*?,)?\s*\\*["'](?:value|val|content|data)\\*["']\s*:\s*(?P<open>\\*["'])?"#,
    )
);
pattern!(
    /// The same with the value first.
    JSON_PAIR_REVERSED,
    concat!(
        r#"(?is)(?P<before>\\*["'](?:value|val|content|data)\\*["']\s*:\s*\\*")(?:[^"\\]|\\.)+?"#,
        r#"(?P<after>\\*"\s*,(?:[^{}]*?,)?\s*\\*["'](?:name|key|id|field|header|param(?:eter)?)\\*["']\s*:\s*\\*["']"#,
        xml_name!(),
        r#"\\*["'])"#,
    )
);
pattern!(
    /// `curl -u user:password`
    CURL_USER,
    concat!(
        r#"(?i)(?P<before>\bcurl\b[^\n]*?\s(?:-[a-z]*u|--user|--proxy-user)[ \t=]*)"#,
        r#"(?:(?P<quoted>["'][^\s:"'\\]+:)[^"'\\]+|(?P<bare>[^\s:"'\\]+:)[^\s"'\\]+)"#,
    )
);
pattern!(
    /// `--password x`, also as a list of arguments in JSON.
    FLAG,
    concat!(
        r#"(?i)(?P<before>(?:^|[\s"'`])--?[a-z0-9-]*(?:passw(?:or)?d|passphrase|secret|token|api-?key|access-?key)"#,
        r#"(?:[ \t]+|\\*["']\s*,\s*))(?:(?P<open>\\*["'])[^"'\\]+|(?P<word>[^\s"'\\-][^\s"'\\]*))"#,
    )
);
pattern!(
    /// A line that continues a header, as far as its indentation.
    CONTINUATION,
    r"^(?:\r?\n|(?:\\+r)?\\+n)(?P<indent>[ \t]+)"
);
pattern!(HEADER_AT_START, r"^[A-Za-z0-9-]+:(?:\s|$)");
pattern!(LINE_BREAK, r"[\r\n]|\\+[rn]");
pattern!(ESCAPED_BREAK_AT_END, r"\\[rn][ \t]*$");
pattern!(
    /// What a header value looks like that is a credential and no prose.
    CREDENTIAL_AT_START,
    r#"(?i)^["']?(?:(?:bearer|basic|digest|negotiate|ntlm|token|apikey|aws4-[a-z0-9-]+|hmac[a-z0-9-]*)[ \t]+\S|[^\s=;,]+=)"#
);
pattern!(
    PRIVATE_KEY,
    r"(?s)-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----.*?(?:-----END [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----|\z)"
);
pattern!(BEARER, r"(?i)(?P<scheme>\b(?:bearer|basic)(?:\s+|%20|\+))(?P<token>[a-z0-9._~+/=-]{8,})");
pattern!(
    /// Parameters that are credentials in a query only. Where a line or a text in quotes begins it may be a form, but
    /// also a log or a label: there the name must be no word of those, or the value must look like none.
    QUERY,
    concat!(
        r"(?i)((?:[?&;]|%3f|%26)(?:x-amz-signature|x-amz-credential|sig|signature|code|key|auth|sid|session|jwt|pin)=",
        r#"|(?:(?m:^)|["'`]|\\+[nr])(?:x-amz-signature|x-amz-credential|jwt|pin)=)[^&\s"'<>\\]+"#,
        r#"|(?P<first>(?:(?m:^)|["'`]|\\+[nr])(?:sig|signature|code|auth|sid|session)=)[a-z0-9_%+/=]{16,}[^&\s"'<>\\]*"#,
    )
);
pattern!(
    /// What stands before the `@` of a URL, also one within JSON (`:\/\/`) or within a query (`%3A%2F%2F`). A password that
    /// was not encoded may hold `@` and `/`, so it ends at the last `@`; but what follows a host and its port is a path.
    USER_INFO,
    concat!(
        r"(?i)(?P<before>[a-z][a-z0-9+.-]{1,20}:(?:\\*/){2})",
        r#"(?:[^\s/:@"'<>?#\\\[]*:[0-9]*(?:[^0-9\s"'<>/?#\\](?:[^\s"'<>\\]|\\+/)*)?|[^\s/@"'<>?#\\]+)(?P<after>@)"#,
        r"|(?P<encoded>[a-z][a-z0-9+.-]{1,20}%(?:25)*3a(?:%(?:25)*2f){2})",
        // Any character, as it is or encoded, but those that end the authority or the text.
        r#"(?:[^\s"'<>&/?#%@]|%(?:[013-9a-f][0-9a-f]|2[0-1435-9a-e]))+(?P<at>%(?:25)*40|@)"#,
    )
);
pattern!(
    /// What gives itself away. An escape may stand before it: `\nghp_...`, `%3Dghp_...`.
    SHAPED,
    concat!(
        r"(?P<before>^|[^A-Za-z0-9]|\\[nrtbf]|\\u[0-9A-Fa-f]{4}|\\x[0-9A-Fa-f]{2}|%(?:25)*[0-9A-Fa-f]{2})",
        r"(?:eyJ[A-Za-z0-9_-]{8,}(?:\.[A-Za-z0-9_-]*){1,4}",
        r"|(?:AKIA|ASIA|ABIA|ACCA)[A-Z0-9]{16,}",
        r"|gh[pousr]_[A-Za-z0-9]{20,}|github_pat_[A-Za-z0-9_]{20,}|glpat-[A-Za-z0-9_-]{16,}",
        r"|xox[a-z]-[A-Za-z0-9-]{8,}|xapp-[A-Za-z0-9-]{8,}",
        r"|hooks\.slack(?:-gov)?\.com(?:\\*/|%2[Ff])(?:services|workflows|triggers)(?:(?:\\*/|%2[Ff])[A-Za-z0-9_-]+)+",
        r"|(?:(?:ptb|canary)\.)?discord(?:app)?\.com(?:\\*/|%2[Ff])api(?:(?:\\*/|%2[Ff])v[0-9]+)?",
        r"(?:\\*/|%2[Ff])webhooks(?:(?:\\*/|%2[Ff])[A-Za-z0-9_-]+)+",
        r"|AIza[A-Za-z0-9_-]{30,}|ya29\.[A-Za-z0-9_-]{20,}|GOCSPX-[A-Za-z0-9_-]{20,}",
        r"|[sr]k_(?:live|test)_[A-Za-z0-9]{10,}|sk-[A-Za-z0-9_-]{20,}|whsec_[A-Za-z0-9+/=]{16,}",
        r"|npm_[A-Za-z0-9]{30,}|pypi-[A-Za-z0-9_-]{30,}|ATATT[A-Za-z0-9_=-]{20,}|hf_[A-Za-z0-9]{30,}",
        r"|SG\.[A-Za-z0-9_-]{16,}(?:\.[A-Za-z0-9_-]*)?|shp(?:at|ca|pa|ss)_[A-Fa-f0-9]{20,}|do[opr]_v1_[a-f0-9]{20,})",
    )
);
