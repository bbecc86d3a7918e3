//! Lines of text for scanners and old PLCs that speak no frames: a question a line, an answer a line. Without check, number
//! or request id, so a damaged line cannot be told from a good one and a person's later decision cannot be sent; where a
//! device can do frames, it should. A device must not echo: an echoed answer is a question.
//!
//! # A question
//!
//! A line ends with CR, LF or CRLF; empty and blank lines are nothing. It is UTF-8 or CP932, as configured, and is
//! normalised (NFKC: full-width digits and letters become ASCII, half-width kana full) and trimmed. Control characters are
//! refused, the TAB and GS1's group separator among them: a scanner that sends them is set up to send something else. A line
//! that is longer than it may be is thrown away up to its end.
//!
//! # An answer
//!
//! `CODE,CONFIDENCE,LABEL` and CRLF, in the encoding of the question; the first two fields always have five
//! characters, so a PLC may take them by place:
//!
//! | line | meaning |
//! |---|---|
//! | `00003,09870,tool wear` | choice 3, confidence 98.70 %, its label |
//! | `65534,09120,bearing wear` | a task of free text: the label is the answer |
//! | `65535,04210,tool wear` | no answer: a person is asked; the label is only the best guess, and may be empty |
//! | `ERR07,00000,busy` | refused, for reason 7 of a Nack ([`super`] has the table); never a number |
//!
//! LABEL is all the rest, commas included. What the encoding does not have is sent as `?`, a control character as a space;
//! a label that had to be cut ends with `...`.

use alloc::borrow::ToOwned as _;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use encoding_rs::{SHIFT_JIS, UTF_8};
use thiserror::Error;
use unicode_normalization::UnicodeNormalization as _;

use super::message::{Answer, Reason};

/// What marks a label that is cut.
const CUT: &str = "...";
const LINE_END: &[u8] = b"\r\n";

/// How characters are bytes on this line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encoding {
    /// UTF-8.
    Utf8,
    /// CP932: Shift JIS as Windows writes it.
    Cp932,
}

impl fmt::Display for Encoding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Utf8 => "UTF-8",
            Self::Cp932 => "Shift_JIS (CP932)",
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
    #[error("failed to read a line: it is not {0}; see which encoding the device is set to")]
    Encoding(Encoding),
    /// A character that is no text.
    #[error("failed to read a line: it holds the control character U+{:04X}", u32::from(*.0))]
    Control(char),
}

/// Collects lines from a stream of bytes.
#[derive(Debug)]
pub struct Lines {
    encoding: Encoding,
    bytes_max: usize,
    collected: Vec<u8>,
    /// Behind the longest line: until its end.
    discarding: bool,
}

impl Lines {
    /// Takes lines of up to `bytes_max`, on the line and as normalised UTF-8. It starts with a line, so whatever an
    /// open port brings first should be flushed.
    pub fn new(encoding: Encoding, bytes_max: usize) -> Self {
        Self { encoding, bytes_max, collected: Vec::new(), discarding: false }
    }

    /// Takes the next byte; what it completes, if anything: a question, never blank, or why it is none.
    pub fn push(&mut self, byte: u8) -> Option<Result<String, Fault>> {
        // Neither CR nor LF is ever the second byte of a character, in neither encoding.
        if matches!(byte, b'\r' | b'\n') {
            self.discarding = false;
            let line = self.question();
            self.collected.clear();
            return line.transpose();
        }
        if self.discarding {
            return None;
        }
        if self.collected.len() == self.bytes_max {
            self.discarding = true;
            self.collected.clear();
            return Some(Err(Fault::TooLong(self.bytes_max)));
        }
        self.collected.push(byte);
        None
    }

    fn question(&self) -> Result<Option<String>, Fault> {
        let encoding = match self.encoding {
            Encoding::Utf8 => UTF_8,
            Encoding::Cp932 => SHIFT_JIS,
        };
        let text = encoding
            .decode_without_bom_handling_and_without_replacement(&self.collected)
            .ok_or(Fault::Encoding(self.encoding))?;
        let mut question = String::new();
        for character in text.trim().nfkc() {
            if character.is_control() {
                return Err(Fault::Control(character));
            }
            question.push(character);
            // One character may become eighteen.
            if question.len() > self.bytes_max {
                return Err(Fault::TooLong(self.bytes_max));
            }
        }
        // NFKC makes a space of some characters.
        Ok(Some(question.trim()).filter(|question| !question.is_empty()).map(str::to_owned))
    }
}

/// The line of an answer.
pub fn answer(answer: &Answer<'_>, encoding: Encoding) -> Vec<u8> {
    let mut label = answer.label.as_str().to_owned();
    if answer.label_cut {
        label.push_str(CUT);
    }
    line(&format!("{:05},{:05},{label}", answer.code, answer.confidence.ten_thousandths()), encoding)
}

/// The line of a refusal.
pub fn refusal(reason: Reason, encoding: Encoding) -> Vec<u8> {
    line(&format!("ERR{:02},00000,{}", reason.code(), reason.word()), encoding)
}

fn line(text: &str, encoding: Encoding) -> Vec<u8> {
    let mut bytes = Vec::new();
    for character in text.chars() {
        let character = if character.is_control() { ' ' } else { character };
        let mut utf8 = [0; 4];
        let utf8 = &*character.encode_utf8(&mut utf8);
        match encoding {
            Encoding::Utf8 => bytes.extend_from_slice(utf8.as_bytes()),
            Encoding::Cp932 => match SHIFT_JIS.encode(utf8) {
                (encoded, _, false) => bytes.extend_from_slice(&encoded),
                _ => bytes.push(b'?'),
            },
        }
    }
    bytes.extend_from_slice(LINE_END);
    bytes
}

#[cfg(test)]
mod tests {
    use alloc::string::ToString as _;

    use super::super::{CODE_ASK_A_PERSON, Confidence, RequestId, State, Text};
    use super::*;

    fn lines(encoding: Encoding, bytes_max: usize, bytes: &[u8]) -> Vec<Result<String, Fault>> {
        let mut lines = Lines::new(encoding, bytes_max);
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
        for (encoding, bytes, fault) in [
            (Encoding::Utf8, b"ab\x1dc\rok\r".as_slice(), Fault::Control('\x1d')),
            (Encoding::Utf8, b"a\tb\rok\r", Fault::Control('\t')),
            (Encoding::Utf8, b"a\0b\rok\r", Fault::Control('\0')),
            (Encoding::Utf8, b"\x95\x5c\rok\r", Fault::Encoding(Encoding::Utf8)),
            (Encoding::Cp932, b"\xe5\x88\xa4\xfe\rok\r", Fault::Encoding(Encoding::Cp932)),
            (Encoding::Cp932, b"\x80\rok\r", Fault::Control('\u{80}')),
        ] {
            assert_eq!(lines(encoding, 64, bytes), [Err(fault), Ok("ok".to_owned())], "{bytes:?}");
        }
        assert_eq!(Fault::Control('\x1d').to_string(), "failed to read a line: it holds the control character U+001D");
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
        let reply = |code, confidence, label: &str, encoding| {
            let (label, label_cut) = Text::cut(label);
            let request = RequestId::new(b"1").unwrap();
            let confidence = Confidence::new(confidence).unwrap();
            let state = State::Answered;
            answer(&Answer { code, state, confidence, revision: 0, label_cut, request, label }, encoding)
        };
        assert_eq!(reply(3, 9870, "a, b", Encoding::Utf8), b"00003,09870,a, b\r\n");
        assert_eq!(reply(CODE_ASK_A_PERSON, 10_000, "", Encoding::Utf8), b"65535,10000,\r\n");
        assert_eq!(reply(0, 0, "表\r\n𠮷é", Encoding::Cp932), b"00000,00000,\x95\x5c  ??\r\n");
        assert_eq!(reply(0, 0, "表\n", Encoding::Utf8), "00000,00000,表 \r\n".as_bytes());
        let cut = reply(1, 1, &"表".repeat(67), Encoding::Utf8);
        assert_eq!(cut, format!("00001,00001,{}...\r\n", "表".repeat(66)).as_bytes());
        assert_eq!(refusal(Reason::Busy, Encoding::Cp932), b"ERR07,00000,busy\r\n");
    }

    #[test]
    fn no_bytes_panic_and_no_question_is_blank_or_too_long() {
        let mut random = fastrand::Rng::with_seed(7);
        for encoding in [Encoding::Utf8, Encoding::Cp932] {
            let mut lines = Lines::new(encoding, 16);
            for _ in 0..200_000 {
                if let Some(Ok(question)) = lines.push(random.u8(..)) {
                    assert!(
                        !question.trim().is_empty() && question.len() <= 16 && !question.contains(char::is_control)
                    );
                }
                assert!(lines.collected.len() <= 16);
            }
        }
    }
}
