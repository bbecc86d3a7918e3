//! What a line brings back of what was sent on it. A two-wire RS-485 adapter hears itself; what it hears is no question. Pure.
//!
//! What comes back is the same bytes, and no device says them by itself: an answer's line begins with a code and a confidence and ends with
//! a label of the gateway's own. So whole equality is asked for, each sent piece once.

use std::collections::VecDeque;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};

/// Pieces that were sent and may still come back: more than an adapter and a kernel hold.
const SENT_MAX: usize = 64;

/// Digests of the last pieces that were sent, the oldest first.
#[derive(Debug, Default)]
pub struct Sent(VecDeque<u64>);

impl Sent {
    /// This goes out.
    pub fn sends(&mut self, piece: &[u8]) {
        if self.0.len() == SENT_MAX {
            self.0.pop_front();
        }
        self.0.push_back(digest(piece));
    }

    /// Whether it came back; it does so once.
    pub fn comes_back(&mut self, piece: &[u8]) -> bool {
        let digest = digest(piece);
        let found = self.0.iter().position(|sent| *sent == digest);
        found.and_then(|at| self.0.remove(at)).is_some()
    }
}

/// Of a line without its end; a frame has none.
fn digest(piece: &[u8]) -> u64 {
    let mut hasher = DefaultHasher::new();
    piece.trim_ascii().hash(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_sent_comes_back_once() {
        let mut sent = Sent::default();
        sent.sends(b"00003,09870,tool wear\r\n");
        assert!(!sent.comes_back(b"00003,09870,tool"));
        assert!(sent.comes_back(b"00003,09870,tool wear"));
        assert!(!sent.comes_back(b"00003,09870,tool wear"), "twice is not an echo");
        for piece in 0..=SENT_MAX as u8 {
            sent.sends(&[piece, 1]);
        }
        assert!(!sent.comes_back(&[0, 1]) && sent.comes_back(&[1, 1]));
    }
}
