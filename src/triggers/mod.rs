//! Where questions come from and answers go: bytes of the outside in, messages out, and back. Decides nothing about them.

pub mod serial;
