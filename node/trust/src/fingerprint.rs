//! The fingerprint of a federation's first root of trust: what two people compare by telephone.

use std::fmt;
use std::str::FromStr;

use chengxin_schemas::digest::{Sha256, hex_encode};

use crate::error::TrustError;

/// SHA-256 of the bytes of `1.root.json`. Whoever has it can check everything else of the federation; so it is given
/// by a way other than the network: on the letter of admission, by telephone.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct RootFingerprint(Sha256);

impl RootFingerprint {
    /// The fingerprint of a first root file.
    pub fn of(first_root: &[u8]) -> Self {
        Self(Sha256::of(first_root))
    }

    /// The first 128 bits in groups of four digits, for reading aloud. Enough against another file made to match;
    /// pinning takes the full form all the same.
    pub fn grouped(&self) -> String {
        let digits = hex_encode(&self.0.0[..16]);
        let groups: Vec<&str> = (0..8).filter_map(|group| digits.get(group * 4..group * 4 + 4)).collect();
        groups.join(" ")
    }
}

impl fmt::Display for RootFingerprint {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, formatter)
    }
}

impl fmt::Debug for RootFingerprint {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, formatter)
    }
}

impl FromStr for RootFingerprint {
    type Err = TrustError;

    /// Accepts `sha256:` and 64 digits, in either case and with spaces between groups, as people type it.
    fn from_str(text: &str) -> Result<Self, TrustError> {
        let compact: String = text
            .chars()
            .filter(|character| !character.is_whitespace())
            .map(|c| c.to_ascii_lowercase())
            .collect();
        compact.parse().map(Self).map_err(|_| TrustError::Parameter {
            field: "fingerprint",
            reason: "it reads sha256: and 64 hexadecimal digits; the short form is only for comparing"
                .to_owned(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn people_may_group_the_digits() {
        let fingerprint = RootFingerprint::of(b"");
        assert_eq!(fingerprint.grouped(), "e3b0 c442 98fc 1c14 9afb f4c8 996f b924");
        let typed = fingerprint.to_string().to_uppercase().replace("98FC", " 98FC ");
        assert_eq!(typed.parse::<RootFingerprint>().expect("grouped"), fingerprint);
        assert!(fingerprint.grouped().parse::<RootFingerprint>().is_err(), "the short form pins nothing");
    }
}
