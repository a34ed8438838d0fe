//! Connections that close in time.
//!
//! Closing a yamux connection first sends what its streams have queued, and the swarm waits for that without a
//! limit. A peer that reads nothing would keep its connection, its place among the connections and the queued bytes
//! for as long as it likes, also one that has just been removed from the directory.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use libp2p::core::muxing::{StreamMuxer, StreamMuxerEvent};
use tokio::time::{Sleep, sleep};

/// A multiplexed connection that is dropped, with whatever it has not sent, when it has not closed within a time.
pub(crate) struct PromptClose<M> {
    muxer: M,
    close_time: Duration,
    /// Set when closing begins.
    deadline: Option<Pin<Box<Sleep>>>,
}

impl<M> PromptClose<M> {
    pub(crate) fn new(muxer: M, close_time: Duration) -> Self {
        Self { muxer, close_time, deadline: None }
    }
}

impl<M: StreamMuxer + Unpin> StreamMuxer for PromptClose<M> {
    type Substream = M::Substream;
    type Error = M::Error;

    fn poll_inbound(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Result<Self::Substream, Self::Error>> {
        Pin::new(&mut self.muxer).poll_inbound(context)
    }

    fn poll_outbound(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Result<Self::Substream, Self::Error>> {
        Pin::new(&mut self.muxer).poll_outbound(context)
    }

    fn poll_close(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        if let Poll::Ready(closed) = Pin::new(&mut self.muxer).poll_close(context) {
            return Poll::Ready(closed);
        }
        let close_time = self.close_time;
        // What is said to be closed is dropped by the swarm, and the socket with it.
        self.deadline.get_or_insert_with(|| Box::pin(sleep(close_time))).as_mut().poll(context).map(Ok)
    }

    fn poll(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Result<StreamMuxerEvent, Self::Error>> {
        Pin::new(&mut self.muxer).poll(context)
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use futures::io::Cursor;
    use libp2p::core::muxing::StreamMuxerExt;
    use tokio::time::Instant;

    use super::*;

    /// A connection whose peer reads nothing, or reads all.
    struct Muxer {
        reads: bool,
    }

    impl StreamMuxer for Muxer {
        type Substream = Cursor<Vec<u8>>;
        type Error = Infallible;

        fn poll_inbound(
            self: Pin<&mut Self>,
            _: &mut Context<'_>,
        ) -> Poll<Result<Self::Substream, Infallible>> {
            Poll::Pending
        }

        fn poll_outbound(
            self: Pin<&mut Self>,
            _: &mut Context<'_>,
        ) -> Poll<Result<Self::Substream, Infallible>> {
            Poll::Pending
        }

        fn poll_close(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
            if self.reads { Poll::Ready(Ok(())) } else { Poll::Pending }
        }

        fn poll(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Result<StreamMuxerEvent, Infallible>> {
            Poll::Pending
        }
    }

    async fn check_close_takes(reads: bool, close_time: Duration, least: Duration) {
        let begun = Instant::now();
        let closed = PromptClose::new(Muxer { reads }, close_time).close();
        tokio::time::timeout(Duration::from_secs(30), closed).await.expect("it closes").unwrap();
        assert!(begun.elapsed() >= least, "reads {reads}: {:?}", begun.elapsed());
    }

    #[tokio::test]
    async fn closing_ends_in_time() {
        let short = Duration::from_millis(50);
        check_close_takes(false, short, short).await;
        // One that closes by itself is not waited for.
        check_close_takes(true, Duration::MAX, Duration::ZERO).await;
    }
}
