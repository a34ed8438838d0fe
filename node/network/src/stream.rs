//! Frames over a byte stream: a reader that never holds more than it was promised room for, and a writer that
//! gathers small frames into one write. Both give up on a peer that takes too long over a frame, because what is
//! held for it is kept from the others.

use std::time::Duration;

use bytes::{Buf, Bytes, BytesMut};
use futures::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout, timeout_at};

use crate::budget::{Budget, Reservation};
use crate::frame::{
    Frame, FrameError, FrameKind, HEADER_BYTES, Header, ReadRole, header_decode, header_encode,
};
use crate::limits::{Limits, READ_CHUNK, SMALL_PAYLOAD, WRITE_BATCH, WRITE_BATCH_FRAMES};

/// Why a stream ended.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StreamEnd {
    #[error("the peer closed the stream")]
    Closed,
    #[error("it sent malformed data: {0}")]
    Malformed(FrameError),
    #[error("nothing arrived for {} s", .0.as_secs())]
    Silent(Duration),
    #[error("the peer did not read what was to be read within {} s", .0.as_secs())]
    SlowReader(Duration),
    #[error("the peer took more than {} s over one frame", .0.as_secs())]
    SlowSender(Duration),
    #[error("the connection broke: {0}")]
    Broken(std::io::ErrorKind),
    #[error("it was not used for {} s", .0.as_secs())]
    Unused(Duration),
    #[error("this node is shutting down")]
    ShuttingDown,
}

impl From<FrameError> for StreamEnd {
    fn from(error: FrameError) -> Self {
        Self::Malformed(error)
    }
}

/// How long a peer may take over bytes: some time whatever their number, and what they take at the least rate.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pace {
    base: Duration,
    /// Bytes per second.
    least_rate: usize,
}

impl Pace {
    /// For what it sends.
    pub(crate) fn reading(limits: &Limits) -> Self {
        Self { base: limits.silence, least_rate: limits.least_rate }
    }

    /// For what it is sent.
    pub(crate) fn writing(limits: &Limits) -> Self {
        Self { base: limits.write_time, least_rate: limits.least_rate }
    }

    fn time(self, bytes: usize) -> Duration {
        let (bytes, rate) = (bytes as u64, self.least_rate.max(1) as u64);
        self.base.saturating_add(Duration::from_millis(bytes.saturating_mul(1000) / rate))
    }
}

/// What the reader hands out.
#[derive(Debug)]
pub(crate) enum Arrival {
    /// A frame, and the room its payload takes if that is large.
    Frame(Frame, Option<Reservation>),
    /// There was no room for the payload of this frame; it was read and thrown away.
    Dropped(Header),
}

/// Reads frames.
pub(crate) struct FrameReader<R> {
    io: R,
    role: ReadRole,
    budget: Budget,
    pace: Pace,
    scratch: Box<[u8]>,
    /// Whole and begun frames, without the payloads that are gathered by themselves.
    buffer: BytesMut,
    state: ReadState,
}

enum ReadState {
    Header,
    /// A payload, its room, and what has been gathered of one longer than a chunk.
    Payload(Header, Option<Reservation>, Vec<u8>),
    /// Payload bytes of a dropped frame that are still to come.
    Skip(Header, usize),
}

impl<R: AsyncRead + Unpin> FrameReader<R> {
    pub(crate) fn new(io: R, role: ReadRole, budget: Budget, pace: Pace) -> Self {
        Self {
            io,
            role,
            budget,
            pace,
            scratch: vec![0; READ_CHUNK].into_boxed_slice(),
            buffer: BytesMut::new(),
            state: ReadState::Header,
        }
    }

    /// The next frame. Safe to cancel: bytes are kept as soon as they are read.
    pub(crate) async fn next(&mut self) -> Result<Arrival, StreamEnd> {
        // When the frame that is waited for was seen to be incomplete.
        let mut begun_at = None;
        loop {
            if let Some(arrival) = self.take_buffered()? {
                return Ok(arrival);
            }
            let now = Instant::now();
            let silent_at = now + self.pace.base;
            let frame = self.frame_begun().map(|bytes| {
                let frame_time = self.pace.time(bytes);
                (*begun_at.get_or_insert(now) + frame_time, frame_time)
            });
            let until = frame.map_or(silent_at, |(ends_at, _)| ends_at.min(silent_at));
            let read = match timeout_at(until, self.io.read(&mut self.scratch)).await {
                Err(_) => {
                    return Err(match frame {
                        Some((ends_at, frame_time)) if ends_at < silent_at => {
                            StreamEnd::SlowSender(frame_time)
                        }
                        Some(_) | None => StreamEnd::Silent(self.pace.base),
                    });
                }
                Ok(Err(error)) => return Err(StreamEnd::Broken(error.kind())),
                Ok(Ok(0)) => return Err(StreamEnd::Closed),
                Ok(Ok(read)) => read,
            };
            self.arrived(read);
        }
    }

    /// The length of the frame that has arrived in part, as far as known.
    fn frame_begun(&self) -> Option<usize> {
        match &self.state {
            ReadState::Header => (!self.buffer.is_empty()).then_some(HEADER_BYTES),
            ReadState::Payload(header, _, _) | ReadState::Skip(header, _) => Some(header.payload_bytes),
        }
    }

    /// Takes over what was read.
    fn arrived(&mut self, read: usize) {
        let mut fresh = &self.scratch[..read];
        if let ReadState::Payload(header, _, gathered) = &mut self.state
            && header.payload_bytes > READ_CHUNK
        {
            fresh = gather(gathered, fresh, header.payload_bytes);
        }
        self.buffer.extend_from_slice(fresh);
    }

    /// Gives an empty buffer back that has grown beyond what the next frames need.
    fn buffer_release(&mut self) {
        if self.buffer.is_empty() && self.buffer.capacity() > 2 * READ_CHUNK {
            self.buffer = BytesMut::new();
        }
    }

    fn take_buffered(&mut self) -> Result<Option<Arrival>, StreamEnd> {
        loop {
            match std::mem::replace(&mut self.state, ReadState::Header) {
                ReadState::Header => {
                    let Some(header) = header_decode(&self.buffer, self.role)? else {
                        self.buffer_release();
                        return Ok(None);
                    };
                    self.buffer.advance(HEADER_BYTES);
                    self.state = if header.payload_bytes <= SMALL_PAYLOAD {
                        ReadState::Payload(header, None, Vec::new())
                    } else {
                        match self.budget.reserve(header.payload_bytes) {
                            Some(room) => ReadState::Payload(header, Some(room), Vec::new()),
                            None => ReadState::Skip(header, header.payload_bytes),
                        }
                    };
                }
                ReadState::Payload(header, room, mut gathered) => {
                    let Some(payload) = take_payload(&mut self.buffer, &mut gathered, header.payload_bytes)
                    else {
                        self.state = ReadState::Payload(header, room, gathered);
                        return Ok(None);
                    };
                    let frame = Frame { kind: header.kind, id: header.id, payload };
                    return Ok(Some(Arrival::Frame(frame, room)));
                }
                ReadState::Skip(header, left) => {
                    let here = left.min(self.buffer.len());
                    self.buffer.advance(here);
                    // `here` is at most `left`.
                    let left = left.saturating_sub(here);
                    if left > 0 {
                        self.state = ReadState::Skip(header, left);
                        return Ok(None);
                    }
                    return Ok(Some(Arrival::Dropped(header)));
                }
            }
        }
    }
}

/// The payload, if it is complete. A short one is copied out of the buffer, so that one that is kept for long does not
/// keep the buffer; a longer one has an allocation of its own, of exactly its length, which leaves with it.
fn take_payload(buffer: &mut BytesMut, gathered: &mut Vec<u8>, length: usize) -> Option<Bytes> {
    if length <= READ_CHUNK {
        let payload = Bytes::copy_from_slice(buffer.get(..length)?);
        buffer.advance(length);
        return Some(payload);
    }
    let left = gather(gathered, buffer, length).len();
    // What is left is the end of what was there.
    buffer.advance(buffer.len().saturating_sub(left));
    (gathered.len() == length).then(|| Bytes::from(std::mem::take(gathered)))
}

/// Adds to a payload of `length` bytes what belongs to it and returns the rest. The allocation grows with what has
/// arrived and never beyond the length: what is only stated costs nothing, and what is held is what was reserved.
fn gather<'bytes>(gathered: &mut Vec<u8>, fresh: &'bytes [u8], length: usize) -> &'bytes [u8] {
    let missing = length.saturating_sub(gathered.len());
    let (belongs, rest) = fresh.split_at(missing.min(fresh.len()));
    let needed = gathered.len().saturating_add(belongs.len());
    if needed > gathered.capacity() {
        let capacity = needed.max(gathered.capacity().saturating_mul(2)).max(SMALL_PAYLOAD).min(length);
        gathered.reserve_exact(capacity.saturating_sub(gathered.len()));
    }
    gathered.extend_from_slice(belongs);
    rest
}

/// A frame to write, and what is held until it is written.
#[derive(Debug)]
pub(crate) struct Outgoing {
    pub(crate) frame: Frame,
    /// Room of the payload.
    #[expect(dead_code, reason = "held for its Drop: room returns when the bytes have left")]
    pub(crate) room: Option<Reservation>,
    /// Counts an answer that has not left yet, for those who wait for the last one.
    #[expect(dead_code, reason = "held for its Drop")]
    pub(crate) unsent: Option<Reservation>,
}

impl Outgoing {
    /// A frame without payload.
    pub(crate) fn bare(kind: FrameKind, id: u64) -> Self {
        Self { frame: Frame { kind, id, payload: Bytes::new() }, room: None, unsent: None }
    }
}

/// Writes frames until the queue is closed or the peer stops reading.
pub(crate) async fn frames_write<W: AsyncWrite + Unpin>(
    mut io: W,
    mut queue: mpsc::Receiver<Outgoing>,
    pace: Pace,
) -> StreamEnd {
    let mut frames = Vec::with_capacity(WRITE_BATCH_FRAMES);
    let mut batch = BytesMut::new();
    while queue.recv_many(&mut frames, WRITE_BATCH_FRAMES).await > 0 {
        if let Err(end) = batch_write(&mut io, &mut frames, &mut batch, pace).await {
            return end;
        }
        // A burst must not leave its largest buffer behind on an idle stream.
        if batch.capacity() > 2 * WRITE_BATCH {
            batch = BytesMut::new();
        }
    }
    // Best effort: the answers are flushed, only the polite end may be missing.
    let _ = timeout(pace.base, io.close()).await;
    StreamEnd::ShuttingDown
}

async fn batch_write<W: AsyncWrite + Unpin>(
    io: &mut W,
    frames: &mut Vec<Outgoing>,
    batch: &mut BytesMut,
    pace: Pace,
) -> Result<(), StreamEnd> {
    for outgoing in frames.iter() {
        let Frame { kind, id, payload } = &outgoing.frame;
        header_encode(*kind, *id, payload.len(), batch)?;
        if payload.len() <= READ_CHUNK {
            batch.extend_from_slice(payload);
        } else {
            bytes_write(io, batch, pace).await?;
            batch.clear();
            bytes_write(io, payload, pace).await?;
        }
        if batch.len() >= WRITE_BATCH {
            bytes_write(io, batch, pace).await?;
            batch.clear();
        }
    }
    bytes_write(io, batch, pace).await?;
    batch.clear();
    match timeout(pace.base, io.flush()).await {
        Err(_) => return Err(StreamEnd::SlowReader(pace.base)),
        Ok(Err(error)) => return Err(StreamEnd::Broken(error.kind())),
        Ok(Ok(())) => {}
    }
    frames.clear();
    Ok(())
}

/// Writes all bytes. A peer that lets nothing through for the base time is a slow reader, and so is one that lets a byte
/// through now and then: all of them together have their time, too.
async fn bytes_write<W: AsyncWrite + Unpin>(
    io: &mut W,
    mut bytes: &[u8],
    pace: Pace,
) -> Result<(), StreamEnd> {
    let all_time = pace.time(bytes.len());
    let begun_at = Instant::now();
    while !bytes.is_empty() {
        let piece_time = pace.base.min(all_time.saturating_sub(begun_at.elapsed()));
        match timeout(piece_time, io.write(bytes)).await {
            Err(_) if begun_at.elapsed() >= all_time => return Err(StreamEnd::SlowReader(all_time)),
            Err(_) => return Err(StreamEnd::SlowReader(pace.base)),
            Ok(Err(error)) => return Err(StreamEnd::Broken(error.kind())),
            Ok(Ok(0)) => return Err(StreamEnd::Closed),
            Ok(Ok(written)) => bytes = bytes.get(written..).unwrap_or_default(),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::pin::Pin;
    use std::task::{Context, Poll, ready};

    use futures::io::Cursor;
    use proptest::prelude::*;

    use super::*;
    use crate::budget::Counter;

    const ROLE: ReadRole = ReadRole::Answerer { request_bytes: 1 << 20 };

    const PACE: Pace = Pace { base: Duration::from_secs(5), least_rate: 1 << 20 };

    fn reader<R: AsyncRead + Unpin>(io: R, room: usize) -> FrameReader<R> {
        FrameReader::new(io, ROLE, Budget::new(room, Counter::new(room)), PACE)
    }

    fn encode(frames: &[(u64, Vec<u8>)]) -> Vec<u8> {
        let mut out = BytesMut::new();
        for (id, payload) in frames {
            header_encode(FrameKind::Request, *id, payload.len(), &mut out).unwrap();
            out.extend_from_slice(payload);
        }
        out.to_vec()
    }

    fn run<T>(future: impl Future<Output = T>) -> T {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        // No stream here takes so long; one that is not ended would.
        runtime.block_on(async { timeout(Duration::from_secs(30), future).await.expect("it ends") })
    }

    #[test]
    fn payload_without_room_is_skipped_and_the_next_frame_arrives() {
        run(async {
            let large = vec![7; SMALL_PAYLOAD + 1];
            let mut reader = reader(
                Cursor::new(encode(&[(1, large.clone()), (2, large.clone()), (3, vec![9])])),
                large.len(),
            );
            let first = reader.next().await.unwrap();
            assert!(matches!(&first, Arrival::Frame(frame, Some(_)) if frame.payload == large));
            assert!(matches!(reader.next().await.unwrap(), Arrival::Dropped(Header { id: 2, .. })));
            assert!(matches!(reader.next().await.unwrap(), Arrival::Frame(Frame { id: 3, .. }, None)));
            assert!(matches!(reader.next().await.unwrap_err(), StreamEnd::Closed));
            drop(first);
            assert_eq!(reader.budget.taken(), 0);
        });
    }

    #[test]
    fn stated_length_costs_nothing_until_bytes_come() {
        run(async {
            let mut bytes = BytesMut::new();
            header_encode(FrameKind::Request, 1, 1 << 20, &mut bytes).unwrap();
            let mut reader = reader(Cursor::new(bytes.to_vec()), 1 << 20);
            assert!(matches!(reader.next().await.unwrap_err(), StreamEnd::Closed));
            assert!(reader.buffer.capacity() <= 2 * READ_CHUNK, "{}", reader.buffer.capacity());
        });
    }

    #[test]
    fn large_payload_is_held_exactly_and_leaves_nothing_behind() {
        run(async {
            let length = (1 << 20) - 3;
            let mut reader = reader(
                Cursor::new(encode(&[(1, vec![1; length]), (2, vec![2; 100]), (3, vec![3; READ_CHUNK + 1])])),
                1 << 20,
            );
            match reader.next().await.unwrap() {
                Arrival::Frame(frame, Some(_)) => {
                    assert_eq!(frame.payload.len(), length);
                    // A vector of a payload that is held alone is its allocation.
                    assert_eq!(Vec::from(frame.payload).capacity(), length);
                }
                other => panic!("{other:?}"),
            }
            assert!(reader.buffer.capacity() <= 4 * READ_CHUNK, "{}", reader.buffer.capacity());
            assert!(
                matches!(reader.next().await.unwrap(), Arrival::Frame(frame, None) if frame.payload == [2; 100][..])
            );
            let third = reader.next().await.unwrap();
            assert!(matches!(third, Arrival::Frame(frame, None) if frame.payload == [3; READ_CHUNK + 1][..]));
            assert!(matches!(reader.next().await.unwrap_err(), StreamEnd::Closed));
            assert!(reader.buffer.capacity() <= 2 * READ_CHUNK, "{}", reader.buffer.capacity());
        });
    }

    /// Passes bytes on one at a time, with a pause before each.
    struct Trickle<T> {
        io: T,
        pause: Duration,
        next: Option<Pin<Box<tokio::time::Sleep>>>,
    }

    impl<T> Trickle<T> {
        fn new(io: T, pause: Duration) -> Self {
            Self { io, pause, next: None }
        }

        fn poll_pause(&mut self, context: &mut Context<'_>) -> Poll<()> {
            let pause = self.pause;
            ready!(
                self.next.get_or_insert_with(|| Box::pin(tokio::time::sleep(pause))).as_mut().poll(context)
            );
            self.next = None;
            Poll::Ready(())
        }
    }

    impl<T: AsyncRead + Unpin> AsyncRead for Trickle<T> {
        fn poll_read(
            mut self: Pin<&mut Self>,
            context: &mut Context<'_>,
            into: &mut [u8],
        ) -> Poll<std::io::Result<usize>> {
            ready!(self.poll_pause(context));
            Pin::new(&mut self.io).poll_read(context, &mut into[..1])
        }
    }

    impl<T: AsyncWrite + Unpin> AsyncWrite for Trickle<T> {
        fn poll_write(
            mut self: Pin<&mut Self>,
            context: &mut Context<'_>,
            bytes: &[u8],
        ) -> Poll<std::io::Result<usize>> {
            ready!(self.poll_pause(context));
            Pin::new(&mut self.io).poll_write(context, &bytes[..1])
        }

        fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<std::io::Result<()>> {
            Pin::new(&mut self.io).poll_flush(context)
        }

        fn poll_close(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<std::io::Result<()>> {
            Pin::new(&mut self.io).poll_close(context)
        }
    }

    /// A byte every few milliseconds would take hours for a large frame; a tenth of a second and its length at the
    /// least rate are all it gets.
    const HURRIED: Pace = Pace { base: Duration::from_millis(100), least_rate: 10 << 20 };

    #[test]
    fn trickled_frame_ends_the_reading_and_its_room_returns() {
        run(async {
            let room = Counter::new(1 << 20);
            let bytes = Trickle::new(Cursor::new(encode(&[(1, vec![1; 1 << 20])])), Duration::from_millis(5));
            let mut reader = FrameReader::new(bytes, ROLE, Budget::new(1 << 20, room.clone()), HURRIED);
            assert!(matches!(reader.next().await.unwrap_err(), StreamEnd::SlowSender(_)));
            drop(reader);
            assert_eq!(room.taken(), 0);
        });
    }

    #[test]
    fn trickling_reader_ends_the_writing_and_its_room_returns() {
        run(async {
            let room = Counter::new(1 << 20);
            let (sender, receiver) = mpsc::channel(1);
            let frame = Frame { kind: FrameKind::Response, id: 1, payload: vec![1; 1 << 20].into() };
            let reserved = Budget::new(1 << 20, room.clone()).reserve(1 << 20);
            sender.try_send(Outgoing { frame, room: reserved, unsent: None }).unwrap();
            let io = Trickle::new(Cursor::new(Vec::new()), Duration::from_millis(5));
            assert!(matches!(frames_write(io, receiver, HURRIED).await, StreamEnd::SlowReader(_)));
            assert_eq!(room.taken(), 0);
        });
    }

    proptest! {
        #[test]
        fn frames_survive_the_stream(sizes in prop::collection::vec(0_usize..100_000, 1..12)) {
            let frames: Vec<_> = sizes.iter().enumerate()
                .map(|(id, size)| (id as u64, vec![id as u8; *size])).collect();
            run(async {
                let (sender, receiver) = mpsc::channel(64);
                for (id, payload) in &frames {
                    let frame = Frame { kind: FrameKind::Request, id: *id, payload: payload.clone().into() };
                    sender.try_send(Outgoing { frame, room: None, unsent: None }).unwrap();
                }
                drop(sender);
                let mut written = Cursor::new(Vec::new());
                frames_write(&mut written, receiver, PACE).await;
                let written = written.into_inner();
                assert_eq!(written, encode(&frames));
                let mut reader = reader(Cursor::new(written), 1 << 30);
                for (id, payload) in &frames {
                    match reader.next().await.unwrap() {
                        Arrival::Frame(frame, _) => assert_eq!((&frame.id, &frame.payload[..]), (id, &payload[..])),
                        Arrival::Dropped(header) => panic!("{header:?}"),
                    }
                }
            });
        }

        #[test]
        fn mutated_streams_end_in_an_error(
            sizes in prop::collection::vec(0_usize..300, 1..6),
            flips in prop::collection::vec((any::<prop::sample::Index>(), 1_u8..), 1..8),
        ) {
            let frames: Vec<_> = sizes.iter().enumerate().map(|(id, size)| (id as u64, vec![1; *size])).collect();
            let mut bytes = encode(&frames);
            for (index, flip) in flips {
                let at = index.index(bytes.len());
                bytes[at] ^= flip;
            }
            let total = bytes.len();
            run(async {
                let mut reader = reader(Cursor::new(bytes), 1 << 20);
                let mut seen = 0;
                // Every stream ends; nothing is made up: no more payload comes out than bytes went in.
                while let Ok(Arrival::Frame(frame, _)) = reader.next().await {
                    seen += HEADER_BYTES + frame.payload.len();
                }
                assert!(seen <= total);
            });
        }
    }
}
