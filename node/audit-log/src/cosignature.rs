//! C2SP tlog-cosignature: a witness's signature over a checkpoint with the time at which it had seen nothing larger
//! and nothing contradictory.

use chengxin_schemas::key::SigningKey;
use chengxin_schemas::time::UnixTime;

use crate::error::LogError;
use crate::note::{KeyKind, KeyName, NoteKeyId, NoteSignature, NoteVerifier, UnverifiedNote};

/// A cosignature that was verified.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Cosignature {
    /// Name of the witness's key.
    pub witness: KeyName,
    /// ID of that key: two witnesses may bear one name.
    pub key_id: NoteKeyId,
    /// When the witness signed, by its own clock.
    pub time: UnixTime,
}

/// The bytes that an Ed25519 cosignature signs: they do not name the witness, so a witness has a key of its own.
fn message(text: &str, timestamp: u64) -> String {
    format!("cosignature/v1\ntime {timestamp}\n{text}")
}

/// Cosigns a checkpoint's text as the witness `name` at `time`. The caller has checked that the checkpoint is
/// consistent with the last one cosigned and has made that durable.
pub fn cosignature_sign(
    text: &str,
    name: &KeyName,
    key: &SigningKey,
    time: UnixTime,
) -> Result<NoteSignature, LogError> {
    let timestamp = u64::try_from(time.0)
        .map_err(|_| LogError::malformed("cosignature", "the time lies before 1970; set the clock"))?;
    let verifier = NoteVerifier::new(name.clone(), KeyKind::CosignatureV1, *key.public());
    let mut signature = timestamp.to_be_bytes().to_vec();
    signature.extend_from_slice(&key.sign(message(text, timestamp).as_bytes()));
    Ok(NoteSignature { name: name.clone(), key_id: verifier.key_id(), signature })
}

/// Checks one line of a note that names `witness`. A future time is not refused here: whether times matter is
/// policy.
fn cosignature_check(
    text: &str,
    witness: &NoteVerifier,
    line: &NoteSignature,
) -> Result<Cosignature, LogError> {
    let refuse = |reason: &str| LogError::Signature {
        form: "cosignature",
        reason: format!("the line by {} {reason}", witness.name()),
    };
    let (timestamp, signature) =
        line.signature.split_first_chunk::<8>().ok_or_else(|| refuse("is too short for a time"))?;
    let timestamp = u64::from_be_bytes(*timestamp);
    let time = i64::try_from(timestamp).map_err(|_| refuse("has a time beyond 2^63"))?;
    witness
        .key()
        .verify(message(text, timestamp).as_bytes(), signature)
        .map_err(|_| refuse("does not verify"))?;
    Ok(Cosignature { witness: witness.name().clone(), key_id: witness.key_id(), time: UnixTime(time) })
}

/// The cosignatures on `note` by those of `witnesses` that are [`KeyKind::CosignatureV1`]. Lines of unknown keys are
/// ignored; a line that names a known key and does not verify fails the whole note.
pub fn cosignatures_verify(
    note: &UnverifiedNote,
    witnesses: &[NoteVerifier],
) -> Result<Vec<Cosignature>, LogError> {
    let mut verified: Vec<Cosignature> = Vec::new();
    for line in note.signatures() {
        let meant =
            witnesses.iter().find(|key| key.kind() == KeyKind::CosignatureV1 && key.is_meant_by(line));
        let Some(witness) = meant else { continue };
        let cosignature = cosignature_check(note.text(), witness, line)?;
        let seen = |one: &Cosignature| one.witness == cosignature.witness && one.key_id == cosignature.key_id;
        if !verified.iter().any(seen) {
            verified.push(cosignature);
        }
    }
    Ok(verified)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::note::note_write;
    use zeroize::Zeroizing;

    #[test]
    fn a_cosignature_verifies_over_its_text_and_time_only() {
        let key = SigningKey::from_seed(&Zeroizing::new([5; 32])).expect("key");
        let name: KeyName = "witness.example".parse().expect("name");
        let witness = NoteVerifier::new(name.clone(), KeyKind::CosignatureV1, *key.public());
        let text = "log.example\n0\n47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\n";
        let line = cosignature_sign(text, &name, &key, UnixTime(1_679_315_147)).expect("signs");
        assert_eq!(line.signature.len() + 4, 76);
        let read = |text: &str, line: &NoteSignature| {
            let note =
                UnverifiedNote::parse(note_write(text, std::slice::from_ref(line)).as_bytes()).expect("note");
            cosignatures_verify(&note, std::slice::from_ref(&witness))
        };
        let expected =
            Cosignature { witness: name.clone(), key_id: witness.key_id(), time: UnixTime(1_679_315_147) };
        assert_eq!(read(text, &line).expect("verifies"), [expected]);
        assert!(read("log.example\n1\nx\n", &line).is_err());
        for byte in 0..line.signature.len() {
            let mut broken = line.clone();
            broken.signature[byte] ^= 1;
            assert!(read(text, &broken).is_err(), "byte {byte}");
        }
        let mut unknown = line.clone();
        unknown.key_id.0[0] ^= 1;
        assert_eq!(read(text, &unknown).expect("ignored"), []);
        assert!(cosignature_sign(text, &name, &key, UnixTime(-1)).is_err());
    }

    /// The head of the example in the specification: key ID and time.
    #[test]
    fn the_time_stands_where_the_specification_puts_it() {
        let material = crate::note::base64_decode("jWbPPwAAAABkGFDL").expect("base64");
        assert_eq!(chengxin_schemas::digest::hex_encode(&material[..4]), "8d66cf3f");
        assert_eq!(u64::from_be_bytes(material[4..12].try_into().expect("8 bytes")), 1_679_315_147);
    }
}
