//! Receiving a file.

use std::os::unix::fs::OpenOptionsExt as _;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use axum::body::BodyDataStream;
use chengxin_schemas::ErrorCode;
use chengxin_schemas::digest::{Sha256, Sha256Stream};
use chengxin_schemas::time::UnixTime;
use futures::StreamExt as _;
use tokio::io::AsyncWriteExt as _;

use super::{Plan, Spool, SpooledFile};
use crate::failure::Failure;
use crate::types::import::IMPORT_FILE_LIMIT;
use crate::types::problem::Problem;

/// Longest pause between two pieces of a file. A file on disk comes without any; a pipe may have to be filled first.
const UPLOAD_IDLE_LIMIT: Duration = Duration::from_secs(60);

impl Spool {
    /// Writes an upload to disk, durably, and completes its plan. An upload that is given up or refused leaves nothing.
    pub(crate) async fn file_receive(
        self: &Arc<Self>,
        body: BodyDataStream,
        plan: Plan,
        now: UnixTime,
    ) -> Result<SpooledFile, Failure> {
        let failed = |error: std::io::Error| Failure::spool(&error);
        let work = self.work_begin()?;
        let begun = self.blocking(move |spool| {
            let mut in_use = spool.lock();
            spool.folder_make()?;
            spool.sweep_locked(&in_use, now)?;
            let incoming = spool.use_begin(&mut in_use, format!("incoming-{}", spool.number_next()));
            let path = spool.folder.join(&incoming.name);
            let file = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
            Ok((incoming, file))
        });
        let (incoming, file) = begun.await.map_err(failed)?;
        let content = body_write(tokio::fs::File::from_std(file), body).await?;
        let completed = self.blocking(move |spool| {
            let (plan, id) = plan.completed(&content)?;
            let mut in_use = spool.lock();
            let used = spool.use_begin(&mut in_use, id.to_string());
            // The same file, to be read in the same way, may be there already: one copy of it is enough.
            std::fs::rename(spool.folder.join(&incoming.name), spool.folder.join(&used.name))?;
            drop(in_use);
            Ok(SpooledFile { plan, id, begun: OnceLock::new(), used, _work: work })
        });
        completed.await.map_err(failed)
    }
}

async fn body_write(mut file: tokio::fs::File, mut body: BodyDataStream) -> Result<Sha256, Failure> {
    let failed = |error: std::io::Error| Failure::spool(&error);
    let mut digest = Sha256Stream::new();
    let mut length = 0_u64;
    loop {
        let Ok(chunk) = tokio::time::timeout(UPLOAD_IDLE_LIMIT, body.next()).await else {
            return Err(cut_off());
        };
        let Some(chunk) = chunk else { break };
        let chunk = chunk.map_err(|_| cut_off())?;
        length = length.saturating_add(chunk.len() as u64);
        if length > IMPORT_FILE_LIMIT {
            let problem = Problem::new(
                ErrorCode::TooLarge,
                format!("the file has more than {IMPORT_FILE_LIMIT} bytes"),
                format!("文件超过 {IMPORT_FILE_LIMIT} 字节"),
            );
            return Err(problem.with_field("file").with_fix("split the file", "拆分文件").into());
        }
        digest.update(&chunk);
        file.write_all(&chunk).await.map_err(failed)?;
    }
    // The file is written behind the caller's back: only a flush tells whether the last piece arrived, a sync does not.
    file.flush().await.map_err(failed)?;
    file.sync_all().await.map_err(failed)?;
    Ok(digest.finish())
}

fn cut_off() -> Failure {
    Problem::new(ErrorCode::Invalid, "the file was cut off on its way", "文件传送中断")
        .with_field("file")
        .with_fix("send it again", "重新发送")
        .into()
}
