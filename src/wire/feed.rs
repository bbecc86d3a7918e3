//! Bytes of a line collected to frames. A frame that is too long is thrown away whole, never read on from its middle; what is
//! thrown away is counted.

use super::frame::{DELIMITER, Fault, Frame};

/// Collects frames of up to `N` bytes, both delimiters counted, from a stream of bytes, one at a time.
#[derive(Debug)]
pub struct Feed<const N: usize> {
    state: FeedState,
    collected: [u8; N],
    /// How many bytes of `collected` are the current frame's.
    length: usize,
    counters: Counters,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum FeedState {
    /// Nobody knows where the stream was entered: until a delimiter.
    Sync,
    /// Between delimiters.
    Collect,
    /// Behind the longest frame: until a delimiter.
    Discard,
}

/// What a line brought so far. Counters that are full stay full.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Frames delivered.
    pub frames_ok: u32,
    /// Frames whose check was wrong.
    pub crc_error: u32,
    /// Frames whose byte stuffing was broken.
    pub cobs_error: u32,
    /// Frames that were too long.
    pub overflow: u32,
    /// Undamaged frames of another protocol version.
    pub unknown_version: u32,
    /// Undamaged frames of an unknown type, or whose body is not one of their type.
    pub decode_error: u32,
    /// Bytes of no delivered frame, delimiters aside.
    pub bytes_discarded: u32,
}

impl<const N: usize> Feed<N> {
    /// Both delimiters are counted in `N` but not collected.
    const ENCODED_BYTES_MAX: usize = N.checked_sub(2).expect("a feed's longest frame holds at least its delimiters");

    /// Waits for the first delimiter.
    pub const fn new() -> Self {
        Self { state: FeedState::Sync, collected: [0; N], length: 0, counters: Counters::ZERO }
    }

    /// Takes the next byte; what it completes, if anything: a frame, or why it is none.
    pub fn push(&mut self, byte: u8) -> Option<Result<Frame<'_>, Fault>> {
        if byte == DELIMITER {
            let length = core::mem::take(&mut self.length);
            self.state = FeedState::Collect;
            // Two delimiters in a row: the end of one frame and the beginning of the next.
            return if length > 0 { Some(self.complete(length)) } else { None };
        }
        match self.state {
            FeedState::Sync | FeedState::Discard => count(&mut self.counters.bytes_discarded, 1),
            FeedState::Collect if self.length == Self::ENCODED_BYTES_MAX => {
                self.state = FeedState::Discard;
                count(&mut self.counters.overflow, 1);
                count(&mut self.counters.bytes_discarded, core::mem::take(&mut self.length) + 1);
                return Some(Err(Fault::Overflow(Self::ENCODED_BYTES_MAX)));
            }
            FeedState::Collect => {
                self.collected[self.length] = byte;
                self.length += 1;
            }
        }
        None
    }

    /// The stream broke off and begins anew somewhere: waits for a delimiter again. What was counted stays.
    pub fn resync(&mut self) {
        self.state = FeedState::Sync;
        count(&mut self.counters.bytes_discarded, core::mem::take(&mut self.length));
    }

    /// What the line brought so far.
    pub fn counters(&self) -> Counters {
        self.counters
    }

    fn complete(&mut self, length: usize) -> Result<Frame<'_>, Fault> {
        let frame = Frame::decode(&mut self.collected[..length]);
        let counters = &mut self.counters;
        let counter = match &frame {
            Ok(_) => &mut counters.frames_ok,
            Err(Fault::Crc) => &mut counters.crc_error,
            Err(Fault::Cobs) => &mut counters.cobs_error,
            Err(Fault::Overflow(_)) => &mut counters.overflow,
            Err(Fault::Version { .. }) => &mut counters.unknown_version,
            Err(Fault::Kind { .. } | Fault::Body { .. }) => &mut counters.decode_error,
        };
        count(counter, 1);
        if frame.is_err() {
            count(&mut counters.bytes_discarded, length);
        }
        frame
    }
}

impl<const N: usize> Default for Feed<N> {
    fn default() -> Self {
        Self::new()
    }
}

impl Counters {
    const ZERO: Self = Self {
        frames_ok: 0,
        crc_error: 0,
        cobs_error: 0,
        overflow: 0,
        unknown_version: 0,
        decode_error: 0,
        bytes_discarded: 0,
    };
}

fn count(counter: &mut u32, by: usize) {
    *counter = counter.saturating_add(u32::try_from(by).unwrap_or(u32::MAX));
}
