//! Frames: a message, numbered and checked, as bytes between two delimiters. Collects nothing; that is `feed`.

use cobs::{CobsEncoder, decode_in_place, max_encoding_length};
use crc::{CRC_32_ISCSI, Crc, Digest};
use postcard::ser_flavors::Flavor;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::message::{Answer, LABEL_BYTES_MAX, Message, Nack, RATIONALE_BYTES_MAX, Reason};

/// The newest protocol version spoken here; four bits.
pub const VERSION: u8 = 2;
/// The version of all messages that a later one did not add or change; everybody speaks it.
const FIRST_VERSION: u8 = 1;

/// CRC-32C, also called CRC-32/ISCSI.
static CRC: Crc<u32> = Crc::<u32>::new(&CRC_32_ISCSI);

/// Version and type, sequence.
const HEADER_BYTES: usize = 3;
const CRC_BYTES: usize = 4;
/// Ends a frame and begins the next; COBS takes it out of everything between.
pub(super) const DELIMITER: u8 = 0;

/// The longest frame of the small class, with both delimiters.
pub const SMALL_FRAME_BYTES_MAX: usize = Class::Small.frame_bytes_max();
/// The longest frame of the large class, with both delimiters.
pub const LARGE_FRAME_BYTES_MAX: usize = Class::Large.frame_bytes_max();

/// How long a frame the other side takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// For an 8-bit controller: one frame and its two delimiters stay below 256 bytes.
    Small,
    /// For everybody else: holds the longest question there is.
    Large,
}

impl Class {
    /// The class of a client that takes frames of up to `frame_bytes_max`; `None` if not even small ones.
    pub const fn taking(frame_bytes_max: u16) -> Option<Self> {
        match frame_bytes_max as usize {
            bytes if bytes >= LARGE_FRAME_BYTES_MAX => Some(Self::Large),
            bytes if bytes >= SMALL_FRAME_BYTES_MAX => Some(Self::Small),
            _ => None,
        }
    }

    /// The longest body.
    pub const fn body_bytes_max(self) -> usize {
        match self {
            Self::Small => 240,
            Self::Large => 1024,
        }
    }

    /// The longest piece of a rationale: beside the longest id it fills no more than a body.
    pub const fn rationale_bytes_max(self) -> usize {
        match self {
            Self::Small => LABEL_BYTES_MAX,
            Self::Large => RATIONALE_BYTES_MAX,
        }
    }

    /// The longest frame, with both delimiters.
    pub const fn frame_bytes_max(self) -> usize {
        1 + max_encoding_length(HEADER_BYTES + self.body_bytes_max() + CRC_BYTES) + 1
    }
}

/// A message with its number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame<'a> {
    /// Whose reply it is, or whose reply it asks for; 0 where nobody asked.
    pub sequence: u16,
    /// The message.
    pub message: Message<'a>,
}

/// Why a frame could not be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum EncodeError {
    /// The body is longer than the class allows: take the large class, or a shorter text.
    #[error("failed to write a frame: its body exceeds the {0} bytes that the receiver takes; shorten its text")]
    Body(usize),
    /// The caller's buffer is shorter than the longest frame of the class.
    #[error("failed to write a frame: the buffer holds {got} bytes, expected the {expected} of the receiver's longest")]
    Buffer {
        /// Length of the buffer.
        got: usize,
        /// Length of the class's longest frame.
        expected: usize,
    },
}

/// Why received bytes are no message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum Fault {
    /// Longer than the receiver's buffer.
    #[error("failed to read a frame: no delimiter in {0} bytes, the longest that is taken")]
    Overflow(usize),
    /// COBS never encodes to these bytes.
    #[error("failed to read a frame: its byte stuffing is broken")]
    Cobs,
    /// Changed on the way, or too short to hold a check.
    #[error("failed to read a frame: its CRC-32C is wrong")]
    Crc,
    /// Undamaged, of a later protocol, or of a version that has no such message.
    #[error("failed to read a frame: expected protocol version {FIRST_VERSION} or {VERSION}, got {version}")]
    Version {
        /// Its protocol version.
        version: u8,
        /// Its sequence.
        sequence: u16,
    },
    /// Undamaged, of no known type.
    #[error("failed to read a frame: the message type {kind} is not known")]
    Kind {
        /// Its type.
        kind: u8,
        /// Its sequence.
        sequence: u16,
    },
    /// Undamaged, but its fields are not those of its type, or do not end with it.
    #[error("failed to read a frame: the body is not one of message type {kind}")]
    Body {
        /// Its type.
        kind: u8,
        /// Its sequence.
        sequence: u16,
    },
}

impl Fault {
    /// The gateway's reply. `None` for a damaged frame, since nobody knows who sent it; the client asks again.
    pub fn nack(&self) -> Option<Frame<'static>> {
        let (reason, sequence) = match *self {
            Self::Overflow(_) | Self::Cobs | Self::Crc => return None,
            Self::Version { sequence, .. } => (Reason::UnknownVersion, sequence),
            Self::Kind { sequence, .. } => (Reason::UnknownType, sequence),
            Self::Body { sequence, .. } => (Reason::Malformed, sequence),
        };
        Some(Frame { sequence, message: Message::Nack(Nack { reason, request: None }) })
    }
}

impl<'a> Frame<'a> {
    /// Writes the frame, both delimiters included, into a buffer of at least [`Class::frame_bytes_max`].
    pub fn encode<'b>(&self, class: Class, buffer: &'b mut [u8]) -> Result<&'b [u8], EncodeError> {
        let expected = class.frame_bytes_max();
        if buffer.len() < expected {
            return Err(EncodeError::Buffer { got: buffer.len(), expected });
        }
        let out = Outgoing {
            room: HEADER_BYTES + class.body_bytes_max(),
            crc: CRC.digest(),
            cobs: CobsEncoder::new(&mut buffer[1..]),
        };
        let (first, second) = (FIRST_VERSION << 4, 2 << 4);
        let encoded = match &self.message {
            Message::Hello(body) => self.write(first | 1, body, out),
            Message::HelloAck(body) => self.write(first | 2, body, out),
            Message::Ask(body) => self.write(first | 3, body, out),
            Message::Answer(body) => self.write(if body.escalation.is_some() { second } else { first } | 4, body, out),
            Message::Pending(body) => self.write(first | 5, body, out),
            Message::RationaleChunk(body) => self.write(first | 6, body, out),
            Message::Nack(body) => self.write(first | 7, body, out),
            Message::Ping => self.write(first | 8, &(), out),
            Message::Pong => self.write(first | 9, &(), out),
            Message::AskStatus => self.write(first | 10, &(), out),
            Message::Status(body) => self.write(first | 11, body, out),
            Message::Ack(body) => self.write(first | 12, body, out),
            Message::AskNumbers(body) => self.write(second | 13, body, out),
        }
        // Nothing else can fail: the buffer holds every body of the class.
        .map_err(|_| EncodeError::Body(class.body_bytes_max()))?;
        buffer[0] = DELIMITER;
        buffer[1 + encoded] = DELIMITER;
        Ok(&buffer[..encoded + 2])
    }

    fn write(&self, version_and_kind: u8, body: &impl Serialize, out: Outgoing<'_>) -> postcard::Result<usize> {
        let [low, high] = self.sequence.to_le_bytes();
        // postcard writes a tuple's members one behind the other and a u8 as it is: header, then body.
        postcard::serialize_with_flavor(&(version_and_kind, low, high, body), out)
    }

    /// Reads what stood between two delimiters, in place.
    pub fn decode(encoded: &'a mut [u8]) -> Result<Self, Fault> {
        let length = decode_in_place(encoded).map_err(|_| Fault::Cobs)?;
        let (checked, crc) = encoded[..length].split_last_chunk::<CRC_BYTES>().ok_or(Fault::Crc)?;
        if CRC.checksum(checked) != u32::from_le_bytes(*crc) {
            return Err(Fault::Crc);
        }
        let (&[first, low, high], body) = checked.split_first_chunk::<HEADER_BYTES>().ok_or(Fault::Crc)?;
        let (version, kind, sequence) = (first >> 4, first & 0x0f, u16::from_le_bytes([low, high]));
        let message = match (version, kind) {
            (FIRST_VERSION, 1) => read(body).map(Message::Hello),
            (FIRST_VERSION, 2) => read(body).map(Message::HelloAck),
            (FIRST_VERSION, 3) => read(body).map(Message::Ask),
            (FIRST_VERSION, 4) => read(body).map(|(head, tail)| Message::Answer(Answer::new(head, None, tail))),
            (FIRST_VERSION, 5) => read(body).map(Message::Pending),
            (FIRST_VERSION, 6) => read(body).map(Message::RationaleChunk),
            (FIRST_VERSION, 7) => read(body).map(Message::Nack),
            (FIRST_VERSION, 8) => read(body).map(|()| Message::Ping),
            (FIRST_VERSION, 9) => read(body).map(|()| Message::Pong),
            (FIRST_VERSION, 10) => read(body).map(|()| Message::AskStatus),
            (FIRST_VERSION, 11) => read(body).map(Message::Status),
            (FIRST_VERSION, 12) => read(body).map(Message::Ack),
            (2, 4) => read(body).map(|(head, why, tail)| Message::Answer(Answer::new(head, Some(why), tail))),
            (2, 13) => read(body).map(Message::AskNumbers),
            (FIRST_VERSION, _) => return Err(Fault::Kind { kind, sequence }),
            _ => return Err(Fault::Version { version, sequence }),
        };
        Ok(Self { sequence, message: message.ok_or(Fault::Body { kind, sequence })? })
    }
}

/// A body that is read to its last byte; postcard alone would let a tail pass.
fn read<'a, T: Deserialize<'a>>(body: &'a [u8]) -> Option<T> {
    let (fields, rest) = postcard::take_from_bytes(body).ok()?;
    rest.is_empty().then_some(fields)
}

/// Where postcard writes: bytes are counted, checked and stuffed as they come, so that no second buffer is needed.
struct Outgoing<'b> {
    /// Bytes of header and body that may still come.
    room: usize,
    crc: Digest<'static, u32>,
    cobs: CobsEncoder<'b>,
}

impl Flavor for Outgoing<'_> {
    type Output = usize;

    fn try_push(&mut self, byte: u8) -> postcard::Result<()> {
        self.try_extend(&[byte])
    }

    fn try_extend(&mut self, bytes: &[u8]) -> postcard::Result<()> {
        self.room = self.room.checked_sub(bytes.len()).ok_or(postcard::Error::SerializeBufferFull)?;
        self.crc.update(bytes);
        self.cobs.push(bytes).map_err(|_| postcard::Error::SerializeBufferFull)
    }

    fn finalize(mut self) -> postcard::Result<usize> {
        let crc = self.crc.finalize().to_le_bytes();
        self.cobs.push(&crc).map_err(|_| postcard::Error::SerializeBufferFull)?;
        Ok(self.cobs.finalize())
    }
}
