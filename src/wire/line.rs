//! Lines of text for scanners and old PLCs that speak no frames: a question a line, an answer a line. Without check and
//! request id, so a damaged line cannot be told from a good one and a person's later decision cannot be sent; where a
//! device can do frames, it should.
//!
//! # A question
//!
//! A line ends with CR, LF or CRLF; one that begins with STX ends with ETX too. Empty and blank lines are nothing. It is UTF-8 or
//! CP932, as configured, and is normalised (NFKC: full-width digits and letters become ASCII, half-width kana full) and
//! trimmed. Control characters at its ends and the symbology identifier that a scanner puts first (`]C1`) are taken off;
//! between other characters a control character is refused, GS1's group separator among them. A line that is longer than it
//! may be is thrown away up to its end.
//!
//! # An answer
//!
//! `CODE,CONFIDENCE,LABEL` and CRLF, in the encoding of the question. Where a person is asked, two more fields stand before the
//! label: `65535,CONFIDENCE,REASON,GUESS,LABEL`. All fields but the label always have five characters, so a PLC may take
//! them by place:
//!
//! | line | meaning |
//! |---|---|
//! | `00003,09870,tool wear` | choice 3, confidence 98.70 %, its label |
//! | `65534,09120,bearing wear` | a task of free text: the label is the answer |
//! | `65535,04210,00001,00003,ask a person (guess: tool wear)` | a person is asked, for reason 1; the guess is choice 3, at 42.10 % |
//! | `65535,00000,00014,65535,57.1 % is no torque` | a person is asked, for reason 14; there is no guess |
//! | `ERR07,00000,busy` | refused, for reason 7 of a Nack ([`super`] has the table); never a number |
//!
//! LABEL is all the rest, commas included. What the encoding does not have is sent as `?`, a control character as a space;
//! a label that had to be cut ends with `...`.
//!
//! # Numbered lines
//!
//! Where so configured, a device puts a number of its own before each question, from 1 to 99999, and a comma: `17,type=M ...`. The
//! answer begins with that number, in five characters: `00017,00003,09870,tool wear`. `00000` begins the refusal of a line
//! whose number could not be read.

use alloc::borrow::{Cow, ToOwned as _};
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use encoding_rs::{SHIFT_JIS, UTF_8};
use thiserror::Error;
use unicode_normalization::UnicodeNormalization as _;

use super::message::{Answer, Escalation, Reason};

/// What marks a label that is cut.
const CUT: &str = "...";
/// Ends a line that is sent.
pub const END: &[u8] = b"\r\n";
/// The greatest number that a device may put before its question: five characters.
pub const NUMBER_MAX: u32 = 99_999;
/// Begins a scanner's text.
const STX: u8 = 0x02;
/// Ends a scanner's text.
const ETX: u8 = 0x03;

/// How characters are bytes on this line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encoding {
    /// UTF-8.
    Utf8,
    /// CP932: Shift JIS as Windows writes it.
    Cp932,
    /// ASCII, all that a line of seven bits has.
    Ascii,
}

impl Encoding {
    fn decode(self, bytes: &[u8]) -> Option<Cow<'_, str>> {
        let encoding = match self {
            Self::Utf8 => UTF_8,
            Self::Cp932 => SHIFT_JIS,
            Self::Ascii => return bytes.is_ascii().then(|| String::from_utf8_lossy(bytes)),
        };
        encoding.decode_without_bom_handling_and_without_replacement(bytes)
    }

    fn as_found(self) -> &'static str {
        match self {
            Self::Utf8 => ", but it would be UTF-8",
            Self::Cp932 => ", but it would be Shift_JIS (CP932)",
            Self::Ascii => ", but it would be ASCII",
        }
    }

    /// The other one, where these bytes are text in it and hardly any in this one.
    fn other(self, bytes: &[u8]) -> Option<Self> {
        let other = match self {
            Self::Utf8 => Self::Cp932,
            Self::Cp932 => Self::Utf8,
            Self::Ascii => return None,
        };
        other.decode(bytes).is_some().then_some(other)
    }

    /// Bytes in UTF-8 often pass for CP932, as other characters. The other way there is no doubt: a Japanese character has three bytes
    /// in UTF-8, and no text in CP932 looks like a row of them.
    fn is_doubtful(self, bytes: &[u8]) -> bool {
        let has_three = |text: &str| text.chars().any(|character| character.len_utf8() == 3);
        self == Self::Cp932 && core::str::from_utf8(bytes).is_ok_and(has_three)
    }
}

impl fmt::Display for Encoding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Utf8 => "UTF-8",
            Self::Cp932 => "Shift_JIS (CP932)",
            Self::Ascii => "ASCII",
        })
    }
}

/// Why a line is no question.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum Fault {
    /// As bytes on the line, or as normalised UTF-8.
    #[error("failed to read a line: it is longer than {0} bytes")]
    TooLong(usize),
    /// Not text in the encoding that was configured.
    #[error("failed to read a line: it is not {}{}", .expected, .found.map_or("", |found| found.as_found()))]
    Encoding {
        /// The encoding that was configured.
        expected: Encoding,
        /// The other one, if the line is text in it.
        found: Option<Encoding>,
    },
    /// A character that is no text.
    #[error("failed to read a line: it holds the control character U+{:04X}", u32::from(*.0))]
    Control(char),
}

/// Collects lines from a stream of bytes.
#[derive(Debug)]
pub struct Lines {
    encoding: Encoding,
    bytes_max: usize,
    /// TABs separate values.
    tabs: bool,
    collected: Vec<u8>,
    /// `collected` is the line that was completed last; it goes with the next byte.
    completed: bool,
    /// Behind the longest line: until its end.
    discarding: bool,
}

impl Lines {
    /// Takes lines of up to `bytes_max`, on the line and as normalised UTF-8; a TAB is text where `tabs` says so. It starts with
    /// a line, so whatever an open port brings first should be flushed.
    pub fn new(encoding: Encoding, bytes_max: usize, tabs: bool) -> Self {
        Self { encoding, bytes_max, tabs, collected: Vec::new(), completed: false, discarding: false }
    }

    /// Takes the next byte; what it completes, if anything: a question, never blank, or why it is none.
    pub fn push(&mut self, byte: u8) -> Option<Result<String, Fault>> {
        if core::mem::take(&mut self.completed) {
            self.collected.clear();
        }
        // None of them is ever the second byte of a character, in no encoding.
        let framed = byte == ETX && self.collected.first() == Some(&STX);
        if framed || matches!(byte, b'\r' | b'\n') {
            self.discarding = false;
            self.completed = true;
            return self.question().transpose();
        }
        if self.discarding {
            return None;
        }
        if self.collected.len() == self.bytes_max {
            (self.discarding, self.completed) = (true, true);
            return Some(Err(Fault::TooLong(self.bytes_max)));
        }
        self.collected.push(byte);
        None
    }

    /// The bytes of what was completed last, up to the next byte; of a line that is too long its beginning.
    pub fn bytes(&self) -> &[u8] {
        &self.collected
    }

    fn question(&self) -> Result<Option<String>, Fault> {
        let bytes = &*self.collected;
        let text = self.encoding.decode(bytes).filter(|_| !self.encoding.is_doubtful(bytes));
        let text =
            text.ok_or_else(|| Fault::Encoding { expected: self.encoding, found: self.encoding.other(bytes) })?;
        let mut question = String::new();
        for character in self.trim(without_symbology(self.trim(&text))).nfkc() {
            if character.is_control() && !(self.tabs && character == '\t') {
                return Err(Fault::Control(character));
            }
            question.push(character);
            // One character may become eighteen.
            if question.len() > self.bytes_max {
                return Err(Fault::TooLong(self.bytes_max));
            }
        }
        // NFKC makes a space of some characters.
        let question = self.trim(&question);
        Ok(Some(question).filter(|question| !question.trim().is_empty()).map(str::to_owned))
    }

    /// Without blanks and control characters at the ends; but a TAB may stand for an empty value.
    fn trim<'t>(&self, text: &'t str) -> &'t str {
        let is_edge = |c: char| (c.is_whitespace() || c.is_ascii_control()) && !(self.tabs && c == '\t');
        text.trim_matches(is_edge)
    }
}

/// Without the symbology identifier of ISO/IEC 15424: `]`, a letter, and a digit or letter. No question begins with a bracket that
/// closes.
fn without_symbology(text: &str) -> &str {
    match text.as_bytes() {
        [b']', code, modifier, ..] if code.is_ascii_alphabetic() && modifier.is_ascii_alphanumeric() => &text[3..],
        _ => text,
    }
}

/// The number before a question, from 1 to [`NUMBER_MAX`], and the question behind the separator.
pub fn numbered(line: &str, separator: char) -> Option<(u32, &str)> {
    let (number, question) = line.split_once(separator)?;
    let number = number.trim();
    let digits = (1..=5).contains(&number.len()) && number.bytes().all(|byte| byte.is_ascii_digit());
    let number = number.parse().ok().filter(|number| digits && (1..=NUMBER_MAX).contains(number))?;
    Some((number, question.trim_matches(|c: char| c.is_whitespace() && c != separator)))
}

/// The number of a line that is no question, as far as it can be read; 0 where it cannot.
pub fn number_of(line: &[u8], separator: char) -> u32 {
    let first = line.split(|byte| char::from(*byte) == separator).next().unwrap_or_default();
    let text: String = first.iter().copied().map(char::from).chain([separator]).collect();
    let number = without_symbology(text.trim_start_matches(|c: char| c.is_control() || c.is_whitespace()));
    numbered(number, separator).map_or(0, |(number, _)| number)
}

/// The line of an answer; `number` where lines are numbered.
pub fn answer(number: Option<u32>, answer: &Answer<'_>, encoding: Encoding) -> Vec<u8> {
    let mut text = format!("{:05},{:05},", answer.code, answer.confidence.ten_thousandths());
    if let Some(Escalation { reason, guess }) = answer.escalation {
        text += &format!("{reason:05},{guess:05},");
    }
    text += answer.label.as_str();
    if answer.label_cut {
        text += CUT;
    }
    line(number, &text, encoding)
}

/// The line of a refusal; `number` where lines are numbered, 0 where that could not be read.
pub fn refusal(number: Option<u32>, reason: Reason, encoding: Encoding) -> Vec<u8> {
    line(number, &format!("ERR{:02},00000,{}", reason.code(), reason.word()), encoding)
}

fn line(number: Option<u32>, text: &str, encoding: Encoding) -> Vec<u8> {
    let number = number.map(|number| format!("{number:05},")).unwrap_or_default();
    let mut bytes = Vec::new();
    for character in number.chars().chain(text.chars()) {
        let character = if character.is_control() { ' ' } else { character };
        let mut utf8 = [0; 4];
        let utf8 = &*character.encode_utf8(&mut utf8);
        match encoding {
            Encoding::Utf8 => bytes.extend_from_slice(utf8.as_bytes()),
            Encoding::Ascii => bytes.push(u8::try_from(character).ok().filter(u8::is_ascii).unwrap_or(b'?')),
            Encoding::Cp932 => match SHIFT_JIS.encode(utf8) {
                (encoded, _, false) => bytes.extend_from_slice(&encoded),
                _ => bytes.push(b'?'),
            },
        }
    }
    bytes.extend_from_slice(END);
    bytes
}

#[cfg(test)]
mod tests {
    use alloc::string::ToString as _;

    use super::super::{CODE_ASK_A_PERSON, Confidence, RequestId, State, Text};
    use super::*;

    fn lines(encoding: Encoding, bytes_max: usize, bytes: &[u8]) -> Vec<Result<String, Fault>> {
        let mut lines = Lines::new(encoding, bytes_max, false);
        bytes.iter().filter_map(|&byte| lines.push(byte)).collect()
    }

    fn read(encoding: Encoding, bytes: &[u8]) -> Vec<String> {
        lines(encoding, 64, bytes).into_iter().map(Result::unwrap).collect()
    }

    #[test]
    fn every_line_end_ends_one_line() {
        for text in ["a\rb\r", "a\nb\n", "a\r\nb\r\n", "\r\n\r\na\n\r \t\rb\n", " a \r\u{3000}b\u{3000}\rhalf"] {
            assert_eq!(read(Encoding::Utf8, text.as_bytes()), ["a", "b"], "{text:?}");
        }
    }

    #[test]
    fn both_encodings_of_one_question_are_normalised_to_the_same() {
        let question = "Ｍ型 ﾄﾙｸ　４２．８ Ｎｍ－表①";
        let (cp932, _, unmappable) = SHIFT_JIS.encode(question);
        assert!(!unmappable);
        let expected = ["M型 トルク 42.8 Nm-表1"];
        assert_eq!(read(Encoding::Cp932, &[&cp932, b"\r".as_slice()].concat()), expected);
        assert_eq!(read(Encoding::Utf8, format!("{question}\n").as_bytes()), expected);
        // 表 and ソ end with the byte of a backslash in CP932; the line is not cut there.
        assert_eq!(read(Encoding::Cp932, b"\x95\x5c\x83\x5c\r\n"), ["表ソ"]);
    }

    #[test]
    fn what_is_no_text_is_refused_and_the_next_line_is_read() {
        let wrong = |expected, found| Fault::Encoding { expected, found };
        for (encoding, bytes, fault) in [
            (Encoding::Utf8, b"ab\x1dc\rok\r".as_slice(), Fault::Control('\x1d')),
            (Encoding::Utf8, b"a\tb\rok\r", Fault::Control('\t')),
            (Encoding::Utf8, b"a\0b\rok\r", Fault::Control('\0')),
            (Encoding::Utf8, b"\x95\x5c\rok\r", wrong(Encoding::Utf8, Some(Encoding::Cp932))),
            (Encoding::Utf8, b"\xe5\x88\xfe\rok\r", wrong(Encoding::Utf8, None)),
            (Encoding::Cp932, b"\xe5\x88\xa4\xfe\rok\r", wrong(Encoding::Cp932, None)),
            // It passes for Shift_JIS as well, as characters that nobody meant.
            (Encoding::Cp932, "温度\rok\r".as_bytes(), wrong(Encoding::Cp932, Some(Encoding::Utf8))),
            (Encoding::Ascii, "温度\rok\r".as_bytes(), wrong(Encoding::Ascii, None)),
            (Encoding::Cp932, b"\x80\rok\r", Fault::Control('\u{80}')),
        ] {
            assert_eq!(lines(encoding, 64, bytes), [Err(fault), Ok("ok".to_owned())], "{bytes:?}");
        }
        assert_eq!(Fault::Control('\x1d').to_string(), "failed to read a line: it holds the control character U+001D");
        assert_eq!(
            wrong(Encoding::Utf8, Some(Encoding::Cp932)).to_string(),
            "failed to read a line: it is not UTF-8, but it would be Shift_JIS (CP932)"
        );
        assert_eq!(wrong(Encoding::Utf8, None).to_string(), "failed to read a line: it is not UTF-8");
    }

    #[test]
    fn what_a_scanner_puts_around_its_text_is_taken_off() {
        for text in
            ["\x02a b\x03\r\n", "\x02a b\x03", "\x1d\x1ea b\x04\r", "]C1a b\r", "\x02]d2 a b\x03\r", "\0a b\0\n"]
        {
            assert_eq!(read(Encoding::Utf8, text.as_bytes()), ["a b"], "{text:?}");
        }
        assert_eq!(read(Encoding::Utf8, b"]a\r] b\r\x02\x03\r"), ["]a", "] b"]);
        let half = lines(Encoding::Utf8, 64, b"a\x03b\r");
        assert_eq!(half, [Err(Fault::Control('\x03'))], "it ends only what STX began");
    }

    #[test]
    fn a_tab_is_text_where_it_separates_values() {
        let mut lines = Lines::new(Encoding::Utf8, 64, true);
        let mut read = |bytes: &[u8]| bytes.iter().filter_map(|byte| lines.push(*byte)).collect::<Vec<_>>();
        assert_eq!(read(b" \x02\ta\t\t\x03\r"), [Ok("\ta\t\t".to_owned())]);
        assert_eq!(read(b"\t\t\r"), []);
    }

    #[test]
    fn the_number_before_a_question_has_up_to_five_digits() {
        for (line, expected) in [
            ("17,type=M", Some((17, "type=M"))),
            ("00017, type=M", Some((17, "type=M"))),
            ("99999,a,b", Some((99_999, "a,b"))),
            ("0,a", None),
            ("00000,a", None),
            ("100000,a", None),
            ("000017,a", None),
            ("+17,a", None),
            ("type=M,17", None),
            ("17", None),
        ] {
            assert_eq!(numbered(line, ','), expected, "{line}");
        }
        assert_eq!(numbered("17\t\ta", '\t'), Some((17, "\ta")));
        for (line, expected) in [("\x0200017,\u{fdfa}", 17), ("17", 17), ("x", 0), ("1 7,", 0), ("", 0)] {
            assert_eq!(number_of(line.as_bytes(), ','), expected, "{line}");
        }
    }

    #[test]
    fn bytes_are_those_of_the_line_that_was_completed() {
        let mut lines = Lines::new(Encoding::Utf8, 4, false);
        let mut completed = Vec::new();
        for &byte in b"17,a\r\n18,abc\r" {
            if lines.push(byte).is_some() {
                completed.push(lines.bytes().to_vec());
            }
        }
        assert_eq!(completed, [b"17,a".to_vec(), b"18,a".to_vec()], "of one too long its beginning");
    }

    #[test]
    fn an_overlong_line_is_thrown_away_with_its_tail() {
        let whole = |text: &str| Ok::<_, Fault>(text.to_owned());
        let too_long = || Err(Fault::TooLong(4));
        assert_eq!(lines(Encoding::Utf8, 4, b"abcd\rabcde\rabcd\n"), [whole("abcd"), too_long(), whole("abcd")]);
        assert_eq!(lines(Encoding::Utf8, 4, b"123456789012\r\nx\r"), [too_long(), whole("x")]);
        // Four bytes on the line, six as full-width kana in UTF-8.
        assert_eq!(lines(Encoding::Cp932, 4, b"\xc4\xd9\xb8\r"), [too_long()]);
        // One character of three bytes that NFKC writes as eighteen characters.
        assert_eq!(lines(Encoding::Utf8, 4, "\u{fdfa}\rx\r".as_bytes()), [too_long(), whole("x")]);
    }

    #[test]
    fn answers_and_refusals_are_one_line_of_fixed_places() {
        let reply = |number, code, confidence, escalation, label: &str, encoding| {
            let (label, label_cut) = Text::cut(label);
            let request = RequestId::new(b"1").unwrap();
            let confidence = Confidence::new(confidence).unwrap();
            let state = State::Answered;
            answer(
                number,
                &Answer { code, state, confidence, revision: 0, escalation, label_cut, request, label },
                encoding,
            )
        };
        assert_eq!(reply(None, 3, 9870, None, "a, b", Encoding::Utf8), b"00003,09870,a, b\r\n");
        assert_eq!(reply(Some(17), 3, 9870, None, "a, b", Encoding::Utf8), b"00017,00003,09870,a, b\r\n");
        let why = Some(Escalation { reason: 14, guess: CODE_ASK_A_PERSON });
        let no_torque = reply(None, CODE_ASK_A_PERSON, 0, why, "57.1 % is no torque", Encoding::Utf8);
        assert_eq!(no_torque, b"65535,00000,00014,65535,57.1 % is no torque\r\n");
        assert_eq!(reply(None, 0, 0, None, "表\r\n𠮷é", Encoding::Cp932), b"00000,00000,\x95\x5c  ??\r\n");
        assert_eq!(reply(None, 0, 0, None, "表a", Encoding::Ascii), b"00000,00000,?a\r\n");
        assert_eq!(reply(None, 0, 0, None, "表\n", Encoding::Utf8), "00000,00000,表 \r\n".as_bytes());
        let cut = reply(None, 1, 1, None, &"表".repeat(67), Encoding::Utf8);
        assert_eq!(cut, format!("00001,00001,{}...\r\n", "表".repeat(66)).as_bytes());
        assert_eq!(refusal(None, Reason::Busy, Encoding::Cp932), b"ERR07,00000,busy\r\n");
        assert_eq!(refusal(Some(0), Reason::Busy, Encoding::Cp932), b"00000,ERR07,00000,busy\r\n");
    }

    #[test]
    fn no_bytes_panic_and_no_question_is_blank_or_too_long() {
        let mut random = fastrand::Rng::with_seed(7);
        for encoding in [Encoding::Utf8, Encoding::Cp932] {
            let mut lines = Lines::new(encoding, 16, random.bool());
            for _ in 0..200_000 {
                if let Some(Ok(question)) = lines.push(random.u8(..)) {
                    assert!(
                        !question.trim().is_empty()
                            && question.len() <= 16
                            && !question.contains(|c: char| c.is_control() && c != '\t')
                    );
                }
                assert!(lines.collected.len() <= 16);
            }
        }
    }
}
