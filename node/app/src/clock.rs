//! The real clock and the real source of randomness: the only places of the program that have them.

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use chengxin_schemas::time::{Clock, UnixTime};

/// The system's clock.
#[derive(Debug)]
pub(crate) struct SystemClock;

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "this is where time enters the program")]
    fn now(&self) -> UnixTime {
        let seconds = match SystemTime::now().duration_since(UNIX_EPOCH) {
            Ok(since) => i64::try_from(since.as_secs()).unwrap_or(i64::MAX),
            // A clock before 1970: every window check refuses, which is right.
            Err(_) => 0,
        };
        UnixTime(seconds)
    }
}

/// Randomness of the operating system; a machine that has none cannot run a node.
pub(crate) fn random() -> chengxin_exchange::node::Random {
    Arc::new(|bytes: &mut [u8]| chengxin_schemas::random::fill(bytes))
}

/// Random bytes for a new key.
pub(crate) fn seed() -> zeroize::Zeroizing<[u8; 32]> {
    let mut seed = zeroize::Zeroizing::new([0_u8; 32]);
    chengxin_schemas::random::fill(seed.as_mut());
    seed
}
