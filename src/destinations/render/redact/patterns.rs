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
        r"(?i)(?:(?P<header>proxy-authorization|authorization|set-cookie2?|cookie)",
        r"|(?P<field>passw(?:or)?d|pswd|passcode|pass[-_]?phrase|pwd|secret|token|api[-_]?key|access[-_]?key(?:[-_]?id)?|",
        r"private[-_]?key|signing[-_]?key|client[-_]?key|credentials?|session[-_]?id|jsessionid|phpsessid|webhook[-_]?url)(?P<plural>s)?",
        r"|(?P<short>pass|pw|t?otp)",
        r"|(?P<key>key))",
        name_suffix!(),
        brackets!(),
        r#"(?P<close>\\*["'`]|%22|&quot;)?"#,
        brackets!(),
        r"(?P<separator>[ \t]*(?::|=>|=|%3a|%3d)[ \t]*|>|(?:\r?\n){2}|(?:\\+r)?\\+n(?:\\+r)?\\+n)",
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
