//! What nodes send each other inside a frame: version byte, then postcard.

use std::fmt;

use serde::{Deserialize, Serialize};
use zeroize::Zeroize as _;

use crate::adoption::AdoptionReport;
use crate::digest::Sha256;
use crate::error::{ErrorCode, SchemaError};
use crate::simulation::SimulationCounts;
use crate::time::UnixTime;

/// Version of the wire protocol; the first byte of every message.
pub const WIRE_VERSION: u8 = 1;
/// Most presentations in one response; the same limit as in an answer.
pub const PRESENTATIONS_LIMIT: usize = crate::answer::ANSWER_RECORDS_LIMIT;
/// Largest metadata or target file served in one response, in bytes.
pub const METADATA_LIMIT: usize = 2 * 1024 * 1024;

/// A request between nodes.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum PeerRequest {
    /// About a subject: the request's compact JWS.
    Check(String),
    /// One item of a notice stream.
    Deliver {
        /// The item header's compact JWS.
        header: String,
        /// The sealed payload.
        sealed: Vec<u8>,
    },
    /// A file of the federation's metadata, by name (`timestamp.json`, `3.snapshot.json`, `directory/….json`).
    Metadata(String),
    /// Which versions the peer holds; sent on connecting and on a timer.
    Versions,
    /// To a coordinator: by which policy the sender decides, and what it made of the one that was published. Its league or
    /// city is told the same.
    Adoption(Box<AdoptionReport>),
    /// To a coordinator: an overlay that the sender publishes for its region.
    Overlay {
        /// The [`crate::publication::Publication`] as JSON.
        publication: String,
        /// The overlay in its published form.
        content: Vec<u8>,
    },
    /// From a coordinator: what would have become of the recipient's requests under a policy that is proposed. A league or
    /// city asks the bodies there about its overlay.
    Simulate {
        /// The bundle or overlay in its published form.
        content: Vec<u8>,
        /// From when on.
        since: UnixTime,
    },
}

/// Shows kinds and lengths: a request's JWS names its subject to anyone who reads base64.
impl fmt::Debug for PeerRequest {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Check(request) => write!(formatter, "Check({} bytes)", request.len()),
            Self::Deliver { header, sealed } => {
                write!(formatter, "Deliver(header of {} bytes, sealed {})", header.len(), sealed.len())
            }
            Self::Metadata(name) => write!(formatter, "Metadata({name:?})"),
            Self::Versions => formatter.write_str("Versions"),
            Self::Adoption(report) => write!(formatter, "Adoption({})", report.in_force.version),
            Self::Overlay { publication, content } => {
                write!(
                    formatter,
                    "Overlay(publication of {} bytes, content {})",
                    publication.len(),
                    content.len()
                )
            }
            Self::Simulate { content, since } => {
                write!(formatter, "Simulate({} bytes, {since:?})", content.len())
            }
        }
    }
}

/// A response between nodes.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum PeerResponse {
    /// To [`PeerRequest::Check`].
    Check {
        /// The answer's compact JWS.
        answer: String,
        /// The presentations it covers, in order.
        presentations: Vec<String>,
    },
    /// To [`PeerRequest::Deliver`]: the receipt's compact JWS.
    Receipt(String),
    /// To [`PeerRequest::Deliver`], when the item does not follow: the highest number the recipient has.
    Gap {
        /// Highest contiguous sequence number held.
        have: u64,
    },
    /// To [`PeerRequest::Metadata`]: the file, or nothing if it is not held.
    Metadata(Option<Vec<u8>>),
    /// To [`PeerRequest::Versions`].
    Versions {
        /// Version of the trusted timestamp metadata.
        timestamp: u64,
        /// Version of the member directory (targets metadata).
        directory: u64,
        /// Version of the policy in force.
        policy: String,
    },
    /// The request was not even considered.
    Failed {
        /// Why, as a code.
        code: ErrorCode,
        /// Why, in words the peer may know.
        reason: String,
    },
    /// To [`PeerRequest::Deliver`], when the recipient has another item under the number, or another one before it: where
    /// its stream stands, so that the issuer can go on from there.
    Diverged {
        /// Highest contiguous sequence number held.
        have: u64,
        /// Link of the item with that number; all zero for none.
        link: Sha256,
    },
    /// To [`PeerRequest::Adoption`]: kept, durably. To [`PeerRequest::Overlay`]: published.
    Noted,
    /// To [`PeerRequest::Simulate`].
    Simulated(Box<SimulationCounts>),
}

/// Shows kinds and lengths: presentations disclose their fields to anyone who reads base64.
impl fmt::Debug for PeerResponse {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Check { answer, presentations } => {
                write!(formatter, "Check(answer of {} bytes, {} records)", answer.len(), presentations.len())
            }
            Self::Receipt(receipt) => write!(formatter, "Receipt({} bytes)", receipt.len()),
            Self::Gap { have } => write!(formatter, "Gap({have})"),
            Self::Diverged { have, link: _ } => write!(formatter, "Diverged({have})"),
            Self::Metadata(file) => write!(formatter, "Metadata({:?} bytes)", file.as_ref().map(Vec::len)),
            Self::Versions { timestamp, directory, policy } => {
                write!(formatter, "Versions({timestamp}, {directory}, {policy:?})")
            }
            Self::Failed { code, reason } => write!(formatter, "Failed({code:?}, {reason:?})"),
            Self::Noted => formatter.write_str("Noted"),
            Self::Simulated(counts) => write!(formatter, "Simulated({} requests)", counts.requests),
        }
    }
}

/// The text of a one-time token on its way: shown by nothing, and wiped when it is no longer needed.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct TokenText(String);

impl TokenText {
    /// The text as it was given out.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text, to be parsed.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl Drop for TokenText {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

impl fmt::Debug for TokenText {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("TokenText(..)")
    }
}

/// A request through the join door, from someone who is not a member yet.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum JoinRequest {
    /// A file of the federation's metadata; public within the federation and free of secrets.
    Metadata(String),
    /// Asks for admission.
    Admit {
        /// The one-time token.
        token: TokenText,
        /// JSON of the keys and addresses of the new member, as a compact JWS by its own signing key.
        application: String,
    },
}

/// A response through the join door.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum JoinResponse {
    /// The file, or nothing if it does not exist.
    Metadata(Option<Vec<u8>>),
    /// Admitted: the directory of this version has the entry.
    Admitted {
        /// Version of the member directory.
        directory: u64,
    },
    /// Not admitted.
    Failed {
        /// Why, as a code.
        code: ErrorCode,
        /// Why, in words.
        reason: String,
    },
}

/// Encodes a message with its version byte.
pub fn encode<T: Serialize>(message: &T) -> Result<Vec<u8>, SchemaError> {
    postcard::to_extend(message, vec![WIRE_VERSION]).map_err(|_| SchemaError::Malformed {
        form: "wire",
        reason: "the message does not encode".to_owned(),
    })
}

/// Decodes a message; trailing bytes are an error. The frame layer has already bounded the length, and postcard
/// never allocates more than the bytes at hand.
pub fn decode<'de, T: Deserialize<'de>>(bytes: &'de [u8]) -> Result<T, SchemaError> {
    let malformed = |reason: &str| SchemaError::Malformed { form: "wire", reason: reason.to_owned() };
    match bytes.split_first() {
        None => Err(malformed("empty message")),
        Some((&WIRE_VERSION, body)) => match postcard::take_from_bytes(body) {
            Ok((message, [])) => Ok(message),
            Ok(_) => Err(malformed("bytes after the end of the message")),
            Err(_) => Err(malformed("not a message of this version")),
        },
        Some(_) => {
            Err(malformed("another protocol version; both nodes need a common one: upgrade the older"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_round_trip_and_other_versions_are_named() {
        let message = PeerRequest::Metadata("timestamp.json".into());
        let mut bytes = encode(&message).expect("encodes");
        assert_eq!(decode::<PeerRequest>(&bytes).expect("decodes"), message);
        bytes.push(0);
        assert!(decode::<PeerRequest>(&bytes).is_err());
        bytes[0] = 9;
        assert!(decode::<PeerRequest>(&bytes).expect_err("version").to_string().contains("version"));
        assert!(decode::<PeerRequest>(&[]).is_err());
    }

    proptest::proptest! {
        #![proptest_config(proptest::test_runner::Config::with_cases(4096))]

        #[test]
        fn any_bytes_decode_or_err_without_panic(bytes in proptest::collection::vec(proptest::num::u8::ANY, 0..200)) {
            let _ = decode::<PeerRequest>(&bytes);
            let _ = decode::<PeerResponse>(&bytes);
            let _ = decode::<JoinRequest>(&bytes);
        }
    }
}
