//! The socket itself: modes, stale sockets, limits, drain; and the client the other tests speak with.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use bytes::Bytes;
use chengxin_api::server::{ServerError, bind};
use chengxin_api::types::problem::Problem;
use chengxin_schemas::ErrorCode;
use http_body_util::{BodyExt as _, Full};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::UnixStream;

use crate::support::{Served, own_uid};

/// What came back.
pub struct Received {
    pub status: u16,
    pub body: Bytes,
}

impl Received {
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub fn json<T: serde::de::DeserializeOwned>(&self) -> T {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.text()))
    }

    /// The documents of a stream, one per line.
    pub fn lines<T: serde::de::DeserializeOwned>(&self) -> Vec<T> {
        let text = self.text();
        text.lines()
            .map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}")))
            .collect()
    }
}

/// One request on a connection of its own.
pub async fn call(
    socket: &Path,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: impl Into<Bytes>,
) -> Received {
    let stream = UnixStream::connect(socket).await.expect("connected");
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.expect("handshake");
    tokio::spawn(connection);
    let mut request = hyper::Request::builder().method(method).uri(path).header("host", "chengxin");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let response =
        sender.send_request(request.body(Full::new(body.into())).expect("request")).await.expect("response");
    let status = response.status().as_u16();
    let body = response.into_body().collect().await.expect("body").to_bytes();
    Received { status, body }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_socket_is_for_owner_and_group_and_a_stale_one_is_replaced() {
    let folder = tempfile::tempdir().expect("folder");
    let path = folder.path().join("run/node.sock");
    let listener = bind(&path).await.expect("bound");
    let mode = |path: &Path| std::fs::metadata(path).expect("there").permissions().mode() & 0o777;
    assert_eq!(mode(&path), 0o660);
    assert_eq!(mode(path.parent().expect("folder")), 0o750);
    assert!(matches!(bind(&path).await, Err(ServerError::Taken { .. })));
    drop(listener);
    assert!(path.exists(), "a crashed node leaves its socket behind");
    drop(bind(&path).await.expect("stale socket replaced"));
    let file = folder.path().join("file");
    std::fs::write(&file, "precious").expect("file");
    assert!(matches!(bind(&file).await, Err(ServerError::NotASocket { .. })));
    assert_eq!(std::fs::read_to_string(&file).expect("still there"), "precious");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_with_a_request_is_told_as_a_problem() {
    let served = Served::start(own_uid()).await;
    let clerk = [("x-chengxin-operator", "clerk")];
    let check = |body: String| {
        let socket = served.socket.clone();
        async move { call(&socket, "POST", "/api/v1/checks", &clerk, body).await }
    };
    for (body, field) in [
        ("{".to_owned(), "body"),
        (
            r#"{"subject":"1","purpose":"government-procurement","case_reference":"A","extra":1}"#.to_owned(),
            "body",
        ),
        (
            r#"{"subject":"91320100748204660A","purpose":"government-procurement","case_reference":"A-1"}"#
                .to_owned(),
            "unified_code",
        ),
    ] {
        let answer = check(body).await;
        assert_eq!(answer.status, 400, "{}", answer.text());
        let problem: Problem = answer.json();
        assert_eq!(problem.field.as_deref(), Some(field));
        assert!(!problem.trace_id.is_empty());
        assert!(!answer.text().contains("91320100748204660A"), "identifiers stay out of errors");
    }
    let answer = check(" ".repeat(3 << 20)).await;
    assert_eq!((answer.status, answer.json::<Problem>().code), (413, ErrorCode::TooLarge));
    for path in ["/", "/api/v1/nothing", "/api/v2/status"] {
        let answer = call(&served.socket, "GET", path, &clerk, "").await;
        assert_eq!((answer.status, answer.json::<Problem>().code), (404, ErrorCode::NotFound), "{path}");
    }
    let answer = call(&served.socket, "GET", "/api/v1/records?limit=x", &clerk, "").await;
    assert_eq!(answer.json::<Problem>().field.as_deref(), Some("limit"));
    let number = "440524188001010014";
    let answer = check(format!(r#"{{"subject":{number}}}"#)).await;
    assert!(answer.status == 400 && !answer.text().contains(number), "{}", answer.text());
    served.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flood_of_headers_is_cut_off_and_the_node_goes_on() {
    let served = Served::start(own_uid()).await;
    let mut stream = UnixStream::connect(&served.socket).await.expect("connected");
    stream.write_all(b"GET /api/v1/status HTTP/1.1\r\nhost: x\r\n").await.expect("begun");
    let line = format!("x-filler: {}\r\n", "a".repeat(8_000));
    for _ in 0..200 {
        if stream.write_all(line.as_bytes()).await.is_err() {
            break;
        }
    }
    let mut answer = Vec::new();
    // The server closes; whether it still says why depends on how much it had read.
    let _ = stream.read_to_end(&mut answer).await;
    assert!(answer.is_empty() || answer.starts_with(b"HTTP/1.1 431"), "{}", String::from_utf8_lossy(&answer));
    let answer = call(&served.socket, "GET", "/api/v1/status", &[], "").await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    served.stop().await;
}
