//! Frames over a byte stream: a reader that never holds more than it was promised room for, and a writer that
//! gathers small frames into one write and gives up on a peer that does not read.

use std::time::Duration;

use bytes::{Buf, Bytes, BytesMut};
use futures::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::sync::mpsc;
use tokio::time::timeout;

use crate::budget::{Budget, Reservation};
use crate::frame::{
    Frame, FrameError, FrameKind, HEADER_BYTES, Header, ReadRole, header_decode, header_encode,
};
use crate::limits::{READ_CHUNK, SMALL_PAYLOAD, WRITE_BATCH, WRITE_BATCH_FRAMES};

/// Why a stream ended.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StreamEnd {
    #[error("the peer closed the stream")]
    Closed,
    #[error("{0}")]
    Malformed(FrameError),
    #[error("nothing arrived for {} s", .0.as_secs())]
    Silent(Duration),
    #[error("the peer did not read for {} s", .0.as_secs())]
    SlowReader(Duration),
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
    silence: Duration,
    scratch: Box<[u8]>,
    buffer: BytesMut,
    state: ReadState,
}

enum ReadState {
    Header,
    Payload(Header, Option<Reservation>),
    /// Payload bytes of a dropped frame that are still to come.
    Skip(Header, usize),
}

impl<R: AsyncRead + Unpin> FrameReader<R> {
    pub(crate) fn new(io: R, role: ReadRole, budget: Budget, silence: Duration) -> Self {
        Self {
            io,
            role,
            budget,
            silence,
            scratch: vec![0; READ_CHUNK].into_boxed_slice(),
            buffer: BytesMut::new(),
            state: ReadState::Header,
        }
    }

    /// The next frame. Safe to cancel: bytes are kept as soon as they are read.
    pub(crate) async fn next(&mut self) -> Result<Arrival, StreamEnd> {
        loop {
            if let Some(arrival) = self.take_buffered()? {
                return Ok(arrival);
            }
            let read = match timeout(self.silence, self.io.read(&mut self.scratch)).await {
                Err(_) => return Err(StreamEnd::Silent(self.silence)),
                Ok(Err(error)) => return Err(StreamEnd::Broken(error.kind())),
                Ok(Ok(0)) => return Err(StreamEnd::Closed),
                Ok(Ok(read)) => read,
            };
            self.buffer.extend_from_slice(&self.scratch[..read]);
        }
    }

    fn take_buffered(&mut self) -> Result<Option<Arrival>, StreamEnd> {
        loop {
            match std::mem::replace(&mut self.state, ReadState::Header) {
                ReadState::Header => {
                    let Some(header) = header_decode(&self.buffer, self.role)? else { return Ok(None) };
                    self.buffer.advance(HEADER_BYTES);
                    self.state = if header.payload_bytes <= SMALL_PAYLOAD {
                        ReadState::Payload(header, None)
                    } else {
                        match self.budget.reserve(header.payload_bytes) {
                            Some(room) => ReadState::Payload(header, Some(room)),
                            None => ReadState::Skip(header, header.payload_bytes),
                        }
                    };
                }
                ReadState::Payload(header, room) => {
                    if self.buffer.len() < header.payload_bytes {
                        self.state = ReadState::Payload(header, room);
                        return Ok(None);
                    }
                    let payload = take_payload(&mut self.buffer, header.payload_bytes);
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

/// Small payloads are copied out, so that one that is kept for long does not keep the whole read buffer.
fn take_payload(buffer: &mut BytesMut, length: usize) -> Bytes {
    if length <= READ_CHUNK {
        let payload = Bytes::copy_from_slice(&buffer[..length]);
        buffer.advance(length);
        payload
    } else {
        buffer.split_to(length).freeze()
    }
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
    write_time: Duration,
) -> StreamEnd {
    let mut frames = Vec::with_capacity(WRITE_BATCH_FRAMES);
    let mut batch = BytesMut::new();
    while queue.recv_many(&mut frames, WRITE_BATCH_FRAMES).await > 0 {
        if let Err(end) = batch_write(&mut io, &mut frames, &mut batch, write_time).await {
            return end;
        }
        // A burst must not leave its largest buffer behind on an idle stream.
        if batch.capacity() > 2 * WRITE_BATCH {
            batch = BytesMut::new();
        }
    }
    // Best effort: the answers are flushed, only the polite end may be missing.
    let _ = timeout(write_time, io.close()).await;
    StreamEnd::ShuttingDown
}

async fn batch_write<W: AsyncWrite + Unpin>(
    io: &mut W,
    frames: &mut Vec<Outgoing>,
    batch: &mut BytesMut,
    write_time: Duration,
) -> Result<(), StreamEnd> {
    for outgoing in frames.iter() {
        let Frame { kind, id, payload } = &outgoing.frame;
        header_encode(*kind, *id, payload.len(), batch)?;
        if payload.len() <= READ_CHUNK {
            batch.extend_from_slice(payload);
        } else {
            bytes_write(io, batch, write_time).await?;
            batch.clear();
            bytes_write(io, payload, write_time).await?;
        }
        if batch.len() >= WRITE_BATCH {
            bytes_write(io, batch, write_time).await?;
            batch.clear();
        }
    }
    bytes_write(io, batch, write_time).await?;
    batch.clear();
    match timeout(write_time, io.flush()).await {
        Err(_) => return Err(StreamEnd::SlowReader(write_time)),
        Ok(Err(error)) => return Err(StreamEnd::Broken(error.kind())),
        Ok(Ok(())) => {}
    }
    frames.clear();
    Ok(())
}

/// Writes all bytes; the deadline is for each piece that the peer lets through, so a slow link is not a slow reader.
async fn bytes_write<W: AsyncWrite + Unpin>(
    io: &mut W,
    mut bytes: &[u8],
    write_time: Duration,
) -> Result<(), StreamEnd> {
    while !bytes.is_empty() {
        match timeout(write_time, io.write(bytes)).await {
            Err(_) => return Err(StreamEnd::SlowReader(write_time)),
            Ok(Err(error)) => return Err(StreamEnd::Broken(error.kind())),
            Ok(Ok(0)) => return Err(StreamEnd::Closed),
            Ok(Ok(written)) => bytes = bytes.get(written..).unwrap_or_default(),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use futures::io::Cursor;
    use proptest::prelude::*;

    use super::*;
    use crate::budget::Counter;

    const ROLE: ReadRole = ReadRole::Answerer { request_bytes: 1 << 20 };

    fn reader(bytes: Vec<u8>, room: usize) -> FrameReader<Cursor<Vec<u8>>> {
        let budget = Budget::new(room, Counter::new(room));
        FrameReader::new(Cursor::new(bytes), ROLE, budget, Duration::from_secs(5))
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
        tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(future)
    }

    #[test]
    fn payload_without_room_is_skipped_and_the_next_frame_arrives() {
        run(async {
            let large = vec![7; SMALL_PAYLOAD + 1];
            let mut reader =
                reader(encode(&[(1, large.clone()), (2, large.clone()), (3, vec![9])]), large.len());
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
            let mut reader = reader(bytes.to_vec(), 1 << 20);
            assert!(matches!(reader.next().await.unwrap_err(), StreamEnd::Closed));
            assert!(reader.buffer.capacity() <= 2 * READ_CHUNK, "{}", reader.buffer.capacity());
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
                frames_write(&mut written, receiver, Duration::from_secs(5)).await;
                let written = written.into_inner();
                assert_eq!(written, encode(&frames));
                let mut reader = reader(written, 1 << 30);
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
                let mut reader = reader(bytes, 1 << 20);
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
