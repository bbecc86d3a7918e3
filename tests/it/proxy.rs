//! A way to the broker that can be spoilt: stalled, sliced, reset. Of threads, on loopback.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicU8, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

/// What happens to the bytes.
#[derive(Clone, Copy, PartialEq)]
#[repr(u8)]
pub enum Way {
    /// They go on as they came.
    Clear,
    /// They go on one by one, with a pause now and then.
    Sliced,
    /// They are swallowed, and nobody is told: a cable pulled behind a switch.
    Stalled,
}

pub struct Proxy {
    pub port: u16,
    way: Arc<AtomicU8>,
    open: Arc<Mutex<Vec<TcpStream>>>,
    /// Connections so far.
    pub connections: Arc<AtomicUsize>,
    /// What a client said that nobody heard.
    swallowed: Arc<Mutex<Vec<u8>>>,
}

impl Proxy {
    pub fn to(broker: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let proxy = Self {
            port,
            way: Arc::default(),
            open: Arc::default(),
            connections: Arc::default(),
            swallowed: Arc::default(),
        };
        let (way, open, connections) = (proxy.way.clone(), proxy.open.clone(), proxy.connections.clone());
        let swallowed = proxy.swallowed.clone();
        thread::spawn(move || {
            for client in listener.incoming() {
                let Ok(client) = client else { return };
                let Ok(server) = TcpStream::connect(("127.0.0.1", broker)) else { continue };
                connections.fetch_add(1, Ordering::SeqCst);
                open.lock().unwrap().extend([client.try_clone().unwrap(), server.try_clone().unwrap()]);
                let both = [client.try_clone().unwrap(), server.try_clone().unwrap()];
                let (forth, lost) = (way.clone(), swallowed.clone());
                thread::spawn(move || pump(client, server, &forth, &lost));
                let (back, [client, server]) = (way.clone(), both);
                thread::spawn(move || pump(server, client, &back, &Mutex::default()));
            }
        });
        proxy
    }

    pub fn set(&self, way: Way) {
        self.way.store(way as u8, Ordering::SeqCst);
    }

    /// How often a client asked in vain whether the broker is alive.
    pub fn swallowed_pings(&self) -> usize {
        const PINGREQ: [u8; 2] = [0xc0, 0];
        self.swallowed.lock().unwrap().windows(2).filter(|bytes| **bytes == PINGREQ).count()
    }

    /// Ends all connections at once, in the middle of whatever they were saying.
    pub fn reset(&self) {
        for stream in self.open.lock().unwrap().drain(..) {
            let _ = stream.shutdown(Shutdown::Both);
        }
    }
}

fn pump(mut from: TcpStream, mut to: TcpStream, way: &AtomicU8, swallowed: &Mutex<Vec<u8>>) {
    let mut buffer = [0; 4096];
    while let Ok(read) = from.read(&mut buffer) {
        if read == 0 {
            break;
        }
        match way.load(Ordering::SeqCst) {
            way if way == Way::Stalled as u8 => swallowed.lock().unwrap().extend(&buffer[..read]),
            way if way == Way::Sliced as u8 => {
                for (at, byte) in buffer[..read].iter().enumerate() {
                    if to.write_all(&[*byte]).is_err() {
                        return;
                    }
                    if at % 64 == 0 {
                        thread::sleep(Duration::from_millis(1));
                    }
                }
            }
            _ => {
                if to.write_all(&buffer[..read]).is_err() {
                    return;
                }
            }
        }
    }
    while way.load(Ordering::SeqCst) == Way::Stalled as u8 {
        thread::sleep(Duration::from_millis(10)); // nor is anybody told that the other side has closed
    }
    let _ = to.shutdown(Shutdown::Both);
}
