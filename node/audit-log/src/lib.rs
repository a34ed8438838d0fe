//! The tamper-evident log: C2SP tiles, checkpoints, proofs and the offline verifier.
