//! The server of the local socket: binding it safely, telling who is at the other end, limits, drain.

use std::convert::Infallible;
use std::os::unix::fs::{DirBuilderExt as _, FileTypeExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper::body::Incoming;
use hyper::service::{Service as _, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;

use crate::gate::PeerUser;
use crate::idle_write::IdleWrite;
use crate::routes::router;
use crate::services::Services;

/// Connections at the same time. The command line opens one per command and a console a few per person.
const CONNECTIONS_LIMIT: usize = 128;
/// Longest time for a client to send its headers; a local client needs microseconds.
const HEADER_TIME_LIMIT: Duration = Duration::from_secs(10);
/// Largest headers, in bytes: a query string with 100 exceptions of 200 characters, percent-encoded, fits.
const HEADER_SIZE_LIMIT: usize = 256 << 10;
/// Longest wait for requests in progress when the node stops.
const DRAIN_LIMIT: Duration = Duration::from_secs(20);
/// Longest time in which a client takes nothing of an answer that waits for it. A client on this machine reads what it
/// asked for, or has stopped.
const WRITE_IDLE_LIMIT: Duration = Duration::from_secs(60);
/// Pause between two sweeps of the spool: what may be kept for a day goes within an hour of its end.
const SWEEP_PAUSE: Duration = Duration::from_secs(3_600);
/// Pause after the operating system refuses a connection for lack of descriptors: retrying at once would spin.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Why the socket could not be served.
#[derive(Debug, thiserror::Error)]
pub enum ServerError {
    /// Another node answers on the socket.
    #[error("another node answers on {}; stop it, or choose another socket", path.display())]
    Taken {
        /// The socket.
        path: PathBuf,
    },
    /// Something else stands where the socket should be. It is not removed.
    #[error("{} is not a socket; remove it, or choose another place", path.display())]
    NotASocket {
        /// The place.
        path: PathBuf,
    },
    /// The operating system refused.
    #[error("the socket {} cannot be made", path.display())]
    Bind {
        /// The socket.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
}

impl ServerError {
    /// The outward code.
    pub fn code(&self) -> chengxin_schemas::ErrorCode {
        match self {
            Self::Taken { .. } | Self::NotASocket { .. } => chengxin_schemas::ErrorCode::Conflict,
            Self::Bind { .. } => chengxin_schemas::ErrorCode::Unavailable,
        }
    }
}

/// Binds the socket: folder 0750, socket 0660, so that only the node's user and group reach it at all. A socket that a
/// crashed node left behind is removed; one on which a node answers is not.
pub async fn bind(path: &Path) -> Result<UnixListener, ServerError> {
    let failed = |source| ServerError::Bind { path: path.to_owned(), source };
    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty() && !folder.exists()) {
        std::fs::DirBuilder::new().recursive(true).mode(0o750).create(folder).map_err(failed)?;
    }
    match std::fs::symlink_metadata(path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
        Err(error) => return Err(failed(error)),
        Ok(metadata) if !metadata.file_type().is_socket() => {
            return Err(ServerError::NotASocket { path: path.to_owned() });
        }
        Ok(_) => match UnixStream::connect(path).await {
            Ok(_) => return Err(ServerError::Taken { path: path.to_owned() }),
            Err(error) if error.kind() == std::io::ErrorKind::ConnectionRefused => {
                std::fs::remove_file(path).map_err(failed)?;
            }
            Err(error) => return Err(failed(error)),
        },
    }
    let listener = UnixListener::bind(path).map_err(failed)?;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o660)).map_err(failed)?;
    Ok(listener)
}

/// Serves until `shutdown` completes, then lets requests in progress finish, at most [`DRAIN_LIMIT`].
pub async fn serve(listener: UnixListener, services: Arc<Services>, shutdown: impl Future<Output = ()>) {
    spool_start(&services).await;
    let router = router(services.clone());
    let mut sweeping = pin!(spool_sweep(&services));
    let slots = Arc::new(Semaphore::new(CONNECTIONS_LIMIT));
    let (stop, stopping) = watch::channel(false);
    let mut connections = JoinSet::new();
    let mut shutdown = pin!(shutdown);
    loop {
        let accepted = tokio::select! {
            () = &mut shutdown => break,
            never = &mut sweeping => match never {},
            // Finished connections are collected as we go; the set holds at most CONNECTIONS_LIMIT.
            Some(_) = connections.join_next() => continue,
            accepted = accept(&listener, &slots) => accepted,
        };
        match accepted {
            Ok((stream, slot)) => {
                let serving = connection_serve(stream, router.clone(), stopping.clone());
                connections.spawn(async move {
                    serving.await;
                    drop(slot);
                });
            }
            Err(error) => {
                tracing::warn!(%error, "a connection to the local socket was not accepted");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
    drop(listener);
    // Receivers live in the connections; without any there is nobody to tell.
    let _ = stop.send(true);
    let drained = async { while connections.join_next().await.is_some() {} };
    if tokio::time::timeout(DRAIN_LIMIT, drained).await.is_err() {
        tracing::warn!("requests on the local socket were cut off after {} s", DRAIN_LIMIT.as_secs());
    }
}

/// Clears the spool of what a crash left behind. A node whose spool fails still answers: each upload is refused then.
async fn spool_start(services: &Services) {
    let node = &services.node;
    match node.imports_unfinished().await {
        Ok(unfinished) => {
            if let Err(error) = services.spool.start(unfinished, node.now()).await {
                tracing::error!(%error, "the spool folder was not cleared");
            }
        }
        // Nothing is removed unless it is known what is needed.
        Err(error) => {
            tracing::error!(%error, "unfinished imports are not known; the spool folder was not cleared")
        }
    }
}

/// Clears the spool from time to time, for ever.
async fn spool_sweep(services: &Services) -> Infallible {
    loop {
        tokio::time::sleep(SWEEP_PAUSE).await;
        if let Err(error) = services.spool.sweep(services.node.now()).await {
            tracing::warn!(%error, "the spool folder was not swept");
        }
    }
}

/// Waits for a free slot before it accepts: what cannot be served waits in the kernel's queue.
async fn accept(
    listener: &UnixListener,
    slots: &Arc<Semaphore>,
) -> std::io::Result<(UnixStream, tokio::sync::OwnedSemaphorePermit)> {
    let slot = slots.clone().acquire_owned().await.map_err(std::io::Error::other)?;
    let (stream, _) = listener.accept().await?;
    Ok((stream, slot))
}

async fn connection_serve(stream: UnixStream, router: Router, mut stopping: watch::Receiver<bool>) {
    let user = match stream.peer_cred() {
        Ok(credentials) => PeerUser(credentials.uid()),
        Err(error) => {
            tracing::warn!(%error, "the kernel does not say who connected; refused");
            return;
        }
    };
    let inner = TowerToHyperService::new(router);
    let service = service_fn(move |mut request: hyper::Request<Incoming>| {
        request.extensions_mut().insert(user);
        inner.call(request)
    });
    let mut connection = pin!(
        hyper::server::conn::http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(HEADER_TIME_LIMIT)
            .max_buf_size(HEADER_SIZE_LIMIT)
            .half_close(false)
            .serve_connection(TokioIo::new(IdleWrite::new(stream, WRITE_IDLE_LIMIT)), service)
    );
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = async { drop(stopping.wait_for(|stop| *stop).await) } => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "a connection to the local socket ended early");
    }
}
