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

pattern!(
    NAMED,
    concat!(
        r"(?i)(?:(?P<header>proxy-authorization|authorization|set-cookie2?|cookie)",
        r"|(?P<field>passw(?:or)?d|pswd|passcode|pass[-_]?phrase|pwd|secret|token|api[-_]?key|access[-_]?key(?:[-_]?id)?|",
        r"private[-_]?key|signing[-_]?key|client[-_]?key|credentials?|session[-_]?id|jsessionid|phpsessid|webhook[-_]?url)(?P<plural>s)?",
        r"|(?P<short>pass|pw)",
        r"|(?P<key>key))",
        r#"(?P<close>\\*["'`]|%22|&quot;)?"#,
        r"(?P<separator>[ \t]*(?::|=>|=|%3a|%3d)[ \t]*|>|(?:\r?\n){2}|(?:\\+r)?\\+n(?:\\+r)?\\+n)",
        r#"(?P<open>\\*["'`]|%22|&quot;)?"#,
    )
);
/// The end of the name of an XML element or attribute that announces a credential.
macro_rules! xml_name {
    () => {
        concat!(
            r"(?:[a-z0-9_.:-]*?(?:passw(?:or)?d|pswd|pwd|passcode|pass[-_]?phrase|secret|token|api[-_]?key|access[-_]?key|",
            r"private[-_]?key|credential|session[-_]?id|authorization|cookie)s?|(?:[a-z0-9_.:-]*[.:_-])?(?:pass|pw)",
            r"|[a-z0-9_.:-]*(?-i:Pass))\d?",
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
    /// Parameters that are credentials in a query only.
    QUERY,
    r#"(?i)([?&;](?:x-amz-signature|x-amz-credential|sig|signature|code|key|auth|sid|session|jwt|otp|pin)=)[^&\s"'<>\\]+"#
);
pattern!(USER_INFO, r#"(?i)\b([a-z][a-z0-9+.-]{1,20}://)[^\s/@"'<>?#\\]+@"#);
pattern!(
    /// What gives itself away.
    SHAPED,
    concat!(
        r"\beyJ[A-Za-z0-9_-]{8,}(?:\.[A-Za-z0-9_-]*){1,4}",
        r"|\b(?:AKIA|ASIA|ABIA|ACCA)[A-Z0-9]{16}\b",
        r"|\bgh[pousr]_[A-Za-z0-9]{20,}|\bgithub_pat_[A-Za-z0-9_]{20,}|\bglpat-[A-Za-z0-9_-]{16,}",
        r"|\bxox[a-z]-[A-Za-z0-9-]{8,}|\bxapp-[A-Za-z0-9-]{8,}",
        r"|\bhooks\.slack(?:-gov)?\.com/(?:services|workflows|triggers)/[A-Za-z0-9/_-]+",
        r"|\bAIza[A-Za-z0-9_-]{30,}|\b[sr]k_(?:live|test)_[A-Za-z0-9]{10,}|\bsk-[A-Za-z0-9_-]{20,}",
        r"|\bnpm_[A-Za-z0-9]{30,}|\bpypi-[A-Za-z0-9_-]{30,}|\bwhsec_[A-Za-z0-9+/=]{16,}|\bATATT[A-Za-z0-9_=-]{20,}",
    )
);
