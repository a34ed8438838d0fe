//! Everything that a peer could make grow, with its bound and the reason for the number.

use std::time::Duration;

/// The limits of one running network. The defaults are for a member node; tests narrow them.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Bytes of one request. 4 MiB holds a sealed notice with attachments' digests many times over.
    pub request_bytes: usize,
    /// Bytes of one answer. A longer result is paged by the layer above.
    pub response_bytes: usize,
    /// Requests of one peer in progress here, and ours in progress there. At 256 the throughput of a
    /// connection stops growing, so more would only be memory.
    pub in_flight_per_peer: usize,
    /// Requests of all peers in progress here: bounds tasks when everybody asks at once.
    pub in_flight_total: usize,
    /// Payload bytes held for one peer and direction: eight frames of the largest kind, or 256 of 128 KiB.
    pub bytes_per_peer: usize,
    /// Payload bytes held for all peers together.
    pub bytes_total: usize,
    /// Connections at once, members only: 3,000 agencies of a region and their second connections.
    pub connections_total: u32,
    /// Handshakes in progress at once, each way: what strangers can occupy, and how many members are dialled at once.
    /// More members than that wait for their turn.
    pub handshakes: u32,
    /// Time for a handshake. A link with a round trip of one second needs three.
    pub handshake_time: Duration,
    /// Time in which a peer must take some bytes of what we write; for all bytes of a frame it has this time and that
    /// of their number at [`Limits::least_rate`]. Afterwards it is a slow reader and cut off.
    pub write_time: Duration,
    /// Bytes per second at which a peer must send and take a frame, after the time that any frame may take. A quarter
    /// of a megabit: far below any link between public bodies, and yet the largest frame, for which room is held, is
    /// over in two and a half minutes instead of when the peer likes.
    pub least_rate: usize,
    /// A stream that carries nothing for so long is probed with a ping.
    pub ping_after: Duration,
    /// A stream on which nothing arrives for so long is closed. More than two pings long. A frame may take as long to
    /// arrive, and the time of its length at [`Limits::least_rate`].
    pub silence: Duration,
    /// A peer that we have not called for so long is let go, and not reconnected to until the next call.
    pub unused: Duration,
    /// A connection without streams is closed after so long.
    pub idle_connection: Duration,
    /// Malformed frames of one peer, and frames that it was too slow over, within [`Limits::strike_memory`] that lead
    /// to a ban. One may be a fault of a network device; three are a faulty or hostile program.
    pub strikes_before_ban: u32,
    /// How long a strike counts.
    pub strike_memory: Duration,
    /// The first ban; each further one is twice as long.
    pub ban_first: Duration,
    /// The longest ban: an administrator who repaired the peer does not wait for days.
    pub ban_longest: Duration,
    /// First pause before dialling again; doubled each time.
    pub backoff_first: Duration,
    /// Longest pause before dialling again.
    pub backoff_longest: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            request_bytes: 4 << 20,
            response_bytes: 4 << 20,
            in_flight_per_peer: 256,
            in_flight_total: 4096,
            bytes_per_peer: 32 << 20,
            bytes_total: 256 << 20,
            connections_total: 8192,
            handshakes: 64,
            handshake_time: Duration::from_secs(5),
            write_time: Duration::from_secs(20),
            least_rate: 32 << 10,
            ping_after: Duration::from_secs(15),
            silence: Duration::from_secs(45),
            unused: Duration::from_secs(1800),
            idle_connection: Duration::from_secs(20),
            strikes_before_ban: 3,
            strike_memory: Duration::from_secs(600),
            ban_first: Duration::from_secs(60),
            ban_longest: Duration::from_secs(3600),
            backoff_first: Duration::from_millis(250),
            backoff_longest: Duration::from_secs(60),
        }
    }
}

/// Connections of one member at once: one dialled by each side. A third is a reconnection that overtook the
/// news of the loss, so the oldest is closed for it.
pub(crate) const CONNECTIONS_PER_PEER: usize = 2;

/// What the swarm itself lets one peer have for a moment, so that a reconnection is not refused before the
/// oldest connection is closed.
pub(crate) const CONNECTIONS_PER_PEER_HARD: u32 = 4;

/// Streams of one connection: one each way, and one each way that is just being replaced.
pub(crate) const STREAMS_PER_CONNECTION: u32 = 4;

/// Bytes that QUIC lets a peer send ahead on one stream: four of the largest frames would be more than a stream
/// with 256 small frames in flight ever uses; one and a bit keeps a link of 100 ms at 100 Mbit/s full.
pub(crate) const QUIC_STREAM_WINDOW: u32 = 4 << 20;

/// Bytes that QUIC lets a peer send ahead on all its streams of one connection.
pub(crate) const QUIC_CONNECTION_WINDOW: u32 = 8 << 20;

/// A QUIC connection is lost when nothing arrives for so long, milliseconds; keep-alives go out three times as often.
pub(crate) const QUIC_SILENCE_MILLISECONDS: u32 = 15_000;

/// Time for a connection to close once that is ordered: what is queued on a link with a round trip of half a second
/// still leaves; a peer that does not read keeps nothing longer.
pub(crate) const CLOSE_TIME: Duration = Duration::from_secs(1);

/// Time for a stream of ours to open. The swarm itself gives a negotiation ten seconds and says what it met; this is for
/// the request that a connection in its last moments has swallowed.
pub(crate) const OPEN_TIME: Duration = Duration::from_secs(15);

/// How long a member waits for another turn when this node itself had no place for one more connection.
pub(crate) const DIAL_AGAIN: Duration = Duration::from_secs(1);

/// Bytes read from a stream at once. An idle stream keeps this and a buffer of at most twice the size.
pub(crate) const READ_CHUNK: usize = 16 << 10;

/// Payloads up to this size are counted by number only when they are read; larger ones are reserved before.
pub(crate) const SMALL_PAYLOAD: usize = 64 << 10;

/// Bytes of small payloads held for one peer and direction before they count in the share of the peer and in the
/// whole: four of the largest, or two hundred of the usual answers. Whoever takes up the whole with large answers that
/// it does not read cannot keep these from the others. If all 3,000 members of a region stopped reading at once, it
/// would be 750 MiB.
pub(crate) const SMALL_KEPT: usize = 256 << 10;

/// Small frames are gathered into one write up to this size: fewer packets and system calls.
pub(crate) const WRITE_BATCH: usize = 64 << 10;

/// Frames taken from the queue at once by the writer.
pub(crate) const WRITE_BATCH_FRAMES: usize = 256;

/// Frames handled before the reader lets the writer of the same stream run.
pub(crate) const FRAMES_PER_TURN: usize = 64;

/// Bytes of the text of a refusal.
pub(crate) const REFUSAL_TEXT_BYTES: usize = 2048;

/// Longest deadline of a call; a longer one is cut to this, so that adding it to a time cannot overflow.
pub(crate) const DEADLINE_LONGEST: Duration = Duration::from_secs(3600);
