//! The operating system's randomness, for the program's main crate to hand in everywhere else.

use aws_lc_rs::rand::{SecureRandom as _, SystemRandom};

/// Fills `bytes` from the system's generator.
///
/// Ends the process if there is no randomness: whatever is made without it would look like a key and be none, and no
/// caller could do better than stop.
pub fn fill(bytes: &mut [u8]) {
    if SystemRandom::new().fill(bytes).is_err() {
        std::process::abort();
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn two_draws_differ() {
        let (mut one, mut two) = ([0_u8; 32], [0_u8; 32]);
        super::fill(&mut one);
        super::fill(&mut two);
        assert_ne!(one, two);
    }
}
