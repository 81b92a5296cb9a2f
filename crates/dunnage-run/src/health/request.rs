//! What a client asks for: the head of one HTTP request. Bytes in, a decision out.
//!
//! Three pages are served, to GET and HEAD, one request a connection. So no body is ever read, and nothing of the headers
//! matters but that they end.

/// The most bytes of a request's head.
pub const HEAD_LIMIT: usize = 4096;

/// The content type of all pages but the metrics.
pub const PLAIN: &str = "text/plain; charset=utf-8";

/// The most header lines of a head.
const HEADER_LINES: usize = 64;

/// What the bytes that have come so far are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Head {
    /// The beginning of a head.
    Incomplete,
    /// Nothing that is answered otherwise than with this status.
    Refused(Status),
    /// A whole request.
    Complete(Request),
}

/// A request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Request {
    /// Which page.
    pub page: Page,
    /// Whether only the answer's head is wanted (HEAD).
    pub head_only: bool,
}

/// A page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Page {
    /// `/livez`: whether the supervisor's loop is alive.
    Live,
    /// `/readyz`: whether requests should be sent to the application.
    Ready,
    /// `/metrics`, in the Prometheus text format.
    Metrics,
}

/// A status of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// 200.
    Ok,
    /// 400: this is no HTTP.
    BadRequest,
    /// 404.
    NotFound,
    /// 405: neither GET nor HEAD.
    MethodNotAllowed,
    /// 431: the head has more than 4 KiB or 64 lines.
    HeadTooLarge,
    /// 503: not ready, or not alive.
    Unavailable,
}

impl Status {
    /// Code and reason phrase.
    pub fn line(self) -> &'static str {
        match self {
            Self::Ok => "200 OK",
            Self::BadRequest => "400 Bad Request",
            Self::NotFound => "404 Not Found",
            Self::MethodNotAllowed => "405 Method Not Allowed",
            Self::HeadTooLarge => "431 Request Header Fields Too Large",
            Self::Unavailable => "503 Service Unavailable",
        }
    }
}

/// Looks at all that a client has sent so far.
pub fn parse_head(bytes: &[u8]) -> Head {
    let mut headers = [httparse::EMPTY_HEADER; HEADER_LINES];
    let mut request = httparse::Request::new(&mut headers);
    match request.parse(bytes) {
        Ok(httparse::Status::Complete(length)) if length <= HEAD_LIMIT => {
            decide(request.method, request.path)
        }
        Ok(httparse::Status::Partial) if bytes.len() < HEAD_LIMIT => Head::Incomplete,
        Ok(_) | Err(httparse::Error::TooManyHeaders) => Head::Refused(Status::HeadTooLarge),
        Err(_) => Head::Refused(Status::BadRequest),
    }
}

fn decide(method: Option<&str>, target: Option<&str>) -> Head {
    let head_only = match method {
        Some("GET") => false,
        Some("HEAD") => true,
        _ => return Head::Refused(Status::MethodNotAllowed),
    };
    let page = match path_of(target.unwrap_or_default()) {
        "/livez" => Page::Live,
        "/readyz" => Page::Ready,
        "/metrics" => Page::Metrics,
        _ => return Head::Refused(Status::NotFound),
    };
    Head::Complete(Request { page, head_only })
}

/// The path of a request's target: `/path?query`, or `http://host/path` as a proxy is asked.
fn path_of(target: &str) -> &str {
    let after_host = |rest: &'_ str| rest.find('/');
    let path = match target.strip_prefix("http://") {
        Some(rest) => after_host(rest).and_then(|at| rest.get(at..)),
        None => Some(target),
    };
    path.and_then(|path| path.split(['?', '#']).next())
        .unwrap_or_default()
}

/// An answer, whole. The connection ends with it.
pub fn render_answer(status: Status, content_type: &str, body: &str, head_only: bool) -> Vec<u8> {
    let allow = if status == Status::MethodNotAllowed {
        "Allow: GET, HEAD\r\n"
    } else {
        ""
    };
    let mut answer = format!(
        "HTTP/1.1 {}\r\nContent-Type: {content_type}\r\nContent-Length: {}\r\n{allow}Cache-Control: no-store\r\nConnection: close\r\n\r\n",
        status.line(),
        body.len()
    );
    if !head_only {
        answer.push_str(body);
    }
    answer.into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn complete(page: Page, head_only: bool) -> Head {
        Head::Complete(Request { page, head_only })
    }

    #[test]
    fn what_kubelet_prometheus_and_people_send_is_understood() {
        let kubelet = b"GET /readyz HTTP/1.1\r\nHost: 10.1.2.3:9393\r\nUser-Agent: kube-probe/1.34\r\nAccept: */*\r\nConnection: close\r\n\r\n";
        assert_eq!(parse_head(kubelet), complete(Page::Ready, false));
        let prometheus = b"GET /metrics HTTP/1.1\r\nHost: a\r\nUser-Agent: Prometheus/2.42.0\r\nAccept: application/openmetrics-text;version=1.0.0;q=0.5,text/plain;version=0.0.4\r\nAccept-Encoding: gzip\r\nX-Prometheus-Scrape-Timeout-Seconds: 10\r\n\r\n";
        assert_eq!(parse_head(prometheus), complete(Page::Metrics, false));
        assert_eq!(
            parse_head(b"HEAD /livez?verbose HTTP/1.0\n\n"),
            complete(Page::Live, true)
        );
        assert_eq!(
            parse_head(b"GET http://a:1/livez HTTP/1.1\r\n\r\n"),
            complete(Page::Live, false)
        );
    }

    #[test]
    fn what_is_not_served_gets_the_status_that_says_why() {
        let refused = |text: &[u8], status| assert_eq!(parse_head(text), Head::Refused(status));
        refused(b"POST /metrics HTTP/1.1\r\n\r\n", Status::MethodNotAllowed);
        refused(b"GET / HTTP/1.1\r\n\r\n", Status::NotFound);
        refused(b"GET http://host HTTP/1.1\r\n\r\n", Status::NotFound);
        refused(b"GET /../metrics HTTP/1.1\r\n\r\n", Status::NotFound);
        refused(b"\x16\x03\x01\x02\x00\x01\x00", Status::BadRequest);
        refused(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", Status::BadRequest);
        let many = format!(
            "GET /livez HTTP/1.1\r\n{}\r\n",
            "A: b\r\n".repeat(HEADER_LINES + 1)
        );
        refused(many.as_bytes(), Status::HeadTooLarge);
        let long = format!("GET /livez HTTP/1.1\r\nA: {}", "b".repeat(HEAD_LIMIT));
        refused(&long.as_bytes()[..HEAD_LIMIT], Status::HeadTooLarge);
        refused(format!("{long}\r\n\r\n").as_bytes(), Status::HeadTooLarge);
    }

    #[test]
    fn an_answer_to_head_has_the_length_of_the_body_that_it_leaves_out() {
        let answer = |head_only| {
            String::from_utf8(render_answer(Status::Ok, "text/plain", "ok\n", head_only))
        };
        let (whole, head) = (answer(false).unwrap(), answer(true).unwrap());
        assert_eq!(whole, format!("{head}ok\n"));
        assert!(head.contains("Content-Length: 3\r\n") && head.ends_with("\r\n\r\n"));
    }

    proptest! {
        #[test]
        fn any_bytes_are_a_decision(bytes in prop::collection::vec(any::<u8>(), 0..5000)) {
            let decided = parse_head(&bytes);
            prop_assert!(bytes.len() < HEAD_LIMIT || decided != Head::Incomplete);
        }

        #[test]
        fn a_request_that_comes_byte_by_byte_is_incomplete_until_it_is_whole(
            path in "/[a-z]{0,8}", header in "[A-Za-z-]{1,20}", value in "[ -~]{0,200}"
        ) {
            let text = format!("GET {path} HTTP/1.1\r\n{header}: {value}\r\n\r\n");
            for end in 0..text.len() {
                prop_assert_eq!(parse_head(&text.as_bytes()[..end]), Head::Incomplete);
            }
            prop_assert_ne!(parse_head(text.as_bytes()), Head::Incomplete);
        }
    }
}
