//! The serial protocol: typed messages in checked frames, for microcontrollers and PLCs. Opens no port, knows no clock, and
//! needs neither an operating system nor an allocator. Firmware depends on this crate and on no other of sokutou.
//!
//! This page is the whole protocol, versions 1 and 2; an implementation in C needs nothing else. `tests/data/wire.txt` holds
//! frames to test it against. For scanners and old PLCs that speak lines of text there is the module `line`, behind the
//! feature of that name: only the gateway needs it, and it allocates.
//!
//! # Frame
//!
//! ```text
//! 00 | COBS( header | body | check ) | 00
//! ```
//!
//! | part | bytes | what |
//! |---|---|---|
//! | `00` | 1 | a delimiter; the first one ends whatever noise came before, and one may close a frame and open the next |
//! | header | 1 | protocol version of the message in the high four bits (1 or 2), its type in the low four |
//! | | 2 | sequence |
//! | body | 0 to 1024 | by type, below |
//! | check | 4 | CRC-32C over header and body (polynomial 1EDC6F41 reflected, start and final XOR FFFFFFFF; of `123456789` it is E3069283) |
//! | `00` | 1 | a delimiter |
//!
//! Every number, in header, body and check, is **little-endian** and of fixed length. COBS (consistent overhead byte stuffing)
//! takes the zeros out: the frame is cut at its zeros, and each piece of up to 254 other bytes goes out behind one byte that is
//! its length plus one; a piece of 254 bytes, code `FF`, stands for itself alone, every other one for a zero behind it, except
//! the last. A piece that could also have been ended by an empty one at the very end (254 bytes exactly) need not be, and a
//! reader takes both.
//!
//! Version, header, check and COBS stay as they are in every later version, so that an old receiver can refuse a newer
//! frame by name.
//!
//! Version 2 adds a message, AskNumbers, and a second form of Answer. Only these two have 2 in their header; all other messages are
//! of version 1 for good. The gateway sends the second form only to who said in Hello that it speaks version 2. A gateway of
//! version 1 refuses AskNumbers with a Nack, reason 1.
//!
//! A receiver throws away everything up to the first `00`, collects up to the next, undoes COBS, checks the CRC, and only then
//! looks at version, type and body. A frame that is longer than it can take is thrown away up to its `00`. Nothing
//! between two `00` is no frame. A body that does not end where its fields end is refused.
//!
//! # Lengths
//!
//! | class | body at most | frame at most, with both delimiters | for whom |
//! |---|---|---|---|
//! | small | 240 | 250 | everybody, until a Hello says otherwise |
//! | large | 1024 | 1038 | who says in Hello that frames of 1038 bytes are welcome |
//!
//! The gateway itself takes large frames from everybody.
//!
//! # Conversation
//!
//! ```text
//! client                          gateway
//! Hello ------------------------>                optional; once after power on, and after every silence
//!        <---------------------- HelloAck
//! Ask -------------------------->                journalled, then
//!        <---------------------- Pending         the question is safe; asking again is not needed, and does no harm
//!        <---------------------- Answer          revision 0
//! Ack  ------------------------->                if Hello promised it
//!        <---------------------- RationaleChunk  as many as it takes, only if wanted
//!        <---------------------- Answer          revision 1 and up, when a person has decided; may be days later
//! Ack  ------------------------->
//! ```
//!
//! - **Sequence.** A client numbers its frames 1 to 65535 and again from 1; a frame sent again keeps its number. HelloAck,
//!   Pending, Nack, Pong and Status carry the number of the frame that they reply to. Answer and RationaleChunk carry that of
//!   the Ask, or 0 when the gateway was restarted since; they are matched by their request id.
//! - **Request id.** 1 to 16 bytes that the client chooses and *never* uses for another question, not even after power
//!   off: the same id again brings the recorded answer, and the student is not asked. A counter must be kept over power
//!   off, or be preceded by bytes that differ with each start.
//! - **Again.** A client that hears neither Pending, Answer nor Nack in time (three seconds are plenty) sends the same frame
//!   again.
//! - **Ack.** A client that promised it acknowledges every Answer that it gets, expected or not; until then, or until the question
//!   expires, the gateway repeats it. A revision does not expire.
//! - **Expiry.** An answer that could not be sent before its question expired is not sent any more. The same Ask again brings it.
//! - **A rationale** is not acknowledged. Where a piece is missing, the Ask again brings the answer and every piece.
//! - **Nack** is the gateway's word only; a client says nothing to what it cannot read.
//!
//! # Fields
//!
//! Bodies are [postcard](https://postcard.jamesmunns.com/wire-format)'s format, of which only this occurs:
//!
//! | field | bytes |
//! |---|---|
//! | u8, u16, u32 | 1, 2, 4; little-endian |
//! | bool | 1: `00` no, `01` yes; anything else is refused |
//! | one of a set | 1: its code |
//! | text | its length in bytes as a varint, then UTF-8, without an end mark |
//! | id | its length as a varint (1 to 16, so one byte), then the bytes |
//! | optional X | `00` without, `01` and then X with |
//! | number | `00` and a float of single precision, 4 bytes; or `01`, a mantissa i32, 4 bytes, and how many of its digits are decimals u8, at most 9 |
//! | list of X | its length in bytes as a varint, then each X behind the other |
//!
//! **Varint**, only ever a length here: seven bits a byte, the lowest first, bit 7 set when another byte follows. So up to 127 it
//! is the number itself, and up to 1024 two bytes: `(n & 7F) | 80`, then `n >> 7`; 300 is `AC 02`.
//!
//! # Messages
//!
//! | type | message | from | body |
//! |---|---|---|---|
//! | 1 | [`Hello`] | client | newest version it speaks u8, longest frame it takes with both delimiters u16, acknowledges answers bool, name text <= 64 |
//! | 2 | [`HelloAck`] | gateway | version it will speak u8, longest frame it takes u16, name text <= 64, software's version text <= 32 |
//! | 3 | [`Ask`] | client | request id, wants a rationale bool, expires after milliseconds optional u32, task optional text <= 32, question text <= 960 |
//! | 4 | [`Answer`] | gateway | **code u16**, state u8, confidence u16, revision u16, label cut bool, request id, label text <= 200 |
//! | 5 | [`Pending`] | gateway | request id, questions before it u16 |
//! | 6 | [`RationaleChunk`] | gateway | request id, index from 0 u16, last bool, text <= 960 |
//! | 7 | [`Nack`] | gateway | reason u8, request optional id |
//! | 8 | Ping | both | nothing |
//! | 9 | Pong | both | nothing |
//! | 10 | AskStatus | client | nothing |
//! | 11 | [`Status`] | gateway | student ready bool, broker connected bool, questions queued u16, reviews open u16 |
//! | 12 | [`Ack`] | client | request id, revision u16 |
//! | 13, version 2 | [`AskNumbers`] | client | request id, wants a rationale bool, expires after milliseconds optional u32, task optional text <= 32, readings list of (field u8, number), series list of number |
//! | 4, version 2 | [`Answer`] | gateway | **code u16**, state u8, confidence u16, revision u16, **reason u8, guess u16**, label cut bool, request id, label text <= 200 |
//!
//! A PLC without strings reads of an Answer only what stands at fixed places once COBS is undone: code at 3, state at 5,
//! confidence at 6, revision at 8. A code of [`CODE_ASK_A_PERSON`] (65535) is no answer: a person is asked. A task that answers
//! in free text has no codes; there the code is [`CODE_TEXT`] (65534), and the label is the answer.
//!
//! State: 0 answered, 1 pending a person. Confidence: in 1/10000, at most 10000; while a person is asked that of the guess, and 0 without
//! one. The label then is the guess, or the call for a person where there is none; in version 2 it is why a person is asked,
//! with the guess behind it, the reason's code stands at place 10, and at 11 the guess's: 65535 for none, 65534 for free text.
//!
//! Reasons of an Answer: 1 unsure, 2 no question of the task, 3 the thought did not end, 4 no answer came, 5 the thought leads to another
//! answer; and of readings: 11 one is missing, 12 one is of no field, 13 one has two values, 14 a foreign unit, 15 marked as
//! bad, 16 negated, 17 out of range, 18 ambiguous, 19 unreadable, 20 too few or too many, 21 too close to a limit.
//!
//! # Numbers
//!
//! Fields count from 1, in the order in which the model's task declares them; a field stands once. A series is for tasks that have one.
//! The gateway takes a float as the shortest decimal number that gives it again (42.8, not 42.799999), and a scaled number digit by digit
//! (1.50). No number at all, field 0, a field twice, and a float that is infinite or none are refused, reason 4.
//!
//! Reasons of a Nack:
//!
//! | code | reason | then |
//! |---|---|---|
//! | 0 | the body cannot be read | mend the client |
//! | 1 | the version is not spoken here, or has no such message | speak version 1 |
//! | 2 | the type is not known, or is the gateway's own | mend the client |
//! | 3 | the frame announced in Hello is shorter than 250 bytes | make room |
//! | 4 | the question is empty, too long for its task or of a form it refuses | ask otherwise |
//! | 5 | no such task | name one that the student has |
//! | 6 | the id was used for another question | choose another |
//! | 7 | busy | the same frame again, later |
//! | 8 | the journal is full | the same frame again, later; tell somebody |
//! | 9 | the question expired before it was answered | ask anew, with another id |
//! | 10 | no student is ready | the same frame again, later |
//! | 11 | the student failed at this question | a person must decide |
//!
//! # One frame, byte by byte
//!
//! Pending for request `01 02`, two questions before it, sequence 7:
//!
//! ```text
//! 15       version 1, type 5
//! 07 00    sequence 7
//! 02 01 02 an id of two bytes
//! 02 00    two questions before it
//! FE E3 D7 B8   CRC-32C of the eight bytes above: B8D7E3FE
//! ```
//!
//! With the zeros taken out (at byte 2 and byte 7) and the delimiters:
//!
//! ```text
//! 00 | 03 15 07 | 05 02 01 02 02 | 05 FE E3 D7 B8 | 00
//! ```
//!
//! # In Rust
//!
//! ```
//! use sokutou_wire::{Class, Feed, Frame, LARGE_FRAME_BYTES_MAX, Message, SMALL_FRAME_BYTES_MAX};
//!
//! let mut buffer = [0; SMALL_FRAME_BYTES_MAX];
//! let sent = Frame { sequence: 1, message: Message::Ping }.encode(Class::Small, &mut buffer)?;
//!
//! let mut feed = Feed::<LARGE_FRAME_BYTES_MAX>::new();
//! let mut received = 0;
//! for &byte in [b"noise".as_slice(), sent].concat().iter() {
//!     if let Some(frame) = feed.push(byte) {
//!         assert_eq!(frame?.message, Message::Ping);
//!         received += 1;
//!     }
//! }
//! assert_eq!((received, feed.counters().bytes_discarded), (1, 5));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

#![no_std]

#[cfg(feature = "line")]
extern crate alloc;
#[cfg(test)]
extern crate std;

mod feed;
mod frame;
mod message;
mod number;

#[cfg(feature = "line")]
pub mod line;

pub use feed::{Counters, Feed};
pub use frame::{Class, EncodeError, Fault, Frame, LARGE_FRAME_BYTES_MAX, SMALL_FRAME_BYTES_MAX, VERSION};
pub use message::{
    Ack, Answer, Ask, AskNumbers, CODE_ASK_A_PERSON, CODE_TEXT, Confidence, Escalation, Hello, HelloAck,
    LABEL_BYTES_MAX, Message, Milliseconds, NAME_BYTES_MAX, Nack, Pending, QUESTION_BYTES_MAX, RATIONALE_BYTES_MAX,
    REQUEST_BYTES_MAX, RationaleChunk, Reason, RequestId, SOFTWARE_BYTES_MAX, State, Status, TASK_BYTES_MAX, Text,
    TextTooLong, rationale_chunks,
};
pub use number::{DECIMALS_MAX, Item, List, Number, Reading};
