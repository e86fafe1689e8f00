//! Finds where one HTTP/1 message ends and the next begins, so strictly that no two readers can
//! differ: requests that RFC 9112 lets a server accept leniently are refused here.

use std::str;

use thiserror::Error;

/// The longest head.
pub(in crate::proxy) const LONGEST_HEAD: usize = 64 * 1024;
/// The longest trailer section.
const LONGEST_TRAILERS: usize = 16 * 1024;
/// The longest size of a chunk: 15 digits are more than any chunk needs.
const LONGEST_SIZE: usize = 15;
/// The longest extensions of one chunk, which nobody is known to use.
const LONGEST_EXTENSION: usize = 256;
/// As many fields as the HTTP library reads.
const MOST_FIELDS: usize = 100;

/// Why a request is refused.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub(in crate::proxy) enum Fault {
    #[error("a line does not end with CR LF")]
    BareLineEnd,
    #[error("it holds a control character")]
    Control,
    #[error("its request line is not `METHOD TARGET HTTP/1.1`")]
    RequestLine,
    #[error("its target is not a path of this server's")]
    Target,
    #[error("a header line begins with white space")]
    Folded,
    #[error("the name of a header is not one")]
    HeaderName,
    #[error("its head is too long")]
    HeadTooLong,
    #[error("its head holds more than {MOST_FIELDS} fields")]
    TooManyFields,
    #[error("it does not name one host")]
    Host,
    #[error("its length is not said, or said more than once")]
    Length,
    #[error("its transfer coding is not `chunked` alone")]
    Coding,
    #[error("a chunk is not as it says")]
    Chunk,
}

/// What comes next on a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Expecting {
    Head,
    /// This many bytes of a body.
    Body(u64),
    ChunkSize,
    ChunkData(u64),
    /// The end of the data of a chunk.
    ChunkEnd,
    Trailers,
}

/// A valid head.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Head {
    pub(super) length: usize,
    /// What follows the head.
    pub(super) then: Expecting,
    /// Whether the head asks for another protocol on this connection.
    pub(super) upgrades: bool,
}

/// Reads the head at the start of these bytes; `None` if it is not complete yet. Reports a fault as
/// soon as it can be detected.
pub(super) fn head(bytes: &[u8], seen: usize) -> Result<Option<Head>, Fault> {
    // The end may have begun in bytes that were searched before.
    let from = seen.saturating_sub(3);
    let Some(length) = end_of_lines(bytes, from)? else {
        let is_long = bytes.len() > LONGEST_HEAD;
        // An invalid request line is reported before its head is complete.
        return if is_long { Err(Fault::HeadTooLong) } else { early(bytes).map(|()| None) };
    };
    if length > LONGEST_HEAD {
        return Err(Fault::HeadTooLong);
    }
    let mut lines = Lines(&bytes[..length - 2]);
    let is_old = request_line(lines.next().unwrap_or_default())?;
    let mut said = Said::default();
    for (number, line) in lines.enumerate() {
        if number == MOST_FIELDS {
            return Err(Fault::TooManyFields);
        }
        said.take(line)?;
    }
    said.settle(is_old, length).map(Some)
}

/// The length of a block of lines, including the empty line that ends it; `None` if that has not
/// come. Checks all line ends up to there.
fn end_of_lines(bytes: &[u8], from: usize) -> Result<Option<usize>, Fault> {
    for at in from..bytes.len() {
        match bytes[at] {
            b'\n' if at == 0 || bytes[at - 1] != b'\r' => return Err(Fault::BareLineEnd),
            b'\n' if at == 1 || (at >= 3 && bytes[at - 2] == b'\n') => return Ok(Some(at + 1)),
            b'\r' if bytes.get(at + 1).is_some_and(|next| *next != b'\n') => {
                return Err(Fault::BareLineEnd);
            }
            0 => return Err(Fault::Control),
            _ => {}
        }
    }
    Ok(None)
}

/// Refuses bytes that can no longer become a request.
fn early(bytes: &[u8]) -> Result<(), Fault> {
    match bytes.first() {
        Some(first) if !is_token(*first) => Err(Fault::RequestLine),
        _ => match bytes.iter().position(|byte| *byte == b'\n') {
            Some(at) => request_line(&bytes[..at.saturating_sub(1)]).map(|_| ()),
            None => Ok(()),
        },
    }
}

/// The lines of a block, without their line ends.
struct Lines<'a>(&'a [u8]);

impl<'a> Iterator for Lines<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        if self.0.is_empty() {
            return None;
        }
        let end = self.0.iter().position(|byte| *byte == b'\n')?;
        let (line, rest) = self.0.split_at(end + 1);
        self.0 = rest;
        Some(&line[..end - 1])
    }
}

/// Checks a request line. Returns whether its version is HTTP/1.0.
fn request_line(line: &[u8]) -> Result<bool, Fault> {
    let mut words = line.split(|byte| *byte == b' ');
    let words = [words.next(), words.next(), words.next(), words.next()];
    let [Some(method), Some(target), Some(version), None] = words else {
        return Err(Fault::RequestLine);
    };
    if method.is_empty() || !method.iter().copied().all(is_token) {
        return Err(Fault::RequestLine);
    }
    let is_old = match version {
        b"HTTP/1.1" => false,
        b"HTTP/1.0" => true,
        _ => return Err(Fault::RequestLine),
    };
    let visible = target.iter().all(|byte| byte.is_ascii_graphic() && *byte != b'#');
    // The absolute form names the host again, which is compared with `Host` (RFC 9112, 3.2.2).
    let is_absolute = [&b"http://"[..], b"https://"].iter().any(|start| {
        target.get(..start.len()).is_some_and(|begins| begins.eq_ignore_ascii_case(start))
    });
    let is_path = target.first() == Some(&b'/') || is_absolute;
    let is_star = target == b"*" && method == b"OPTIONS";
    if !visible || method == b"CONNECT" || !(is_path || is_star) {
        return Err(Fault::Target);
    }
    Ok(is_old)
}

/// The fields of a head that determine where its message ends.
#[derive(Default)]
struct Said {
    hosts: u32,
    length: Option<u64>,
    chunked: bool,
    wants_upgrade: bool,
    names_upgrade: bool,
}

impl Said {
    fn take(&mut self, line: &[u8]) -> Result<(), Fault> {
        let (name, value) = header(line)?;
        if name.eq_ignore_ascii_case(b"host") {
            self.hosts += 1;
        } else if name.eq_ignore_ascii_case(b"content-length") {
            let digits = str::from_utf8(value).ok().filter(|text| {
                !text.is_empty() && text.len() < 20 && text.bytes().all(|b| b.is_ascii_digit())
            });
            let length = digits.and_then(|digits| digits.parse().ok()).ok_or(Fault::Length)?;
            if self.length.replace(length).is_some() {
                return Err(Fault::Length);
            }
        } else if name.eq_ignore_ascii_case(b"transfer-encoding") {
            if self.chunked || !value.eq_ignore_ascii_case(b"chunked") {
                return Err(Fault::Coding);
            }
            self.chunked = true;
        } else if name.eq_ignore_ascii_case(b"upgrade") {
            self.wants_upgrade = true;
        } else if name.eq_ignore_ascii_case(b"connection") {
            let mut names = value.split(|byte| *byte == b',').map(<[u8]>::trim_ascii);
            self.names_upgrade |= names.any(|name| name.eq_ignore_ascii_case(b"upgrade"));
        }
        Ok(())
    }

    fn settle(self, is_old: bool, length: usize) -> Result<Head, Fault> {
        if self.hosts != 1 {
            return Err(Fault::Host);
        }
        let then = match (self.chunked, self.length) {
            (true, Some(_)) => return Err(Fault::Length),
            (true, None) if is_old => return Err(Fault::Coding),
            (true, None) => Expecting::ChunkSize,
            (false, None | Some(0)) => Expecting::Head,
            (false, Some(length)) => Expecting::Body(length),
        };
        let upgrades = self.wants_upgrade && self.names_upgrade && then == Expecting::Head;
        Ok(Head { length, then, upgrades })
    }
}

/// Splits a header line into its name and value.
fn header(line: &[u8]) -> Result<(&[u8], &[u8]), Fault> {
    if matches!(line.first(), Some(b' ' | b'\t')) {
        return Err(Fault::Folded);
    }
    let colon = line.iter().position(|byte| *byte == b':').ok_or(Fault::HeaderName)?;
    let (name, value) = (&line[..colon], &line[colon + 1..]);
    if name.is_empty() || !name.iter().copied().all(is_token) {
        return Err(Fault::HeaderName);
    }
    if value.iter().any(|byte| (*byte < b' ' && *byte != b'\t') || *byte == 0x7f) {
        return Err(Fault::Control);
    }
    Ok((name, value.trim_ascii()))
}

/// Whether a byte may be in a token (RFC 9110, 5.6.2).
fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

/// Continues through a body from `expecting`, as far as these bytes go. Returns how many bytes belong
/// to the body, and what is expected after them: `Expecting::Head` if the body has ended.
pub(super) fn body(bytes: &[u8], expecting: Expecting) -> Result<(usize, Expecting), Fault> {
    let (mut at, mut expecting) = (0, expecting);
    loop {
        let rest = &bytes[at..];
        match expecting {
            Expecting::Head => return Ok((at, expecting)),
            Expecting::Body(left) | Expecting::ChunkData(left) => {
                let is_chunk = matches!(expecting, Expecting::ChunkData(_));
                let here = usize::try_from(left).unwrap_or(usize::MAX).min(rest.len());
                at += here;
                let left = left - here as u64;
                expecting = match (is_chunk, left) {
                    (true, 0) => Expecting::ChunkEnd,
                    (true, left) => Expecting::ChunkData(left),
                    (false, 0) => Expecting::Head,
                    (false, left) => Expecting::Body(left),
                };
                if left > 0 {
                    return Ok((at, expecting));
                }
            }
            Expecting::ChunkEnd => match rest {
                [b'\r', b'\n', ..] => {
                    at += 2;
                    expecting = Expecting::ChunkSize;
                }
                [] | [b'\r'] => return Ok((at, expecting)),
                _ => return Err(Fault::Chunk),
            },
            Expecting::ChunkSize => {
                let digits = rest.iter().take_while(|byte| byte.is_ascii_hexdigit()).count();
                if digits > LONGEST_SIZE {
                    return Err(Fault::Chunk);
                }
                if digits == 0 && !rest.is_empty() {
                    return Err(Fault::Chunk);
                }
                let Some(extension) = extension(&rest[digits..])? else {
                    return Ok((at, expecting));
                };
                let size = str::from_utf8(&rest[..digits]).unwrap_or_default();
                let size = u64::from_str_radix(size, 16).map_err(|_| Fault::Chunk)?;
                if size == 0 {
                    expecting = Expecting::Trailers;
                } else {
                    expecting = Expecting::ChunkData(size);
                }
                at += digits + extension + 2;
            }
            Expecting::Trailers => {
                let Some(length) = end_of_trailers(rest)? else {
                    let is_long = rest.len() > LONGEST_TRAILERS;
                    return if is_long { Err(Fault::HeadTooLong) } else { Ok((at, expecting)) };
                };
                return Ok((at + length, Expecting::Head));
            }
        }
    }
}

/// The length of a chunk's extensions up to the end of their line (RFC 9112, 7.1.1); `None` if that has
/// not come. They are passed on to nobody.
fn extension(bytes: &[u8]) -> Result<Option<usize>, Fault> {
    #[derive(Clone, Copy)]
    enum At {
        /// Before a semicolon or the end, or before `=` after a name.
        End {
            of_name: bool,
        },
        /// Before a name, or within one.
        Name {
            has_begun: bool,
        },
        /// Before a value, or within one.
        Value {
            has_begun: bool,
        },
        Quoted,
        Escaped,
    }
    let mut state = At::End { of_name: false };
    for (at, byte) in bytes.iter().copied().enumerate() {
        if at > LONGEST_EXTENSION {
            return Err(Fault::Chunk);
        }
        let is_blank = matches!(byte, b' ' | b'\t');
        let (may_end, of_name) = match state {
            At::End { of_name } => (true, of_name),
            At::Name { has_begun } => (has_begun, has_begun),
            At::Value { has_begun } => (has_begun, false),
            At::Quoted | At::Escaped => (false, false),
        };
        state = match (state, byte) {
            // Blanks stand before a semicolon or an equals sign alone.
            (_, b'\r') if may_end && !(at > 0 && matches!(bytes[at - 1], b' ' | b'\t')) => {
                return match bytes.get(at + 1) {
                    None => Ok(None),
                    Some(b'\n') => Ok(Some(at)),
                    Some(_) => Err(Fault::Chunk),
                };
            }
            (_, b';') if may_end => At::Name { has_begun: false },
            (_, b'=') if of_name => At::Value { has_begun: false },
            (_, _) if may_end && is_blank => At::End { of_name },
            (At::Name { .. } | At::Value { .. }, _) if is_blank => state,
            (At::Name { .. }, _) if is_token(byte) => At::Name { has_begun: true },
            (At::Value { has_begun: false }, b'"') => At::Quoted,
            (At::Value { .. }, _) if is_token(byte) => At::Value { has_begun: true },
            (At::Quoted, b'"') => At::End { of_name: false },
            (At::Quoted, b'\\') => At::Escaped,
            (At::Quoted | At::Escaped, _) if is_blank || (byte > b' ' && byte != 0x7f) => {
                At::Quoted
            }
            _ => return Err(Fault::Chunk),
        };
    }
    Ok(None)
}

/// The length of a complete trailer section, including the empty line.
fn end_of_trailers(bytes: &[u8]) -> Result<Option<usize>, Fault> {
    let Some(length) = end_of_lines(bytes, 0)? else { return Ok(None) };
    for line in Lines(&bytes[..length - 2]) {
        let (name, _) = header(line)?;
        // Fields that say where a message ends, or for which host it is, must not follow it (RFC
        // 9110, 6.5.1).
        let framing: [&[u8]; 3] = [b"content-length", b"transfer-encoding", b"host"];
        if framing.iter().any(|known| name.eq_ignore_ascii_case(known)) {
            return Err(Fault::Chunk);
        }
    }
    Ok(Some(length))
}

#[cfg(test)]
mod tests;
