//! Reading an HTTP answer: head, then a body with a length, in chunks, or up to the end of the connection.

use std::io::{self, Read};
use std::time::Duration;

use zeroize::Zeroizing;

use crate::date;

/// The longest head of an answer.
const LONGEST_HEAD: usize = 32 << 10;

/// An answer.
pub struct Response {
    /// The HTTP status.
    pub status: u16,
    /// `Retry-After` (RFC 9110, 10.2.3), if it makes sense.
    pub retry_after: Option<Duration>,
    /// The body; it may have a token in it.
    pub body: Zeroizing<Vec<u8>>,
}

impl Response {
    /// The body as text, if it is UTF-8.
    pub fn text(&self) -> Option<&str> {
        std::str::from_utf8(&self.body).ok()
    }
}

pub(super) enum Failure {
    Io(io::Error),
    Damaged(String),
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

enum Length {
    Known(usize),
    Chunked,
    UntilEnd,
}

/// Read an answer whose body has at most `longest` bytes.
pub(super) fn read(stream: &mut impl Read, longest: usize) -> Result<Response, Failure> {
    let mut input = Input { stream, buffer: Zeroizing::new(Vec::with_capacity(16 << 10)), at: 0 };
    // An interim answer (100) comes before the one that is meant.
    for _ in 0..4 {
        let (status, retry_after, length) = head(&mut input)?;
        if (100..200).contains(&status) {
            continue;
        }
        let mut body = Zeroizing::new(Vec::new());
        match length {
            _ if matches!(status, 204 | 304) => {}
            Length::Known(length) if length > longest => return Err(too_long(longest)),
            Length::Known(length) => input.take(length, &mut body)?,
            Length::Chunked => chunks(&mut input, &mut body, longest)?,
            Length::UntilEnd => input.take_rest(&mut body, longest)?,
        }
        return Ok(Response { status, retry_after, body });
    }
    Err(damaged("it sends interim answers only"))
}

fn head<R: Read>(input: &mut Input<'_, R>) -> Result<(u16, Option<Duration>, Length), Failure> {
    loop {
        let mut headers = [httparse::EMPTY_HEADER; 64];
        let mut response = httparse::Response::new(&mut headers);
        match response.parse(&input.buffer[input.at..]) {
            Ok(httparse::Status::Complete(length)) => {
                let status = response.code.ok_or_else(|| damaged("it has no status"))?;
                let (mut retry_after, mut date) = (None, None);
                let mut body = Length::UntilEnd;
                for header in response.headers.iter() {
                    let value = std::str::from_utf8(header.value).unwrap_or_default().trim();
                    if header.name.eq_ignore_ascii_case("retry-after") {
                        retry_after = Some(value);
                    } else if header.name.eq_ignore_ascii_case("date") {
                        date = Some(value);
                    } else if header.name.eq_ignore_ascii_case("transfer-encoding") {
                        if !value.eq_ignore_ascii_case("chunked") {
                            return Err(damaged("its body is encoded in an unknown way"));
                        }
                        body = Length::Chunked;
                    } else if header.name.eq_ignore_ascii_case("content-length") && !matches!(body, Length::Chunked) {
                        body = Length::Known(value.parse().map_err(|_| damaged("its length is no number"))?);
                    }
                }
                let retry_after = retry_after.and_then(|value| pause(value, date));
                input.at += length;
                return Ok((status, retry_after, body));
            }
            Ok(httparse::Status::Partial) if input.buffer.len() - input.at >= LONGEST_HEAD => {
                return Err(damaged("its head is too long"));
            }
            Ok(httparse::Status::Partial) => {
                if input.fill()? == 0 {
                    return Err(damaged("the connection was closed before an answer"));
                }
            }
            Err(error) => return Err(damaged(&format!("it is no HTTP: {error}"))),
        }
    }
}

/// What `Retry-After` says. A date is compared with the answer's own, for this machine's clock may be off.
fn pause(value: &str, date: Option<&str>) -> Option<Duration> {
    if let Ok(seconds) = value.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let (until, now) = (date::parse_http(value)?, date::parse_http(date?)?);
    Some(until.duration_since(now).unwrap_or_default())
}

fn chunks<R: Read>(input: &mut Input<'_, R>, body: &mut Vec<u8>, longest: usize) -> Result<(), Failure> {
    loop {
        let line = input.line()?;
        let size = line.split(|byte| *byte == b';').next().unwrap_or_default();
        let size = std::str::from_utf8(size).ok().and_then(|size| usize::from_str_radix(size.trim(), 16).ok());
        let size = size.ok_or_else(|| damaged("the size of a chunk is no number"))?;
        if size == 0 {
            // Trailers, up to an empty line.
            for _ in 0..64 {
                if input.line()?.is_empty() {
                    return Ok(());
                }
            }
            return Err(damaged("it has too many trailers"));
        }
        if size > longest || body.len() + size > longest {
            return Err(too_long(longest));
        }
        input.take(size, body)?;
        if !input.line()?.is_empty() {
            return Err(damaged("a chunk is longer than it says"));
        }
    }
}

struct Input<'a, R> {
    stream: &'a mut R,
    buffer: Zeroizing<Vec<u8>>,
    at: usize,
}

impl<R: Read> Input<'_, R> {
    /// Read some more; 0 is the end.
    fn fill(&mut self) -> Result<usize, Failure> {
        let mut some = Zeroizing::new([0; 8192]);
        let count = self.stream.read(&mut *some)?;
        self.buffer.extend_from_slice(&some[..count]);
        Ok(count)
    }

    fn line(&mut self) -> Result<Vec<u8>, Failure> {
        loop {
            if let Some(end) = self.buffer[self.at..].iter().position(|byte| *byte == b'\n') {
                let line = self.buffer[self.at..self.at + end].to_vec();
                self.at += end + 1;
                return Ok(line.strip_suffix(b"\r").unwrap_or(&line).to_vec());
            }
            if self.buffer.len() - self.at > 4096 {
                return Err(damaged("a line in it is too long"));
            }
            if self.fill()? == 0 {
                return Err(cut_off());
            }
        }
    }

    fn take(&mut self, length: usize, body: &mut Vec<u8>) -> Result<(), Failure> {
        let mut missing = length;
        loop {
            let available = (self.buffer.len() - self.at).min(missing);
            body.extend_from_slice(&self.buffer[self.at..self.at + available]);
            missing -= available;
            self.at += available;
            if missing == 0 {
                return Ok(());
            }
            self.buffer.clear();
            self.at = 0;
            if self.fill()? == 0 {
                return Err(cut_off());
            }
        }
    }

    fn take_rest(&mut self, body: &mut Vec<u8>, longest: usize) -> Result<(), Failure> {
        loop {
            body.extend_from_slice(&self.buffer[self.at..]);
            self.buffer.clear();
            self.at = 0;
            if body.len() > longest {
                return Err(too_long(longest));
            }
            // rustls gives `UnexpectedEof` unless the server said that this is the end.
            if self.fill()? == 0 {
                return Ok(());
            }
        }
    }
}

fn damaged(reason: &str) -> Failure {
    Failure::Damaged(reason.to_owned())
}

fn cut_off() -> Failure {
    damaged("it is cut off")
}

fn too_long(longest: usize) -> Failure {
    Failure::Damaged(format!("it has more than {} KiB", longest >> 10))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests {
    use super::*;

    fn body(text: &str) -> Result<String, String> {
        match read(&mut text.as_bytes(), 8 << 20) {
            Ok(response) => Ok(String::from_utf8_lossy(&response.body).into_owned()),
            Err(Failure::Damaged(reason)) => Err(reason),
            Err(Failure::Io(error)) => Err(error.to_string()),
        }
    }

    #[test]
    fn bodies_end_where_they_say() {
        assert_eq!(body("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabcdef"), Ok("abc".into()));
        assert_eq!(body("HTTP/1.1 200 OK\r\n\r\nabc"), Ok("abc".into()));
        let chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2;x=y\r\nab\r\n1\r\nc\r\n0\r\nT: x\r\n\r\n";
        assert_eq!(body(chunked), Ok("abc".into()));
        assert_eq!(
            body("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"),
            Ok(String::new())
        );
    }

    #[test]
    fn damaged_answers_are_told() {
        assert_eq!(body("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc"), Err("it is cut off".into()));
        assert_eq!(body("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n9\r\nabc"), Err("it is cut off".into()));
        let long = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\n";
        assert_eq!(body(long), Err("it has more than 8192 KiB".into()));
        assert!(body("HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n").is_err());
        assert!(body("SSH-2.0-x\r\n").is_err() && body("").is_err());
        assert!(body(&format!("HTTP/1.1 200 OK\r\nX: {}", "x".repeat(LONGEST_HEAD))).is_err());
    }

    #[test]
    fn nothing_that_is_sent_is_a_panic_or_too_much() {
        let texts: [&[u8]; 3] = [
            b"HTTP/1.1 200 OK\r\nContent-Length: 30\r\nRetry-After: 7\r\n\r\n{\"status\":\"OK\",\"port\":40000}",
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nabcde\r\n3;x=y\r\nfgh\r\n0\r\nT: x\r\n\r\n",
            b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.0 404 Not Found\r\n\r\nno length",
        ];
        for seed in 0..2000 {
            let text = crate::mutate::mutate(texts[seed as usize % 3], seed);
            if let Ok(response) = read(&mut text.as_slice(), 64) {
                assert!(response.body.len() <= 64);
            }
        }
    }

    #[test]
    fn retry_after_is_read() {
        let text = "HTTP/1.1 429 Too Many\r\nretry-after: 120\r\nContent-Length: 0\r\n\r\n";
        let response = read(&mut text.as_bytes(), 100).ok().expect("an answer");
        assert_eq!((response.status, response.retry_after), (429, Some(Duration::from_secs(120))));
        let pause = |headers: &str| {
            let text = format!("HTTP/1.1 503 Busy\r\n{headers}Content-Length: 0\r\n\r\n");
            read(&mut text.as_bytes(), 100).ok().expect("an answer").retry_after.map(|pause| pause.as_secs())
        };
        let (at, date) = ("Retry-After: Sun, 06 Nov 1994 09:00:00 GMT\r\n", "Date: Sun, 06 Nov 1994 08:50:00 GMT\r\n");
        assert_eq!(pause(&format!("{at}{date}")), Some(600));
        assert_eq!(pause(&format!("{date}{at}")), Some(600));
        assert_eq!(pause(&format!("{at}Date: Mon, 07 Nov 1994 00:00:00 GMT\r\n")), Some(0));
        assert_eq!((pause(at), pause("Retry-After: soon\r\n"), pause("")), (None, None, None));
    }
}
