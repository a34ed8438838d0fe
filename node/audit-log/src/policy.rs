//! C2SP tlog-policy: which logs and which witnesses a verifier trusts, and how many witnesses must have seen a
//! checkpoint.

use std::collections::{BTreeMap, BTreeSet};
use std::str::FromStr;

use crate::checkpoint::{Checkpoint, number_parse};
use crate::cosignature::cosignatures_verify;
use crate::error::LogError;
use crate::note::{KeyKind, KeyName, NoteKeyId, NoteVerifier, UnverifiedNote};

/// Longest policy, in bytes.
pub const POLICY_LIMIT: usize = 1024 * 1024;
/// Most logs, witnesses and groups together; the specification asks for at least 32 of each.
pub const POLICY_LINES_LIMIT: usize = 4_096;

/// A verifier's trust: logs, witnesses, groups, quorum.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Policy {
    logs: Vec<NoteVerifier>,
    witnesses: BTreeMap<String, NoteVerifier>,
    groups: BTreeMap<String, Group>,
    quorum: Option<String>,
}

#[derive(Clone, PartialEq, Eq, Debug)]
struct Group {
    threshold: usize,
    members: Vec<String>,
}

impl Policy {
    /// Trusts these logs without witnesses: enough to check that a log did not change, not that it shows everyone
    /// the same.
    pub fn of_logs(logs: Vec<NoteVerifier>) -> Self {
        Self { logs, witnesses: BTreeMap::new(), groups: BTreeMap::new(), quorum: None }
    }

    /// The log keys.
    pub fn logs(&self) -> &[NoteVerifier] {
        &self.logs
    }

    /// Verifies a checkpoint: signed by a trusted log under its own name, and cosigned by the quorum.
    pub fn checkpoint_verify(&self, note: &UnverifiedNote) -> Result<Checkpoint, LogError> {
        let checkpoint = Checkpoint::verify(note, &self.logs)?;
        let witnesses: Vec<_> = self.witnesses.values().cloned().collect();
        let cosigned: BTreeSet<(KeyName, NoteKeyId)> =
            cosignatures_verify(note, &witnesses)?.into_iter().map(|one| (one.witness, one.key_id)).collect();
        match &self.quorum {
            Some(quorum) if !self.is_met(quorum, &cosigned) => Err(LogError::Signature {
                form: "checkpoint",
                reason: format!("the quorum {quorum} of witnesses is not met"),
            }),
            Some(_) | None => Ok(checkpoint),
        }
    }

    /// Groups name only earlier lines and every name is a member once, so this visits each line at most once and
    /// its depth is at most the number of lines.
    fn is_met(&self, name: &str, cosigned: &BTreeSet<(KeyName, NoteKeyId)>) -> bool {
        match self.groups.get(name) {
            Some(group) => {
                group.members.iter().filter(|member| self.is_met(member, cosigned)).count() >= group.threshold
            }
            None => self
                .witnesses
                .get(name)
                .is_some_and(|witness| cosigned.contains(&(witness.name().clone(), witness.key_id()))),
        }
    }
}

impl FromStr for Policy {
    type Err = LogError;

    fn from_str(text: &str) -> Result<Self, LogError> {
        if text.len() > POLICY_LIMIT {
            return Err(LogError::TooLarge {
                what: "a tlog-policy",
                actual: text.len() as u64,
                limit: POLICY_LIMIT as u64,
            });
        }
        let mut reader = Reader { policy: Self::of_logs(Vec::new()), members: BTreeSet::new(), quorum: None };
        for (number, line) in text.split('\n').enumerate() {
            let words: Vec<&str> = line.split([' ', '\t']).filter(|word| !word.is_empty()).collect();
            if words.first().is_none_or(|word| word.starts_with('#')) {
                continue;
            }
            reader.line(&words).map_err(|reason| {
                LogError::malformed("tlog-policy", format!("line {}: {reason}", number + 1))
            })?;
        }
        match reader.quorum {
            None => Err(LogError::malformed(
                "tlog-policy",
                "no line gives the quorum; write quorum none or a name",
            )),
            Some(quorum) => Ok(Self { quorum, ..reader.policy }),
        }
    }
}

/// A policy while its lines are read.
struct Reader {
    policy: Policy,
    /// Names that are members of a group already.
    members: BTreeSet<String>,
    /// Outer: whether the line was seen. Inner: `none` or a name.
    quorum: Option<Option<String>>,
}

impl Reader {
    fn line(&mut self, words: &[&str]) -> Result<(), String> {
        let policy = &self.policy;
        if policy.logs.len() + policy.witnesses.len() + policy.groups.len() >= POLICY_LINES_LIMIT {
            return Err("more than 4096 logs, witnesses and groups".to_owned());
        }
        match *words {
            ["log", key] | ["log", key, _] => {
                let key = self.key(key, KeyKind::Ed25519)?;
                self.policy.logs.push(key);
            }
            ["witness", name, key] | ["witness", name, key, _] => {
                let key = self.key(key, KeyKind::CosignatureV1)?;
                self.policy.witnesses.insert(self.new_name(name)?, key);
            }
            ["group", name, threshold, ref members @ ..] => {
                let group = self.group(threshold, members)?;
                self.policy.groups.insert(self.new_name(name)?, group);
            }
            ["quorum", name] if self.quorum.is_none() => {
                if name != "none" && !self.is_known(name) {
                    return Err("the quorum names no earlier witness or group".to_owned());
                }
                self.quorum = Some(Some(name.to_owned()).filter(|name| name != "none"));
            }
            ["quorum", _] => return Err("a second quorum line".to_owned()),
            _ => return Err("write log, witness, group or quorum with its values".to_owned()),
        }
        Ok(())
    }

    fn key(&self, text: &str, kind: KeyKind) -> Result<NoteVerifier, String> {
        let key: NoteVerifier = text.parse().map_err(|error: LogError| error.to_string())?;
        if key.kind() != kind {
            return Err(format!(
                "the key has type {}, here stands type {}",
                key.kind().number(),
                kind.number()
            ));
        }
        let twice = self
            .policy
            .logs
            .iter()
            .chain(self.policy.witnesses.values())
            .any(|other| other.key() == key.key());
        if twice { Err("the same public key stands on an earlier line".to_owned()) } else { Ok(key) }
    }

    fn is_known(&self, name: &str) -> bool {
        self.policy.witnesses.contains_key(name) || self.policy.groups.contains_key(name)
    }

    fn new_name(&self, name: &str) -> Result<String, String> {
        if name == "none" || self.is_known(name) {
            return Err("the name is reserved or taken".to_owned());
        }
        Ok(name.to_owned())
    }

    fn group(&mut self, threshold: &str, members: &[&str]) -> Result<Group, String> {
        let threshold = match threshold {
            "all" => members.len(),
            "any" => 1,
            number => number_parse(number).and_then(|number| usize::try_from(number).ok()).unwrap_or(0),
        };
        if threshold == 0 || threshold > members.len() {
            return Err("the threshold is all, any, or a number from 1 to the number of members".to_owned());
        }
        for member in members {
            if !self.is_known(member) {
                return Err("a member names no earlier witness or group".to_owned());
            }
            if !self.members.insert((*member).to_owned()) {
                return Err("a name is a member of two groups, or twice of one".to_owned());
            }
        }
        Ok(Group { threshold, members: members.iter().map(|&member| member.to_owned()).collect() })
    }
}
