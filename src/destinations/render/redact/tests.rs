use super::*;

/// (before, after); credentials that scanners would take for real ones are put together in `shaped`.
const CASES: &[(&str, &str)] = &[
    // Header lines.
    ("Authorization: Bearer abc", "Authorization: [redacted]"),
    ("authorization: Basic dXNlcjpwYXNz\r\nHost: x", "authorization: [redacted]\r\nHost: x"),
    ("GET / HTTP/1.1\nCookie: a=\"b\"; c=d\nHost: x", "GET / HTTP/1.1\nCookie: [redacted]\nHost: x"),
    ("Set-Cookie: sid=1; HttpOnly\nX: y", "Set-Cookie: [redacted]\nX: y"),
    ("Proxy-Authorization: Digest username=\"u\", response=\"r\"", "Proxy-Authorization: [redacted]"),
    ("  > X-Api-Key: k1\n", "  > X-Api-Key: [redacted]\n"),
    ("curl -H 'Authorization: Bearer abc' https://x", "curl -H 'Authorization: [redacted]' https://x"),
    ("log: Authorization: Bearer s3cr3t", "log: Authorization: [redacted]"),
    ("seen Cookie: session=abc; b=c", "seen Cookie: [redacted]"),
    ("Cookie: a=b;\r\n c=hunter2\r\nHost: x", "Cookie: [redacted]\r\nHost: x"),
    (r#"{"raw":"Cookie: a=b;\r\n c=hunter2\r\nHost: x"}"#, r#"{"raw":"Cookie: [redacted]\r\nHost: x"}"#),
    ("  Cookie:\n    a=b\n  Host: x", "  Cookie:[redacted]\n  Host: x"),
    ("Cookie: a=b\n  Host: x\n  X: y", "Cookie: [redacted]\n  Host: x\n  X: y"),
    ("X-Auth: a b\nX-Session: c\nX-Access: d", "X-Auth: [redacted]\nX-Session: [redacted]\nX-Access: [redacted]"),
    ("Authentication: Hunter2x\nHost: x", "Authentication: [redacted]\nHost: x"),
    (r#"{"Authentication":"Hunter2x","n":1}"#, r#"{"Authentication":"[redacted]","n":1}"#),
    ("password\u{a0}=\u{a0}hunter2 x", "password\u{a0}=\u{a0}[redacted] x"),
    // Commands.
    ("curl -s -u admin:hunter2 https://h", "curl -s -u admin:[redacted] https://h"),
    ("curl --user 'admin:two words' https://h", "curl --user 'admin:[redacted]' https://h"),
    ("x --password hunter2 --token 'a b' y", "x --password [redacted] --token '[redacted]' y"),
    (r#"["--db-password","hunter2","x"]"#, r#"["--db-password","[redacted]","x"]"#),
    // A name in one field and its value in another.
    (
        r#"[{"name":"password","value":"hunter2"},{"name":"user","value":"u"}]"#,
        r#"[{"name":"password","value":"[redacted]"},{"name":"user","value":"u"}]"#,
    ),
    (
        r#"{\"key\": \"Cookie\", \"n\": 1, \"value\": \"a=\\\"b\\\"\"}"#,
        r#"{\"key\": \"Cookie\", \"n\": 1, \"value\": \"[redacted]\"}"#,
    ),
    (r#"{"name":"tokens","value":["a","b]"],"n":1}"#, r#"{"name":"tokens","value":[redacted],"n":1}"#),
    (r#"{"value":"hunt\"er2","name":"password"}"#, r#"{"value":"[redacted]","name":"password"}"#),
    // JSON, and JSON in JSON.
    (r#"{"Authorization":"Bearer abc","ip":"1.2.3.4"}"#, r#"{"Authorization":"[redacted]","ip":"1.2.3.4"}"#),
    (r#"{"cookie" : ["a=b","c=d"],"n":1}"#, r#"{"cookie" : [redacted],"n":1}"#),
    (r#"{\"authorization\":\"Bearer abc\",\"a\":\"b\"}"#, r#"{\"authorization\":\"[redacted]\",\"a\":\"b\"}"#),
    (
        r#"{"h":"{\"x\":\"{\\\"cookie\\\":\\\"a=b\\\",\\\"k\\\":1}\"}"}"#,
        r#"{"h":"{\"x\":\"{\\\"cookie\\\":\\\"[redacted]\\\",\\\"k\\\":1}\"}"}"#,
    ),
    (r#"{"raw":"GET /\r\nCookie: a=b\r\nHost: x"}"#, r#"{"raw":"GET /\r\nCookie: [redacted]\r\nHost: x"}"#),
    (r#"{"password":"a\"b","u":"v"}"#, r#"{"password":"[redacted]","u":"v"}"#),
    (r#"{"password":"a\\","u":"v"}"#, r#"{"password":"[redacted]","u":"v"}"#),
    (r#"{"client_secret": "s", "x": 1}"#, r#"{"client_secret": "[redacted]", "x": 1}"#),
    (r#"{"refreshToken":"r"}"#, r#"{"refreshToken":"[redacted]"}"#),
    (r#"{"token":12345}"#, r#"{"token":[redacted]}"#),
    (r#"{"password":"cut off in the mid"#, r#"{"password":"[redacted]"#),
    (r#"{"credentials":{"user":"u","pw":"p"},"a":1}"#, r#"{"credentials":[redacted],"a":1}"#),
    ("{'apiKey': 'abc'}", "{'apiKey': '[redacted]'}"),
    // Quotes with something before them, as languages print values.
    (
        "{'X-Token': b'Hunter2x','password': f'Hunter2x','secret': Secret('Hunter2x')}",
        "{'X-Token': b'[redacted]','password': f'[redacted]','secret': Secret('[redacted]')}",
    ),
    ("password = new pkg.Secret( \"a b\" )", "password = new pkg.Secret( \"[redacted]\" )"),
    // Lists and objects within each other, and brackets in strings.
    (r#"{"password":["a","b]x","hunter4"],"n":1}"#, r#"{"password":[redacted],"n":1}"#),
    (r#"{"credentials":{"a":{"x":1},"p":"hunter2"},"n":1}"#, r#"{"credentials":[redacted],"n":1}"#),
    (r#"{\"tokens\":[\"a]\",\"b\\\"]\"],\"n\":1}"#, r#"{\"tokens\":[redacted],\"n\":1}"#),
    (r#"{"tokens":[{"a":"}"},\n {"b":"]"}] ,"n":1}"#, r#"{"tokens":[redacted] ,"n":1}"#),
    ("{'tokens': [b'a]', \"it's]\"], 'n': 1}", "{'tokens': [redacted], 'n': 1}"),
    ("password: [it's lost] and found", "password: [redacted] and found"),
    (r#"{"h":"{\"tokens\":[\"a]é cut o","n":"é"}"#, r#"{"h":"{\"tokens\":[redacted]","n":"é"}"#),
    (r#"{"tokens":["a]","cut o"#, r#"{"tokens":[redacted]"#),
    // Forms, queries, logs, XML, multipart.
    ("user=a&password=hunter2&x=1", "user=a&password=[redacted]&x=1"),
    ("https://h/p?access_token=abc&b=1", "https://h/p?access_token=[redacted]&b=1"),
    ("https://h/p?X-Amz-Signature=ab12&y", "https://h/p?X-Amz-Signature=[redacted]&y"),
    ("/cb?code=4%2F0abc&state=1", "/cb?code=[redacted]&state=1"),
    ("passwd: hunter2 next", "passwd: [redacted] next"),
    ("token: Bearer abc def", "token: [redacted] def"),
    ("AWS_SECRET_ACCESS_KEY=wJalr/K7+x", "AWS_SECRET_ACCESS_KEY=[redacted]"),
    ("<user>a</user><password>b</password>", "<user>a</user><password>[redacted]</password>"),
    ("<Password xsi:type=\"x\">b c</Password>", "<Password xsi:type=\"x\">[redacted]</Password>"),
    ("<p:userToken><![CDATA[a<b]]></p:userToken>", "<p:userToken>[redacted]</p:userToken>"),
    ("<secret>cut off", "<secret>[redacted]"),
    ("&lt;password&gt;b c&lt;/password&gt;", "&lt;password&gt;[redacted]&lt;/password&gt;"),
    (r"\u003ctoken\u003eabc\u003c/token\u003e", r"\u003ctoken\u003e[redacted]\u003c/token\u003e"),
    ("<add key=\"dbPass\" value=\"b c\" />", "<add key=\"dbPass\" value=\"[redacted]\" />"),
    ("<entry key=\"password\">b c</entry><p>x</p>", "<entry key=\"password\">[redacted]</entry><p>x</p>"),
    // Names with something after the word that announces a credential.
    ("password1=Hunter2x&password2=Hunter2x", "password1=[redacted]&password2=[redacted]"),
    (
        "user%5Bpassword%5D=Hunter2x&user%5Bpassword_confirmation%5D=Hunter2x",
        "user%5Bpassword%5D=[redacted]&user%5Bpassword_confirmation%5D=[redacted]",
    ),
    (
        r#"{"password_confirmation":"Hunter2x","passwordConfirm":"Hunter2x"}"#,
        r#"{"password_confirmation":"[redacted]","passwordConfirm":"[redacted]"}"#,
    ),
    ("name=\"password1\"\r\n\r\nHunter2x\r\n--b", "name=\"password1\"\r\n\r\n[redacted]\r\n--b"),
    ("name=\"user[password]\"\r\n\r\nHunter2x", "name=\"user[password]\"\r\n\r\n[redacted]"),
    (
        "user[password]=Hunter2x&newPassword[]=a&pw[0]=b",
        "user[password]=[redacted]&newPassword[]=[redacted]&pw[0]=[redacted]",
    ),
    ("$_POST['password'] = 'Hunter2x';", "$_POST['password'] = '[redacted]';"),
    ("tokenValue=abc secret_value: abc", "tokenValue=[redacted] secret_value: [redacted]"),
    (
        "<password2>b</password2><passwordConfirm>b</passwordConfirm>",
        "<password2>[redacted]</password2><passwordConfirm>[redacted]</passwordConfirm>",
    ),
    ("otp=123456&x=1", "otp=[redacted]&x=1"),
    (r#"{"otp":"123456","userOtp":123456}"#, r#"{"otp":"[redacted]","userOtp":[redacted]}"#),
    ("a\npin=1234", "a\npin=[redacted]"),
    (r#"{"body":"session=0123456789abcdef&x=1"}"#, r#"{"body":"session=[redacted]&x=1"}"#),
    ("<i name=\"user[password]\" value=\"b c\">", "<i name=\"user[password]\" value=\"[redacted]\">"),
    // Short names.
    ("user=a&pass=hunter2&x=1", "user=a&pass=[redacted]&x=1"),
    (r#"{"pass":"two words","pw":"x"}"#, r#"{"pass":"[redacted]","pw":"[redacted]"}"#),
    ("SMTP_PASS=a1 db_pass: b2 dbPass: c3", "SMTP_PASS=[redacted] db_pass: [redacted] dbPass: [redacted]"),
    ("<pass>x</pass>", "<pass>[redacted]</pass>"),
    // Plurals.
    (r#"{"passwords":["a b","c"],"n":1}"#, r#"{"passwords":[redacted],"n":1}"#),
    ("api_keys=abc,def x", "api_keys=[redacted] x"),
    ("access_tokens: abc", "access_tokens: [redacted]"),
    ("name=\"password\"\r\n\r\nhunter2\r\n--b", "name=\"password\"\r\n\r\n[redacted]\r\n--b"),
    ("%7B%22password%22%3A%22abc%22%7D", "%7B%22password%22%3A%22[redacted]%22%7D"),
    ("routing_key=0123456789abcdef0123456789abcdef!", "routing_key=[redacted]!"),
    (r#""service_key":"0123456789abcdef0123456789abcdef""#, r#""service_key":"[redacted]""#),
    // URLs.
    ("postgres://u:p@h/db", "postgres://[redacted]@h/db"),
    ("see https://user@h/x", "see https://[redacted]@h/x"),
    ("postgres://svc:p@ss-hunter2@db/x", "postgres://[redacted]@db/x"),
    ("postgres://svc:pa/ss-hunter2@db x@y", "postgres://[redacted]@db x@y"),
    ("amqp://svc:12a#34?5@h:5672/v", "amqp://[redacted]@h:5672/v"),
    ("amqp://svc:1234@h:5672/v", "amqp://[redacted]@h:5672/v"),
    ("http://h:80/a,postgres://u:p@db", "http://h:80/a,postgres://[redacted]@db"),
    (r#"{"dsn":"postgres:\/\/svc:hunter2@db\/x"}"#, r#"{"dsn":"postgres:\/\/[redacted]@db\/x"}"#),
    ("dsn=postgres%3A%2F%2Fsvc%3Ahunter2%40db%2Fx", "dsn=postgres%3A%2F%2F[redacted]%40db%2Fx"),
    ("to=https%3A%2F%2Fsvc%3Ap%2540x%40h%2Fa%40b", "to=https%3A%2F%2F[redacted]%40h%2Fa%40b"),
    // Bearer in prose.
    ("sent Bearer a1b2c3d4e5", "sent Bearer [redacted]"),
    ("Basic dXNlcjpwYXNz=", "Basic [redacted]"),
    // Private keys, whole and cut off.
    ("a\n-----BEGIN RSA PRIVATE KEY-----\nMII\n-----END RSA PRIVATE KEY-----\nb", "a\n[redacted]\nb"),
    ("-----BEGIN OPENSSH PRIVATE KEY-----\nb3Blbn", "[redacted]"),
];

const LEFT_ALONE: &[&str] = &[
    "",
    "Rate limit exceeded: 150 prompts/min",
    "Broken Object Level Authorization: user A reads what belongs to user B",
    "BOLA: Authorization: missing on 3 endpoints",
    "cookies are not the same as a cookie jar",
    "max_tokens: 100, tokens=5",
    "bypass=1, trespass: yes, compass=north",
    "Pass: 12, Fail: 3",
    "{\"bypass\":\"on\"}",
    "secrets=3",
    "<bypass>on</bypass> <p key=\"a\" value=\"b\">c</p>",
    "<password/>text <token x=\"1\"/>text",
    "{\"token\":null,\"password\":\"\",\"secret\":false}",
    "Basic authentication is used; a bearer assertion is absent",
    "key: rate-limit",
    "monkey = banana",
    "-----BEGIN CERTIFICATE-----\nMII\n-----END CERTIFICATE-----",
    "https://example.com/a@b?c=d@e",
    "user@example.com wrote to https://example.com",
    "14.143.179.162 (IN) -> POST v1/api/test/orders",
    "event 0190b6e2-1111-7222-8333-444455556666",
    "secret_name and token_type are fields",
    "eyJ is how a JWT begins",
    "AKIA is how an access key begins",
    "</password> after the tag <p>",
    "Authentication: brute force detected",
    "{\"authentication\":\"oauth2\"}",
    "X-Auth is needed, and docker run -u 1000:1000 x",
    "use --password to set it; the --token option, --secret.",
    "{\"name\":\"user\",\"value\":\"u\"},{\"name\":\"password\",\"value\":\"\"}",
    "{\"value\":\"u\",\"name\":\"user\"},{\"name\":\"password\"}",
    "https://example.com:8080/a@b and http://[::1]:8080/a@b",
    "https://discord.com/api/v10/channels/123456789012345678/messages",
    "https://example.com/@user/a:b@c",
    "to=https%3A%2F%2Fexample.com%2Fusers%2Fbob%40example.com",
    "a risk-assessment-of-the-whole-system, shelf_of_many_long_names_in_a_row",
    "journeyJsonParserOfAll.parse(keyJoinedWithAnother.value)",
    "the password was wrong, token count: 5",
    "Password reset: mail sent; password confirmation failed: they differ",
    "password1 and password2 differ",
    "tokens2=5",
    "he said otp: none, bebop=1",
    "signature=ET SCAN Nmap",
    "code=404 auth=basic",
    "forgot_password(\"x\") and token (b\"y\")",
    "a list [token] of [1] things",
];

#[test]
fn named_credentials_are_taken_out() {
    for (before, after) in CASES {
        assert_eq!(text(before), *after, "{before}");
    }
}

#[test]
fn credentials_are_known_by_their_shape() {
    let a = "a1B2".repeat(10);
    let shaped = [
        format!("eyJ{a}.{a}.{a}"),
        format!("eyJ{a}.{a}"),
        format!("AKIA{}", "A1".repeat(8)),
        format!("ghp_{a}"),
        format!("github_pat_{a}"),
        format!("xoxb-{a}"),
        format!("xapp-1-{a}"),
        format!("hooks.slack.com/services/T0/B0/{a}"),
        format!("sk-{a}"),
        format!("sk_live_{a}"),
        format!("AIza{a}"),
        format!("whsec_{a}"),
        format!("glpat-{a}"),
        format!(r"hooks.slack.com\/services\/T0\/B0\/{a}"),
        format!("hooks.slack.com%2Fservices%2FT0%2FB0%2F{a}"),
        format!("discord.com/api/webhooks/123456789012345678/{a}"),
        format!("ptb.discord.com/api/v10/webhooks/123456789012345678/{a}"),
        format!("ya29.{a}"),
        format!("SG.{a}.{a}"),
        format!("hf_{a}"),
        format!("GOCSPX-{a}"),
        format!("shpat_{}", "0a".repeat(16)),
        format!("dop_v1_{}", "0a".repeat(32)),
    ];
    for token in &shaped {
        for before in ["", "found ", "\n", r#""one\n"#, r"\\n", r"\u003d", "%3D", "%253d", "tok_", "id=", "é"] {
            assert_eq!(text(&format!("{before}{token} in it")), format!("{before}[redacted] in it"), "{token}");
        }
        assert_eq!(text(&format!("{token} {token}\"")), "[redacted] [redacted]\"");
    }
}

#[test]
fn what_is_no_credential_stays() {
    for harmless in LEFT_ALONE {
        assert_eq!(text(harmless), *harmless);
    }
}

#[test]
fn redaction_is_idempotent() {
    for (before, _) in CASES {
        assert_eq!(text(&text(before)), text(before), "{before}");
    }
}

#[test]
fn a_value_goes_by_its_name() {
    assert_eq!(value("password", "two words"), MARK);
    assert_eq!(value("routing_key", &"0a".repeat(16)), MARK);
    assert_eq!(value("env", "prod; token=abc"), "prod; token=[redacted]");
    assert_eq!(value("token=x", "prod"), MARK);
    assert_eq!(value("otp", "123456"), MARK);
    for (name, harmless) in
        [("signature", "ET SCAN Nmap"), ("sid", "S-1-5-21-3623811015-3361044348"), ("auth", "oauth2")]
    {
        assert_eq!(value(name, harmless), harmless);
    }
    assert_eq!(value("", ""), "");
}

#[test]
fn a_url_stays_a_url() {
    assert_eq!(url("https://u:p@h.example/x?token=abc&y=1"), "https://redacted@h.example/x?token=redacted&y=1");
}

/// Texts that make a quadratic walk take minutes: each would be some 10^10 steps.
#[test]
fn time_is_linear() {
    let hostile = [
        "key=",
        "token",
        "\"key\":\"",
        "\\\\\"",
        "cookie:[",
        "password={",
        "-----BEGIN PRIVATE KEY-----",
        "a://",
        "<key>",
        "eyJaaaaaaaa.",
        "' token: ",
        "pass=",
        "passwords:[",
        "<a key=\"password\" ",
        "<password ",
        "<token><![CDATA[",
        "&lt;token&gt;",
        "ab://u:p",
        "ab://u:1/",
        "ab://u:p@",
        "ab%3A%2F%2Fu",
        "%3d",
        "\\n",
        "{\"name\":\"token\",",
        "\"value\":\"x\",",
        "\"value\":\"",
        "\"name\":\"token\",\"value\":[",
        "cookie: a\n ",
        "\ncookie:\n ",
        "curl -u ",
        "curl -u a:b ",
        " --token ",
        " --token a",
        "password[",
        "password:b'",
        "password:['",
        "password:[\\'a",
        "token:{[b",
        "password1",
        "password[new]=",
    ];
    for piece in hostile {
        let long = piece.repeat(400_000 / piece.len());
        let (redacted, took) = crate::processor_time::processor_time(|| text(&long));
        assert!(!redacted.is_empty());
        assert!(took.as_secs() < 20, "{piece}: {took:?}");
    }
}
