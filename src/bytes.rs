//! Small helpers around bytes: reading no more than a limit, byte order marks, hexadecimal. Knows nothing of what the bytes mean.

use std::fs::File;
use std::io::{self, BufRead, Read};
use std::path::Path;

/// All bytes of a file; `None` if it has more than `bytes_max`.
pub fn read_file(path: &Path, bytes_max: u64) -> io::Result<Option<Vec<u8>>> {
    read(File::open(path)?, bytes_max)
}

/// All bytes of a stream; `None` if it has more than `bytes_max`. Reads at most one byte beyond them.
pub fn read(stream: impl Read, bytes_max: u64) -> io::Result<Option<Vec<u8>>> {
    let mut bytes = Vec::new();
    stream.take(bytes_max.saturating_add(1)).read_to_end(&mut bytes)?;
    Ok((bytes.len() as u64 <= bytes_max).then_some(bytes))
}

/// One line that [`next_line`] has read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LineRead {
    /// Bytes taken from the stream, with those that were skipped.
    pub bytes: u64,
    /// The line is longer than the limit; the buffer holds its beginning.
    pub too_long: bool,
}

/// Reads one line into `buffer`, with its end if it has one; `None` at the end of the stream. Of a line of more than
/// `bytes_max` bytes the rest is skipped.
pub fn next_line(lines: &mut dyn BufRead, buffer: &mut Vec<u8>, bytes_max: usize) -> io::Result<Option<LineRead>> {
    buffer.clear();
    let mut bytes = lines.take(bytes_max as u64 + 1).read_until(b'\n', buffer)?;
    let too_long = bytes > bytes_max;
    if too_long && buffer.last() != Some(&b'\n') {
        bytes += lines.skip_until(b'\n')?;
    }
    Ok((bytes > 0).then_some(LineRead { bytes: bytes as u64, too_long }))
}

/// A text without the byte order mark that some editors put before it; `None` for UTF-16, which begins with one of its own.
pub fn without_byte_order_mark(text: &[u8]) -> Option<&[u8]> {
    let is_utf_16 = text.starts_with(b"\xff\xfe") || text.starts_with(b"\xfe\xff");
    (!is_utf_16).then(|| text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text))
}

/// Lower-case hexadecimal, two digits for each byte.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_is_the_last_size_that_is_read() {
        assert_eq!(read(&b"abc"[..], 3).unwrap().as_deref(), Some(&b"abc"[..]));
        assert_eq!(read(&b"abcd"[..], 3).unwrap(), None);
        assert_eq!(read(&b""[..], 0).unwrap().as_deref(), Some(&b""[..]));
        assert_eq!(read(&b"abc"[..], u64::MAX).unwrap().as_deref(), Some(&b"abc"[..]));
    }

    #[test]
    fn the_rest_of_a_long_line_is_skipped() {
        let mut stream = &b"abcdef\nabc\n\nabcd"[..];
        let mut buffer = Vec::new();
        let mut next = || {
            let line = next_line(&mut stream, &mut buffer, 4).unwrap();
            line.map(|line| (line.bytes, line.too_long, String::from_utf8(buffer.clone()).unwrap()))
        };
        assert_eq!(next(), Some((7, true, "abcde".to_owned())));
        assert_eq!(next(), Some((4, false, "abc\n".to_owned())));
        assert_eq!(next(), Some((1, false, "\n".to_owned())));
        assert_eq!(next(), Some((4, false, "abcd".to_owned())));
        assert_eq!(next(), None);
    }

    #[test]
    fn hexadecimal_has_two_digits_for_each_byte() {
        assert_eq!(hex(&[0, 10, 255]), "000aff");
    }
}
