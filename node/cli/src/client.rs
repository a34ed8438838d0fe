//! The typed client of the node's local socket: HTTP/1.1 over a Unix socket, one connection per request.

use std::path::{Path, PathBuf};
use std::time::Duration;

use bytes::Bytes;
use chengxin_api::types::problem::Problem;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Incoming;
use hyper::header::{CONTENT_TYPE, HOST, HeaderValue};
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::net::UnixStream;

use crate::environment::Settings;
use crate::error::{CliError, Unanswered};

/// Largest document taken from the node: a page of 200 records with every field at its longest stays under it.
const DOCUMENT_LIMIT: usize = 64 << 20;
/// Longest wait for a document. A check waits for peers at most 60 s; verifying a long audit log takes minutes.
const DOCUMENT_TIMEOUT: Duration = Duration::from_secs(600);
/// Longest line of an event stream: a report lists at most 200 findings.
const LINE_LIMIT: usize = 4 << 20;

/// A request body: a document, or a file that is streamed.
type RequestBody = UnsyncBoxBody<Bytes, std::io::Error>;

/// Speaks to one node as one operator.
#[derive(Debug)]
pub struct Client {
    socket: PathBuf,
    operator: Option<HeaderValue>,
    role: Option<HeaderValue>,
}

impl Client {
    /// A client of the node on `socket`, acting as `settings` say.
    pub fn new(socket: PathBuf, settings: &Settings) -> Self {
        let header = |text: &str| HeaderValue::from_str(text).ok();
        Self {
            socket,
            operator: settings.operator.as_ref().and_then(|name| header(name.as_str())),
            role: settings.role.and_then(|role| header(role.as_str())),
        }
    }

    /// The socket.
    pub fn socket(&self) -> &Path {
        &self.socket
    }

    /// Fetches a document; `query` becomes the query string.
    pub async fn document_fetch<T: DeserializeOwned>(
        &self,
        path: &str,
        query: &impl Serialize,
    ) -> Result<T, CliError> {
        let response = self.send(Method::GET, &with_query(path, query)?, None, empty()).await?;
        document(response, &Unanswered::Nothing).await
    }

    /// Sends a document and takes one back.
    pub async fn document_post<T: DeserializeOwned>(
        &self,
        path: &str,
        body: &impl Serialize,
    ) -> Result<T, CliError> {
        let bytes = serde_json::to_vec(body).map_err(|error| protocol(&error.to_string()))?;
        self.bytes_post(path, bytes).await
    }

    /// Sends a document as it was written and takes one back.
    pub async fn bytes_post<T: DeserializeOwned>(&self, path: &str, bytes: Vec<u8>) -> Result<T, CliError> {
        let body = Full::new(Bytes::from(bytes)).map_err(|never| match never {}).boxed_unsync();
        let response = self.send(Method::POST, path, Some("application/json"), body).await?;
        document(response, &unanswered(&Method::POST, path)).await
    }

    /// Fetches a file whole.
    pub async fn file_fetch(
        &self,
        path: &str,
        query: &impl Serialize,
        limit: usize,
    ) -> Result<Bytes, CliError> {
        let response = self.send(Method::GET, &with_query(path, query)?, None, empty()).await?;
        within(&Unanswered::Nothing, body_collect(response.into_body(), limit, &Unanswered::Nothing)).await
    }

    /// Sends a file, or nothing, and follows the events that come back, one JSON document per line.
    pub async fn events_post(
        &self,
        path: &str,
        content_type: Option<&'static str>,
        body: RequestBody,
    ) -> Result<Lines, CliError> {
        let response = self.send(Method::POST, path, content_type, body).await?;
        Ok(Lines { body: response.into_body(), pending: Vec::new(), ended: false })
    }

    async fn send(
        &self,
        method: Method,
        path: &str,
        content_type: Option<&'static str>,
        body: RequestBody,
    ) -> Result<Response<Incoming>, CliError> {
        let stream = UnixStream::connect(&self.socket)
            .await
            .map_err(|source| CliError::Unreachable { socket: self.socket.clone(), source })?;
        let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
            .await
            .map_err(|error| protocol(&error.to_string()))?;
        // Ends when the sender and the response body are dropped; errors show up in the response.
        tokio::spawn(connection);
        let outcome = unanswered(&method, path);
        let mut request =
            Request::builder().method(method).uri(path).header(HOST, HeaderValue::from_static("chengxin"));
        if let Some(content_type) = content_type {
            request = request.header(CONTENT_TYPE, content_type);
        }
        for (name, value) in [("x-chengxin-operator", &self.operator), ("x-chengxin-role", &self.role)] {
            if let Some(value) = value {
                request = request.header(name, value);
            }
        }
        let request = request.body(body).map_err(|error| protocol(&error.to_string()))?;
        let answer = async { sender.send_request(request).await.map_err(|error| unsent(&error, &outcome)) };
        let response = within(&outcome, answer).await?;
        if response.status().is_success() { Ok(response) } else { Err(problem(response).await) }
    }
}

/// The lines of an event stream.
#[derive(Debug)]
pub struct Lines {
    body: Incoming,
    pending: Vec<u8>,
    ended: bool,
}

impl Lines {
    /// The next line as a document; none when the stream has ended. Safe to drop between lines.
    pub async fn next<T: DeserializeOwned>(&mut self) -> Result<Option<T>, CliError> {
        loop {
            if let Some(end) = self.pending.iter().position(|byte| *byte == b'\n') {
                let rest = self.pending.split_off(end + 1);
                let line = std::mem::replace(&mut self.pending, rest);
                return parse(&line).map(Some);
            }
            if self.ended {
                // A last line without its end was cut off and does not count.
                return Ok(None);
            }
            match self.body.frame().await {
                Some(Ok(frame)) => {
                    if let Some(data) = frame.data_ref() {
                        self.pending.extend_from_slice(data);
                    }
                    if self.pending.len() > LINE_LIMIT {
                        return Err(protocol("a line of the event stream is too long"));
                    }
                }
                Some(Err(_)) | None => self.ended = true,
            }
        }
    }
}

/// A request without a body.
pub fn empty() -> RequestBody {
    Full::new(Bytes::new()).map_err(|never| match never {}).boxed_unsync()
}

/// A request body that is read as it is sent, so that a large file never stands in memory.
pub fn reader_body(reader: impl tokio::io::AsyncRead + Send + Unpin + 'static) -> RequestBody {
    /// Bytes read at a time: large enough that system calls do not count, small enough for any machine.
    const CHUNK: usize = 256 << 10;
    let chunks = futures::stream::try_unfold(reader, |mut reader| async move {
        let mut chunk = vec![0_u8; CHUNK];
        let read = tokio::io::AsyncReadExt::read(&mut reader, &mut chunk).await?;
        chunk.truncate(read);
        Ok((read > 0).then(|| (hyper::body::Frame::data(Bytes::from(chunk)), reader)))
    });
    http_body_util::StreamBody::new(chunks).boxed_unsync()
}

/// `path` with the fields of `query` as its query string (application/x-www-form-urlencoded). Absent fields are left
/// out; a list repeats its name.
pub fn with_query(path: &str, query: &impl Serialize) -> Result<String, CliError> {
    let value = serde_json::to_value(query).map_err(|error| protocol(&error.to_string()))?;
    let mut text = path.to_owned();
    let mut separator = '?';
    let mut pair = |name: &str, value: &serde_json::Value| {
        let value = match value {
            serde_json::Value::Null => return,
            serde_json::Value::String(text) => percent_encode(text),
            other => percent_encode(&other.to_string()),
        };
        text.push(separator);
        text.push_str(&format!("{}={value}", percent_encode(name)));
        separator = '&';
    };
    if let serde_json::Value::Object(fields) = &value {
        for (name, value) in fields {
            match value {
                serde_json::Value::Array(items) => items.iter().for_each(|item| pair(name, item)),
                other => pair(name, other),
            }
        }
    }
    Ok(text)
}

/// One segment of a path or one part of a query string: everything but unreserved characters (RFC 3986) encoded.
pub fn percent_encode(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
            encoded.push(char::from(byte));
        } else {
            encoded.push_str(&format!("%{byte:02X}"));
        }
    }
    encoded
}

/// What is known of a request that has no answer: where it may have changed something, the command that shows. A check
/// leaves entries in the logs and is made again like any question.
fn unanswered(method: &Method, path: &str) -> Unanswered {
    let place = path.strip_prefix("/api/v1/").unwrap_or(path);
    let place = place.split_once('?').map_or(place, |(place, _)| place);
    let is_question = ["checks", "notices/preview", "policy/explain", "policy/diff", "audit/verify"]
        .contains(&place)
        || place.ends_with("simulations");
    let look = match place.split('/').next() {
        _ if method == Method::GET || is_question => return Unanswered::Nothing,
        // A new token makes the earlier one void.
        _ if place == "federation/tokens" => return Unanswered::Again,
        Some("notices") => "chengxin notice list --issued",
        Some("operators") => "chengxin operator list",
        Some("imports") => "chengxin import list",
        Some("policy") => "chengxin policy status",
        Some("federation") => "chengxin federation members",
        Some(_) | None => "chengxin status",
    };
    Unanswered::Unknown { look: look.to_owned() }
}

/// A request without an answer: the other side ended the connection, or it is no node.
fn unsent(error: &hyper::Error, outcome: &Unanswered) -> CliError {
    if error.is_parse() { protocol(&chain(error)) } else { CliError::CutOff { outcome: outcome.clone() } }
}

async fn document<T: DeserializeOwned>(
    response: Response<Incoming>,
    outcome: &Unanswered,
) -> Result<T, CliError> {
    let bytes = within(outcome, body_collect(response.into_body(), DOCUMENT_LIMIT, outcome)).await?;
    parse(&bytes)
}

/// Reads why the node refused. A refusal that is no problem document comes from something that is not a node.
async fn problem(response: Response<Incoming>) -> CliError {
    /// Problem documents are short; a longer body is not one.
    const PROBLEM_LIMIT: usize = 1 << 20;
    let status: StatusCode = response.status();
    // A refusal changes nothing, even one whose reason does not come.
    let refused = Unanswered::Nothing;
    match within(&refused, body_collect(response.into_body(), PROBLEM_LIMIT, &refused)).await {
        Ok(bytes) => serde_json::from_slice::<Problem>(&bytes)
            .map_or_else(|_| protocol(&format!("HTTP status {status} without a reason")), CliError::problem),
        Err(error) => error,
    }
}

async fn body_collect(body: Incoming, limit: usize, outcome: &Unanswered) -> Result<Bytes, CliError> {
    match Limited::new(body, limit).collect().await {
        Ok(collected) => Ok(collected.to_bytes()),
        Err(error) => Err(match error.downcast_ref::<hyper::Error>() {
            Some(error) => unsent(error, outcome),
            None => protocol(&error.to_string()),
        }),
    }
}

async fn within<T>(
    outcome: &Unanswered,
    work: impl Future<Output = Result<T, CliError>>,
) -> Result<T, CliError> {
    let late = || CliError::Timeout { seconds: DOCUMENT_TIMEOUT.as_secs(), outcome: outcome.clone() };
    tokio::time::timeout(DOCUMENT_TIMEOUT, work).await.unwrap_or_else(|_| Err(late()))
}

fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, CliError> {
    serde_json::from_slice(bytes).map_err(|error| protocol(&error.to_string()))
}

fn protocol(reason: &str) -> CliError {
    CliError::Protocol { reason: reason.to_owned() }
}

/// An error with its causes, which say more than "error sending request".
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use chengxin_api::types::record::RecordQuery;

    #[test]
    fn a_query_string_leaves_out_what_is_absent_and_encodes_the_rest() {
        let query =
            RecordQuery { cursor: Some("a b&c=内".to_owned()), limit: Some(5), ..RecordQuery::default() };
        assert_eq!(
            with_query("/api/v1/records", &query).expect("query"),
            "/api/v1/records?cursor=a%20b%26c%3D%E5%86%85&limit=5"
        );
        assert_eq!(with_query("/x", &RecordQuery::default()).expect("query"), "/x");
    }
}
