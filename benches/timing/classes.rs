//! What is measured: pairs of classes that must not be told apart.
//!
//! Within a class everything that is not the question is random and comes once: a fixed request, or one of a thousand,
//! would be told from a new one by what the processor has learned about it, which is no secret.

use gatepost::domain::{Headers, Request, Secret, Timestamp};
use gatepost::verify::{HmacScheme, Refusal, Scheme, TokenScheme, Verified, Verifier};

/// One of two.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    A,
    B,
}

type Make = Box<dyn Fn(Class, &mut Dice) -> Request>;
type Verify = Box<dyn Fn(Class, Request) -> Result<Verified, Refusal>>;

/// A question.
pub struct Experiment {
    pub name: &'static str,
    pub request: Make,
    pub verify: Verify,
    /// Whether the requests of both classes are authentic.
    pub accepts: bool,
    pub expected: Expected,
}

/// What the measurement must show.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expected {
    /// No difference.
    Nothing,
    /// A difference: the bench can see one.
    Difference,
    /// Either: it is shown because it is asked for, and tells nothing that the answer does not say.
    Either,
}

pub fn all() -> Vec<Experiment> {
    vec![
        Experiment { name: "signature: 63 of 64 digits right, or none", ..guessed(verifier(&[SECRETS[0]])) },
        Experiment { name: "signature: made with secret 1, or secret 4", ..slots() },
        Experiment { name: "token: all but the last character right, or none", ..guessed_token() },
        Experiment { name: "token: secret 1, or secret 4", ..token_slots() },
        Experiment { name: "a source that exists, or one that does not", ..sources() },
        control(),
    ]
}

/// How much of a tag is right. Both are wrong.
fn guessed(verifier: Verifier) -> Experiment {
    let signer = self::verifier(&[SECRETS[0]]);
    Experiment {
        name: "",
        request: Box::new(move |class, dice| {
            let body = dice.body();
            let tag = tag(&signer, &body);
            request(HEADER, &guess(class, &tag, dice), body)
        }),
        verify: Box::new(move |_, request| verifier.verify(request, now())),
        accepts: false,
        expected: Expected::Nothing,
    }
}

/// Right but for the last digit, or random. Both are made by the same steps, so that they lie alike in memory.
fn guess(class: Class, tag: &str, dice: &mut Dice) -> String {
    let (most, last) = tag.split_at(tag.len() - 1);
    let (random, end) = (dice.digits(most.len(), ""), dice.digits(1, last));
    let mut guess = String::with_capacity(tag.len());
    guess.push_str([most, &random][class as usize]);
    guess.push_str(&end);
    guess
}

/// Which of four secrets signed. All are right.
fn slots() -> Experiment {
    let verifier = verifier(&SECRETS);
    let signers = [SECRETS[0], SECRETS[3]].map(|secret| self::verifier(&[secret]));
    Experiment {
        name: "",
        request: Box::new(move |class, dice| {
            let body = dice.body();
            // Both sign, so that both leave the same behind.
            let tags = signers.each_ref().map(|signer| tag(signer, &body));
            request(HEADER, &tags[class as usize], body)
        }),
        verify: Box::new(move |_, request| verifier.verify(request, now())),
        accepts: true,
        expected: Expected::Nothing,
    }
}

fn guessed_token() -> Experiment {
    let verifier = token_verifier();
    Experiment {
        name: "",
        request: Box::new(|class, dice| {
            let token = guess(class, SECRETS[0], dice);
            request("authorization", &format!("Bearer {token}"), dice.body())
        }),
        verify: Box::new(move |_, request| verifier.verify(request, now())),
        accepts: false,
        expected: Expected::Nothing,
    }
}

fn token_slots() -> Experiment {
    let verifier = token_verifier();
    Experiment {
        name: "",
        request: Box::new(|class, dice| {
            let token = [SECRETS[0], SECRETS[3]][class as usize];
            request("authorization", &format!("Bearer {token}"), dice.body())
        }),
        verify: Box::new(move |_, request| verifier.verify(request, now())),
        accepts: true,
        expected: Expected::Nothing,
    }
}

/// A wrong signature at a source with one secret, or at no source. The answers are 401 and 404, so that the time need not
/// hide which it is; what it must not be is much cheaper to guess names than to guess signatures.
fn sources() -> Experiment {
    let (known, unknown) = (verifier(&[SECRETS[0]]), Verifier::decoy());
    Experiment {
        verify: Box::new(move |class, request| match class {
            Class::A => known.verify(request, now()),
            Class::B => unknown.verify(request, now()),
        }),
        request: Box::new(|_, dice| {
            let tag = dice.digits(64, "");
            request(HEADER, &tag, dice.body())
        }),
        expected: Expected::Either,
        ..guessed(verifier(&[SECRETS[0]]))
    }
}

/// The mistake: the right tag, compared digit by digit up to the first that differs.
fn control() -> Experiment {
    let verifier = verifier(&[SECRETS[0]]);
    let verify = move |_: Class, request: Request| {
        let lines = verifier.sign(&request.body, now(), "");
        let expected = lines[0].1.expose();
        let given = request.headers.all(HEADER).next().unwrap_or_default();
        let same = expected.len() == given.len() && std::iter::zip(expected, given).all(|(a, b)| a == b);
        if same { verifier.verify(request, now()) } else { Err(Refusal::SignatureMismatch) }
    };
    Experiment {
        name: "control: a comparison with an early exit",
        verify: Box::new(verify),
        expected: Expected::Difference,
        ..guessed(self::verifier(&[SECRETS[0]]))
    }
}

fn verifier(secrets: &[&str]) -> Verifier {
    Verifier::new(Scheme::Hmac(HmacScheme::sha256_hex(HEADER)), secrets_of(secrets)).unwrap()
}

fn token_verifier() -> Verifier {
    Verifier::new(Scheme::Token(TokenScheme::bearer()), secrets_of(&SECRETS)).unwrap()
}

fn secrets_of(texts: &[&str]) -> Vec<Secret> {
    texts.iter().map(|text| Secret::new(*text)).collect()
}

fn tag(signer: &Verifier, body: &[u8]) -> String {
    signer.sign(body, now(), "")[0].1.expose_str().unwrap().to_owned()
}

fn request(header: &str, value: &str, body: Vec<u8>) -> Request {
    let mut headers = Headers::default();
    headers.push(header, value);
    Request { headers, body: body.into(), received_at: now() }
}

fn now() -> Timestamp {
    Timestamp::from_millis(1_750_000_000_000)
}

/// splitmix64.
pub struct Dice(u64);

impl Dice {
    pub fn new() -> Self {
        let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
        Self(since.as_nanos() as u64)
    }

    fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub fn below(&mut self, bound: usize) -> usize {
        (self.roll() >> 8) as usize % bound
    }

    /// As long as a short alert.
    fn body(&mut self) -> Vec<u8> {
        (0..32).flat_map(|_| self.roll().to_le_bytes()).collect()
    }

    /// Hexadecimal digits, none of them `other`.
    fn digits(&mut self, count: usize, other: &str) -> String {
        let mut digits = String::with_capacity(count);
        while digits.len() < count {
            let digit = char::from(b"0123456789abcdef"[self.below(16)]);
            if !other.starts_with(digit) {
                digits.push(digit);
            }
        }
        digits
    }
}

const HEADER: &str = "x-signature";
/// All of one length, in hexadecimal, so that a random guess looks like one.
const SECRETS: [&str; 4] = [
    "0b8f3c5d7e9a1f2b4c6d8e0f1a3b5c7d",
    "1c9e4d6f8a0b2d3e5f7a9b1c2d4e6f8a",
    "2da05e7f9b1c3e4f6a8b0c2d3e5f7a9b",
    "3eb16f80ac2d4f507b9c1d3e4f60718c",
];
