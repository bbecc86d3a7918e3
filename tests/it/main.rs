//! One binary for what crosses rooms: the shipped student, the real runtime library, the real command line.

mod ask;
mod batch;
mod broken;
mod library;
mod reference;
mod rooms;
mod support;
