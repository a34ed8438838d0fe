//! The failing rows of a file, sent as they are found.

use std::io::{ErrorKind, Write};
use std::sync::Arc;

use axum::Extension;
use axum::body::{Body, Bytes};
use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, State};
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use chengxin_exchange::ExchangeError;
use chengxin_exchange::import_errors::ErrorFileForm;
use chengxin_import::error_file::{ErrorFileFormat, ErrorLanguage};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use super::{path_parse, query};
use crate::failure::Failure;
use crate::gate::Caller;
use crate::services::Services;
use crate::types::import::{ErrorsFormat, ErrorsLanguage, ErrorsQuery, UploadId};

/// Bytes sent at a time. What fails before so many are written is told as a problem; later the answer breaks off.
const PIECE: usize = 64 << 10;
/// Pieces waiting for a slow reader.
const PIECES_WAITING: usize = 4;

pub(crate) async fn import_errors(
    State(services): State<Arc<Services>>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<String>,
    wanted: Result<Query<ErrorsQuery>, QueryRejection>,
) -> Result<Response, Failure> {
    let wanted = query(wanted)?;
    let id: UploadId = path_parse(&id)?;
    let file = Arc::new(services.spool.file_find(id).await?);
    let (media_type, format) = match wanted.format {
        ErrorsFormat::Xlsx => {
            ("application/vnd.openxmlformats-officedocument.spreadsheetml.sheet", ErrorFileFormat::Xlsx)
        }
        ErrorsFormat::Csv => ("text/csv; charset=utf-8", ErrorFileFormat::CsvUtf8),
    };
    let language = match wanted.lang {
        ErrorsLanguage::Zh => ErrorLanguage::Chinese,
        ErrorsLanguage::En => ErrorLanguage::English,
    };
    let (sender, mut pieces) = mpsc::channel(PIECES_WAITING);
    let out = PieceWriter { pieces: sender, waiting: Vec::with_capacity(PIECE) };
    let writing = tokio::spawn(async move {
        let (options, form) = (file.options(), ErrorFileForm { format, language });
        services.node.import_errors(&caller.operation, file, options, form, out).await
    });
    // Every file has a header, so one that ends without a piece has failed.
    let Some(first) = pieces.recv().await else {
        let missing = ExchangeError::Task { what: "writing the failing rows" };
        return Err(ended(writing).await.err().unwrap_or(missing).into());
    };
    let rest = futures::stream::unfold(Some((pieces, writing)), |state| async {
        let (mut pieces, writing) = state?;
        match pieces.recv().await {
            Some(piece) => Some((Ok(piece), Some((pieces, writing)))),
            // An answer that ends in an error is seen to be cut off.
            None => ended(writing).await.err().map(|error| {
                tracing::warn!(%error, "a file of failing rows was cut off");
                (Err(error), None)
            }),
        }
    });
    let all = futures::StreamExt::chain(futures::stream::iter([Ok(first)]), rest);
    Ok(([(CONTENT_TYPE, media_type)], Body::from_stream(all)).into_response())
}

async fn ended(writing: JoinHandle<Result<(), ExchangeError>>) -> Result<(), ExchangeError> {
    writing.await.map_err(|_| ExchangeError::Task { what: "writing the failing rows" })?
}

/// Hands on what is written in pieces; waits for the reader, and fails when there is none any more. For threads that
/// may block.
struct PieceWriter {
    pieces: mpsc::Sender<Bytes>,
    waiting: Vec<u8>,
}

impl PieceWriter {
    fn send(&mut self) -> std::io::Result<()> {
        let piece = std::mem::replace(&mut self.waiting, Vec::with_capacity(PIECE));
        self.pieces.blocking_send(Bytes::from(piece)).map_err(|_| ErrorKind::BrokenPipe.into())
    }
}

impl Write for PieceWriter {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let taken = bytes.len().min(PIECE.saturating_sub(self.waiting.len()));
        self.waiting.extend_from_slice(&bytes[..taken]);
        if self.waiting.len() == PIECE {
            self.send()?;
        }
        Ok(taken)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        if self.waiting.is_empty() { Ok(()) } else { self.send() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_waits_for_its_reader_and_fails_without_one() {
        let (sender, mut pieces) = mpsc::channel(PIECES_WAITING);
        let mut out = PieceWriter { pieces: sender, waiting: Vec::new() };
        let length = PIECE * 10 + 7;
        let writer = std::thread::spawn(move || {
            let all = vec![7_u8; length];
            out.write_all(&all).and_then(|()| out.flush()).map(|()| out)
        });
        let mut read = 0;
        while read < length {
            let piece = pieces.blocking_recv().expect("written");
            assert!(piece.len() <= PIECE && pieces.len() <= PIECES_WAITING);
            read += piece.len();
        }
        let mut out = writer.join().expect("ended").expect("written");
        assert_eq!(read, length);
        drop(pieces);
        let failed = out.write_all(&vec![7; PIECE]).expect_err("no reader");
        assert_eq!(failed.kind(), ErrorKind::BrokenPipe);
    }
}
