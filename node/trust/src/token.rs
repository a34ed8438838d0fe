//! One-time tokens: how a coordinator lets exactly one agency apply, without meeting its machine first.
//!
//! The token's text is shown once to the coordinator and travels by letter or telephone; the book keeps only its hash.
//! 160 random bits cannot be guessed, so the plain hash needs no salt and no stretching.

use std::fmt;
use std::str::FromStr;

use chengxin_schemas::ErrorCode;
use chengxin_schemas::agency::AgencyCode;
use chengxin_schemas::digest::Sha256;
use chengxin_schemas::federation::FunctionCode;
use chengxin_schemas::key::KeyId;
use chengxin_schemas::region::RegionCode;
use chengxin_schemas::time::UnixTime;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::error::TrustError;
use crate::join::CheckedApplication;
use crate::limits::{TOKEN_LIFETIME_LIMIT, TOKEN_ROWS_LIMIT, TOKENS_LIMIT};

const PREFIX: &str = "cxjoin-";
/// Crockford's base32: no I, L, O or U, so nothing looks like something else in print.
const SYMBOLS: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";
const SECRET_BYTES: usize = 20;
const SECRET_SYMBOLS: usize = 32;
const CHECK_SYMBOLS: usize = 4;

/// A token in the clear. `Debug` hides it; [`Token::reveal`] is for the one time it is shown.
#[derive(Clone, PartialEq, Eq)]
pub struct Token(Zeroizing<[u8; SECRET_BYTES]>);

impl Token {
    /// The token of 20 random bytes.
    pub fn generate(random: Zeroizing<[u8; SECRET_BYTES]>) -> Self {
        Self(random)
    }

    /// `cxjoin-` and nine groups of four characters; the last group is a checksum.
    pub fn reveal(&self) -> Zeroizing<String> {
        let mut symbols = base32(&self.0[..], SECRET_SYMBOLS);
        symbols.push_str(&self.checksum());
        let mut text = Zeroizing::new(String::from(PREFIX));
        for (place, symbol) in symbols.chars().enumerate() {
            if place > 0 && place % 4 == 0 {
                text.push('-');
            }
            text.push(symbol);
        }
        text
    }

    /// What the book keeps.
    pub fn digest(&self) -> Sha256 {
        Sha256::of_parts(&[b"chengxin/join-token/v1\n", &self.0[..]])
    }

    fn checksum(&self) -> String {
        let digest = Sha256::of_parts(&[b"chengxin/join-token-check/v1\n", &self.0[..]]);
        base32(&digest.0[..3], CHECK_SYMBOLS)
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Token(..)")
    }
}

impl FromStr for Token {
    type Err = TrustError;

    /// Reads a token as people type it: any case, any spaces and hyphens, `o` for `0`, `i` and `l` for `1`.
    fn from_str(text: &str) -> Result<Self, TrustError> {
        let refuse = |reason| TrustError::Token { reason, code: ErrorCode::Invalid };
        // A token has 50 characters; a text much longer is something else.
        if text.len() > 200 {
            return Err(refuse(
                "this is too long for a token; it begins with cxjoin- and has nine groups of four",
            ));
        }
        let plain = Zeroizing::new(
            text.chars()
                .filter(|character| !character.is_whitespace() && *character != '-')
                .map(|character| match character.to_ascii_lowercase() {
                    'o' => '0',
                    'i' | 'l' => '1',
                    other => other,
                })
                .collect::<String>(),
        );
        let body = plain
            .strip_prefix("cxj01n")
            .ok_or_else(|| refuse("this is not a token to join with; it begins with cxjoin-"))?;
        if body.chars().count() != SECRET_SYMBOLS + CHECK_SYMBOLS {
            return Err(refuse("characters are missing or too many; nine groups of four follow cxjoin-"));
        }
        let values: Option<Vec<u8>> = body.bytes().map(symbol_value).collect();
        let values = Zeroizing::new(values.ok_or_else(|| {
            refuse("it holds a character that tokens do not use; compare it with the letter")
        })?);
        let token = Self(bytes_of(&values[..SECRET_SYMBOLS]));
        if token.checksum().as_bytes() != &body.as_bytes()[SECRET_SYMBOLS..] {
            return Err(refuse("a character is mistyped; compare it with the letter group by group"));
        }
        Ok(token)
    }
}

/// The leading `symbols` times five bits of `bytes`.
fn base32(bytes: &[u8], symbols: usize) -> String {
    let bit = |place: usize| bytes.get(place / 8).map_or(0, |byte| byte >> (7 - place % 8) & 1);
    (0..symbols)
        .map(|symbol| (0..5).fold(0_u8, |value, offset| value << 1 | bit(symbol * 5 + offset)))
        .map(|value| char::from(SYMBOLS[usize::from(value)]))
        .collect()
}

fn bytes_of(values: &[u8]) -> Zeroizing<[u8; SECRET_BYTES]> {
    let mut bytes = Zeroizing::new([0_u8; SECRET_BYTES]);
    let bits = values.iter().flat_map(|value| (0..5).rev().map(move |place| value >> place & 1));
    for (place, bit) in bits.enumerate().take(SECRET_BYTES * 8) {
        bytes[place / 8] |= bit << (7 - place % 8);
    }
    bytes
}

fn symbol_value(symbol: u8) -> Option<u8> {
    SYMBOLS.iter().position(|known| *known == symbol).and_then(|place| u8::try_from(place).ok())
}

/// What a token entitles to: one entry in the directory for this agency, as the coordinator described it. The
/// applicant cannot change any of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TokenGrant {
    /// The agency.
    pub agency: AgencyCode,
    /// Its official name.
    pub name: String,
    /// The region it serves.
    pub region: RegionCode,
    /// What it does by law.
    pub functions: Vec<FunctionCode>,
    /// The token is void from this time on.
    pub expires: UnixTime,
    /// Whether it admits keys that a removed member had. The caller looks them up.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub former_keys: bool,
}

/// A token in the book, as the caller stores it: version 1 of the form.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TokenRow {
    /// Hash of the token.
    pub digest: Sha256,
    /// What it entitles to.
    pub grant: TokenGrant,
    /// When it was issued.
    pub issued_at: UnixTime,
    /// Its redemption, if any.
    pub redeemed: Option<RedeemedBy>,
}

/// How a token was redeemed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RedeemedBy {
    /// Digest of the application that came with it first.
    pub application: Sha256,
    /// When.
    pub at: UnixTime,
    /// Who applied. Absent in rows written before this was kept: those recognise their application's digest only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub applicant: Option<Applicant>,
}

/// Who redeems a token, by what it has proven: a node that asks again signs another time into its application, and may
/// have been given another address, but has the same keys. The agency is that of the grant.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Applicant {
    /// The key that signed the application.
    pub signing_key: KeyId,
    /// The identity that the connection proved.
    pub transport_identity: String,
}

/// What issuing a token changed in the book.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IssuedToken {
    /// The new row, to store.
    pub row: TokenRow,
    /// Rows struck out, to delete.
    pub replaced: Vec<TokenRow>,
}

/// What a redemption found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Redemption {
    /// The first one: admit the agency.
    First(TokenGrant),
    /// The same applicant again, because its answer was lost or it could not be admitted: finish admitting if need be.
    Repeated(TokenGrant),
}

/// The coordinator's book of tokens. Pure state: the caller stores the row that an operation gives back, durably and
/// before it acts on it. The commit point of an admission is the redeemed row; whatever fails behind it, the applicant
/// applies again and is recognised by its keys.
#[derive(Clone, Debug, Default)]
pub struct TokenBook {
    rows: Vec<TokenRow>,
}

impl TokenBook {
    /// The book of stored rows.
    pub fn from_rows(rows: Vec<TokenRow>) -> Result<Self, TrustError> {
        if rows.len() > TOKEN_ROWS_LIMIT {
            return Err(TrustError::TooMany { what: "tokens", actual: rows.len(), limit: TOKEN_ROWS_LIMIT });
        }
        Ok(Self { rows })
    }

    /// All rows, in the order of issue.
    pub fn rows(&self) -> &[TokenRow] {
        &self.rows
    }

    /// Enters a token. An earlier one for the same agency that still waits is struck out: the newest letter counts.
    pub fn issue(
        &mut self,
        token: &Token,
        grant: TokenGrant,
        now: UnixTime,
    ) -> Result<IssuedToken, TrustError> {
        if grant.expires <= now || grant.expires.since(now) > TOKEN_LIFETIME_LIMIT {
            return Err(TrustError::Parameter {
                field: "expires",
                reason: "a token is valid for at least a moment and at most 30 days".to_owned(),
            });
        }
        if self.find(token).is_some() {
            let reason = "this token is in the book already; draw new random bytes".to_owned();
            return Err(TrustError::Parameter { field: "token", reason });
        }
        let is_replaced = |row: &TokenRow| row.redeemed.is_none() && row.grant.agency == grant.agency;
        let (replaced, mut rows): (Vec<TokenRow>, Vec<TokenRow>) =
            self.rows.iter().cloned().partition(is_replaced);
        let waiting = rows.iter().filter(|row| row.redeemed.is_none()).count();
        for (what, held, limit) in
            [("tokens waiting", waiting, TOKENS_LIMIT), ("tokens", rows.len(), TOKEN_ROWS_LIMIT)]
        {
            if held >= limit {
                return Err(TrustError::TooMany { what, actual: held.saturating_add(1), limit });
            }
        }
        let row = TokenRow { digest: token.digest(), grant, issued_at: now, redeemed: None };
        rows.push(row.clone());
        self.rows = rows;
        Ok(IssuedToken { row, replaced })
    }

    /// What a token entitles to, without redeeming it: the application is checked against this first, so that a wrong
    /// application does not use the token up.
    pub fn grant(&self, token: &Token, now: UnixTime) -> Result<&TokenGrant, TrustError> {
        let place = self.find(token).ok_or_else(unknown)?;
        let row = &self.rows[place];
        if row.redeemed.is_none() && row.grant.expires <= now {
            return Err(TrustError::Token {
                reason: "it is no longer valid; ask the coordinator for a new one",
                code: ErrorCode::Expired,
            });
        }
        Ok(&row.grant)
    }

    /// Whether a token was redeemed: then the time of signing of an application that comes with it says nothing, see
    /// [`crate::SignedWhen`].
    pub fn is_redeemed(&self, token: &Token) -> bool {
        self.find(token).is_some_and(|place| self.rows[place].redeemed.is_some())
    }

    /// Redeems a token for an application. Once; the same applicant is recognised again.
    pub fn redeem(
        &mut self,
        token: &Token,
        application: &CheckedApplication,
        now: UnixTime,
    ) -> Result<Redemption, TrustError> {
        let grant = self.grant(token, now)?.clone();
        let place = self.find(token).ok_or_else(unknown)?;
        let CheckedApplication { applicant, digest, .. } = application;
        let is_same = |by: &RedeemedBy| match &by.applicant {
            Some(first) => first == applicant,
            None => by.application == *digest,
        };
        match &self.rows[place].redeemed {
            None => {
                let by = RedeemedBy { application: *digest, at: now, applicant: Some(applicant.clone()) };
                self.rows[place].redeemed = Some(by);
                Ok(Redemption::First(grant))
            }
            Some(by) if is_same(by) => Ok(Redemption::Repeated(grant)),
            Some(_) => Err(TrustError::Token {
                reason: "it was redeemed already; if that was not you, call the coordinator at once",
                code: ErrorCode::Conflict,
            }),
        }
    }

    /// Strikes out what is of no more use: tokens that ran out, and redeemed ones a token's longest life after their
    /// redemption. Gives back what was struck out, for the caller to delete.
    pub fn expire(&mut self, now: UnixTime) -> Vec<TokenRow> {
        let is_over = |row: &TokenRow| match &row.redeemed {
            None => row.grant.expires <= now,
            Some(by) => now.since(by.at) > TOKEN_LIFETIME_LIMIT,
        };
        let (over, rows) = std::mem::take(&mut self.rows).into_iter().partition(is_over);
        self.rows = rows;
        over
    }

    /// Strikes out every token of an agency, redeemed ones too: a redeemed token lets its applicant finish an admission
    /// that stopped half-way, and must not bring back a member that was removed. Returns whether there was one.
    pub fn withdraw(&mut self, agency: &AgencyCode) -> bool {
        let count = self.rows.len();
        self.rows.retain(|row| row.grant.agency != *agency);
        self.rows.len() < count
    }

    /// Compares with every row to the end, so that the time taken says nothing about which bytes agree.
    fn find(&self, token: &Token) -> Option<usize> {
        let digest = token.digest();
        self.rows.iter().enumerate().fold(None, |found, (place, row)| {
            if is_equal_in_constant_time(&row.digest.0, &digest.0) { Some(place) } else { found }
        })
    }
}

fn unknown() -> TrustError {
    TrustError::Token {
        reason: "it is not in the coordinator's book; ask whether it was withdrawn or replaced",
        code: ErrorCode::Denied,
    }
}

fn is_equal_in_constant_time(left: &[u8; 32], right: &[u8; 32]) -> bool {
    let difference = left.iter().zip(right).fold(0_u8, |seen, (left, right)| seen | (left ^ right));
    std::hint::black_box(difference) == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: UnixTime = UnixTime(1_795_334_400);

    fn token(seed: u8) -> Token {
        Token::generate(Zeroizing::new([seed; SECRET_BYTES]))
    }

    fn grant() -> TokenGrant {
        TokenGrant {
            agency: "11152105011615449P".parse().expect("code"),
            name: "测试机关".to_owned(),
            region: "152105".parse().expect("region"),
            functions: vec![],
            expires: NOW.plus(3600),
            former_keys: false,
        }
    }

    fn application(signing_key: u8, digest: &[u8]) -> CheckedApplication {
        let seed = Zeroizing::new([signing_key; 32]);
        let key = chengxin_schemas::key::SigningKey::from_seed(&seed).expect("any seed");
        CheckedApplication {
            entry: crate::fixture::entry(1),
            digest: Sha256::of(digest),
            applicant: Applicant {
                signing_key: key.public().key_id(),
                transport_identity: "12D3KooWtest1".to_owned(),
            },
        }
    }

    fn code(result: Result<impl Sized, TrustError>) -> Option<ErrorCode> {
        result.err().map(|error| error.code())
    }

    #[test]
    fn a_token_is_read_as_people_type_it_and_a_slip_is_named() {
        let text = token(0x5a).reveal().to_string();
        assert_eq!(text.len(), PREFIX.len() + 36 + 8);
        assert_eq!(text.to_uppercase().replace('-', " ").parse::<Token>().expect("typed"), token(0x5a));
        let slip = |from: &str, to: &str| {
            let error = text.replacen(from, to, 1).parse::<Token>().expect_err("a slip");
            error.to_string()
        };
        let group = &text[7..11];
        assert!(slip(group, "0000").contains("mistyped"));
        assert!(slip(group, "u000").contains("do not use"));
        assert!(slip(group, "").contains("missing"));
        assert!(slip("cxjoin", "cx").contains("begins with"));
        assert!("长".repeat(36).parse::<Token>().is_err());
        assert!(format!("cxjoin-{}", "长".repeat(36)).parse::<Token>().is_err());
        assert!(!format!("{:?}", token(0x5a)).contains(group));
    }

    #[test]
    fn a_token_is_redeemed_once_and_the_same_applicant_is_recognised() {
        let mut book = TokenBook::default();
        book.issue(&token(1), grant(), NOW).expect("issued");
        assert!(!book.is_redeemed(&token(1)) && !book.is_redeemed(&token(2)));
        let (first, other) = (application(1, b"first"), application(2, b"first"));
        assert_eq!(book.redeem(&token(1), &first, NOW).expect("first"), Redemption::First(grant()));
        assert!(book.is_redeemed(&token(1)));
        let signed_again = application(1, b"another text");
        assert_eq!(
            book.redeem(&token(1), &signed_again, NOW.plus(9999)).expect("again"),
            Redemption::Repeated(grant())
        );
        let mut moved = application(1, b"first");
        moved.applicant.transport_identity.push('x');
        assert_eq!(code(book.redeem(&token(1), &moved, NOW)), Some(ErrorCode::Conflict));
        assert_eq!(code(book.redeem(&token(1), &other, NOW)), Some(ErrorCode::Conflict));
        assert_eq!(code(book.redeem(&token(2), &first, NOW)), Some(ErrorCode::Denied));
        let stored = serde_json::to_string(book.rows()).expect("rows");
        let mut reopened = TokenBook::from_rows(serde_json::from_str(&stored).expect("rows")).expect("book");
        assert_eq!(code(reopened.redeem(&token(1), &other, NOW)), Some(ErrorCode::Conflict));
        assert!(reopened.redeem(&token(1), &signed_again, NOW).is_ok());
    }

    #[test]
    fn a_row_without_its_applicant_recognises_the_text() {
        let stored = format!(
            r#"[{{"digest":"{}","grant":{},"issued_at":0,"redeemed":{{"application":"{}","at":0}}}}]"#,
            token(1).digest(),
            serde_json::to_string(&grant()).expect("grant"),
            Sha256::of(b"first")
        );
        let mut book = TokenBook::from_rows(serde_json::from_str(&stored).expect("rows")).expect("book");
        assert!(book.redeem(&token(1), &application(1, b"first"), NOW).is_ok());
        assert_eq!(code(book.redeem(&token(1), &application(1, b"other"), NOW)), Some(ErrorCode::Conflict));
    }

    #[test]
    fn a_withdrawn_token_is_good_for_nobody() {
        let mut book = TokenBook::default();
        book.issue(&token(1), grant(), NOW).expect("issued");
        book.redeem(&token(1), &application(1, b"first"), NOW).expect("redeemed");
        book.issue(&token(2), grant(), NOW).expect("issued");
        assert!(book.withdraw(&grant().agency) && !book.withdraw(&grant().agency));
        for number in [1, 2] {
            assert!(!book.is_redeemed(&token(number)));
            let again = book.redeem(&token(number), &application(1, b"first"), NOW);
            assert_eq!(code(again), Some(ErrorCode::Denied), "its own applicant is refused too");
        }
    }

    #[test]
    fn redeemed_tokens_leave_room_for_those_that_wait() {
        let row = |number: usize, redeemed| TokenRow {
            digest: Sha256::of(&number.to_be_bytes()),
            grant: grant(),
            issued_at: NOW,
            redeemed,
        };
        let by = RedeemedBy { application: Sha256::of(b""), at: NOW, applicant: None };
        let redeemed: Vec<TokenRow> =
            (0..crate::limits::MEMBERS_LIMIT).map(|number| row(number, Some(by.clone()))).collect();
        let mut book = TokenBook::from_rows(redeemed.clone()).expect("every member joined by a token");
        book.issue(&token(1), grant(), NOW).expect("and one more may");
        let other = TokenGrant { agency: "11320100MB1886843H".parse().expect("code"), ..grant() };
        let waiting = (0..TOKENS_LIMIT).map(|number| row(usize::MAX - number, None));
        let mut full = TokenBook::from_rows(waiting.collect()).expect("as many as may wait");
        assert_eq!(code(full.issue(&token(1), other, NOW)), Some(ErrorCode::TooLarge));
        let rows = redeemed.iter().cycle().take(TOKEN_ROWS_LIMIT + 1).cloned().collect();
        assert_eq!(code(TokenBook::from_rows(rows)), Some(ErrorCode::TooLarge));
    }

    #[test]
    fn a_token_ends_and_a_newer_one_replaces_it() {
        let mut book = TokenBook::default();
        book.issue(&token(1), grant(), NOW).expect("issued");
        assert_eq!(
            code(book.redeem(&token(1), &application(1, b""), NOW.plus(3600))),
            Some(ErrorCode::Expired)
        );
        let issued = book.issue(&token(2), grant(), NOW).expect("issued");
        assert_eq!(issued.replaced.iter().map(|row| row.digest).collect::<Vec<_>>(), [token(1).digest()]);
        assert_eq!(code(book.issue(&token(2), grant(), NOW)), Some(ErrorCode::Invalid));
        assert_eq!(book.rows(), [issued.row]);
        assert_eq!(code(book.grant(&token(1), NOW)), Some(ErrorCode::Denied));
        assert!(book.grant(&token(2), NOW.plus(3599)).is_ok());
        let too_long = TokenGrant { expires: NOW.plus(TOKEN_LIFETIME_LIMIT + 1), ..grant() };
        assert_eq!(code(book.issue(&token(3), too_long, NOW)), Some(ErrorCode::Invalid));
        assert_eq!(book.expire(NOW.plus(3599)), []);
        assert_eq!(book.expire(NOW.plus(3600)).len(), 1);
        assert!(book.rows().is_empty());
    }

    proptest::proptest! {
        #[test]
        fn every_token_reads_back_and_every_single_slip_is_found(
            bytes: [u8; SECRET_BYTES],
            place in 0_usize..36,
            shift in 1_usize..32,
        ) {
            let token = Token::generate(Zeroizing::new(bytes));
            let text = token.reveal();
            proptest::prop_assert_eq!(text.parse::<Token>().ok(), Some(token.clone()));
            let mut symbols: Vec<u8> = text[PREFIX.len()..].bytes().filter(|byte| *byte != b'-').collect();
            let value = usize::from(symbol_value(symbols[place]).expect("a symbol"));
            symbols[place] = SYMBOLS[(value + shift) % 32];
            let slipped = format!("{PREFIX}{}", String::from_utf8(symbols).expect("ascii"));
            // A slip in the checksum is always found; one in the secret unless both have the same 20 bits of checksum.
            match slipped.parse::<Token>() {
                Err(error) => proptest::prop_assert!(error.to_string().contains("mistyped"), "{}", error),
                Ok(other) => {
                    proptest::prop_assert!(other != token);
                    proptest::prop_assert_eq!(other.checksum(), token.checksum());
                }
            }
        }

        #[test]
        fn any_text_parses_or_errs_without_panic(text in "\\PC{0,60}") {
            let _ = text.parse::<Token>();
        }
    }
}
