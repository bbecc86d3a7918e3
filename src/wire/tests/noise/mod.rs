//! What happens to bytes on a serial line. The tests of the gateway use it too.

use fastrand::Rng;

/// How often, per byte, something happens to a line.
#[derive(Clone, Copy, Debug, Default)]
pub struct Noise {
    pub changed: f64,
    pub dropped: f64,
    pub inserted: f64,
    /// Up to 40 delimiters at once.
    pub zeros: f64,
    /// The rest of the frame is lost.
    pub cut: f64,
    /// Up to 3000 bytes without a delimiter.
    pub burst: f64,
}

impl Noise {
    /// What becomes of a frame on the line.
    pub fn of(self, frame: &[u8], random: &mut Rng) -> Vec<u8> {
        let mut line = Vec::new();
        for byte in frame {
            let mut happens = |probability: f64| random.f64() < probability;
            let (changed, dropped, inserted) = (happens(self.changed), happens(self.dropped), happens(self.inserted));
            let (zeros, cut, burst) = (happens(self.zeros), happens(self.cut), happens(self.burst));
            if inserted {
                line.push(random.u8(..));
            }
            if zeros {
                line.resize(line.len() + random.usize(1..=40), 0);
            }
            if burst {
                line.extend((0..random.usize(1..=3000)).map(|_| random.u8(1..)));
            }
            if cut {
                break;
            }
            if !dropped {
                line.push(if changed { byte ^ random.u8(1..) } else { *byte });
            }
        }
        line
    }
}
