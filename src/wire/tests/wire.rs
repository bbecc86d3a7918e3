//! The serial protocol from outside: published frames both ways, noise of every kind, and a client that asks through it.
#![allow(clippy::unwrap_used, missing_docs)] // a test that panics has failed, which is what it is for

use std::collections::{HashSet, VecDeque};
use std::fs;
use std::path::Path;

use fastrand::Rng;
use sokutou_wire::{
    Ack, Answer, Ask, AskNumbers, CODE_ASK_A_PERSON, CODE_TEXT, Class, Confidence, EncodeError, Escalation, Fault,
    Feed, Frame, Hello, HelloAck, LARGE_FRAME_BYTES_MAX, List, Message, Milliseconds, Nack, Number, Pending,
    RationaleChunk, Reading, Reason, RequestId, SMALL_FRAME_BYTES_MAX, State, Status, Text,
};

#[allow(dead_code, missing_docs)] // its main runs elsewhere
#[path = "../../../cross/firmware/ask_over_serial.rs"]
mod ask_over_serial;
mod noise;

use ask_over_serial::{Client, NoReply, Port};
use noise::Noise;

const UUID: &[u8] = &[0x55, 0, 0xe2, 0x9b, 0x41, 0xd4, 0xa7, 0x16, 0x44, 0x66, 0x55, 0x44, 0, 0, 0, 1];

/// The messages behind the frames of `tests/data/wire.txt`.
fn published() -> Vec<(&'static str, Result<Frame<'static>, Fault>)> {
    let id = |bytes: &[u8]| RequestId::new(bytes).unwrap();
    let confidence = |of_ten_thousand| Confidence::new(of_ten_thousand).unwrap();
    let hello = |frame_bytes_max, acknowledges, name| {
        Message::Hello(Hello { newest_version: 1, frame_bytes_max, acknowledges, name: Text::new(name).unwrap() })
    };
    let ask = |request: &[u8], question| Ask {
        request: id(request),
        wants_rationale: false,
        expires_after: None,
        task: None,
        question: Text::new(question).unwrap(),
    };
    let answer = |code, state, confidence, revision, request: &[u8], label| {
        let (label, label_cut) = Text::cut(label);
        let (request, escalation) = (id(request), None);
        Message::Answer(Answer { code, state, confidence, revision, escalation, label_cut, request, label })
    };
    let person = |confidence, reason, guess, label| {
        let (code, state, request) = (CODE_ASK_A_PERSON, State::PendingAPerson, id(&[1, 2]));
        let (escalation, label) = (Some(Escalation { reason, guess }), Text::new(label).unwrap());
        Message::Answer(Answer { code, state, confidence, revision: 0, escalation, label_cut: false, request, label })
    };
    let chunk = |index, last, text| {
        let text = Text::new(text).unwrap();
        Message::RationaleChunk(RationaleChunk { request: id(&[1, 2]), index, last, text })
    };
    let nack = |reason, request| Message::Nack(Nack { reason, request });
    let full = Ask {
        wants_rationale: true,
        expires_after: Some(Milliseconds(60_000)),
        task: Some(Text::new("machine-failure").unwrap()),
        ..ask(UUID, "M型 トルク 42.8 Nm")
    };
    let status = Status { student_ready: true, broker_connected: false, queued: 3, open_reviews: 258 };
    [
        ("hello-small", 1, hello(250, false, "plc-7")),
        ("hello-large", 1, hello(1038, true, "検査機2")),
        (
            "hello-ack",
            1,
            Message::HelloAck(HelloAck {
                version: 1,
                frame_bytes_max: 1038,
                name: Text::new("line-3").unwrap(),
                software: Text::new("0.2.0").unwrap(),
            }),
        ),
        ("ask", 2, Message::Ask(ask(&[1], "torque=42.8"))),
        ("ask-everything", 3, Message::Ask(full)),
        ("ask-long", 4, Message::Ask(ask(&[2], &LONG))),
        ("pending", 7, Message::Pending(Pending { request: id(&[1, 2]), before: 2 })),
        ("answer", 7, answer(3, State::Answered, confidence(9870), 0, &[1, 2], "tool wear")),
        ("answer-person", 256, answer(CODE_ASK_A_PERSON, State::PendingAPerson, confidence(4210), 0, UUID, "工具摩耗")),
        ("answer-revised", 0, answer(1, State::Answered, confidence(10_000), 1, UUID, "")),
        ("answer-text", 9, answer(CODE_TEXT, State::Answered, confidence(0), 0, &[9], "bearing wear")),
        ("answer-cut", 10, answer(CODE_TEXT, State::Answered, confidence(256), 0, &[10], &LONG)),
        ("rationale", 7, chunk(0, false, "308.6-298.1=10.5")),
        ("rationale-last", 7, chunk(1, true, "正常")),
        ("nack", 11, nack(Reason::Malformed, None)),
        ("nack-busy", 12, nack(Reason::Busy, Some(id(&[3])))),
        ("nack-failed", 13, nack(Reason::Failed, Some(id(UUID)))),
        ("ping", 1, Message::Ping),
        ("pong", 65535, Message::Pong),
        ("ask-status", 14, Message::AskStatus),
        ("status", 14, Message::Status(status)),
        ("ack", 15, Message::Ack(Ack { request: id(&[1, 2]), revision: 1 })),
        ("ask-numbers", 16, Message::AskNumbers(numbers(&[3], &MACHINE, &[]))),
        ("ask-series", 17, Message::AskNumbers(numbers(&[4], &LIMITS, &SERIES))),
        ("answer-guess", 16, person(confidence(4210), 1, 3, "ask a person (guess: tool wear)")),
        ("answer-no-guess", 17, person(confidence(0), 14, CODE_ASK_A_PERSON, "57.1 % is no torque")),
    ]
    .map(|(name, sequence, message)| (name, Ok(Frame { sequence, message })))
    .into_iter()
    .chain(
        [
            ("bad-check", Fault::Crc),
            ("bad-short", Fault::Crc),
            ("bad-stuffing", Fault::Cobs),
            ("bad-version", Fault::Version { version: 2, sequence: 5 }),
            ("bad-type-0", Fault::Kind { kind: 0, sequence: 5 }),
            ("bad-type-15", Fault::Kind { kind: 15, sequence: 5 }),
            ("bad-tail", Fault::Body { kind: 8, sequence: 5 }),
            ("bad-bool", Fault::Body { kind: 11, sequence: 5 }),
            ("bad-confidence", Fault::Body { kind: 4, sequence: 5 }),
            ("bad-reason", Fault::Body { kind: 7, sequence: 5 }),
            ("bad-id-empty", Fault::Body { kind: 12, sequence: 5 }),
            ("bad-id-long", Fault::Body { kind: 12, sequence: 5 }),
            ("bad-utf8", Fault::Body { kind: 2, sequence: 5 }),
            ("bad-length", Fault::Body { kind: 2, sequence: 5 }),
            ("bad-numbers-version", Fault::Kind { kind: 13, sequence: 5 }),
            ("bad-decimals", Fault::Body { kind: 13, sequence: 5 }),
            ("bad-number-kind", Fault::Body { kind: 13, sequence: 5 }),
            ("bad-number-half", Fault::Body { kind: 13, sequence: 5 }),
        ]
        .map(|(name, fault)| (name, Err(fault))),
    )
    .collect()
}

const fn scaled(mantissa: i32, decimals: u8) -> Number {
    match Number::scaled(mantissa, decimals) {
        Some(number) => number,
        None => panic!("too many decimals"),
    }
}

const fn reading(field: u8, value: Number) -> Reading {
    Reading { field, value }
}

/// Type H, air 299.1, process 309.8 as scaled integers; speed, torque and wear as floats.
static MACHINE: [Reading; 6] = [
    reading(1, scaled(3, 0)),
    reading(2, scaled(2991, 1)),
    reading(3, scaled(3098, 1)),
    reading(4, Number::float(1550.0)),
    reading(5, Number::float(40.2)),
    reading(6, Number::float(25.0)),
];
static LIMITS: [Reading; 3] = [reading(1, scaled(50, 1)), reading(2, scaled(56, 1)), reading(3, scaled(44, 1))];
static SERIES: [Number; 3] = [scaled(49, 1), Number::float(5.1), scaled(-2, 2)];

fn numbers<'a>(request: &[u8], readings: &'a [Reading], series: &'a [Number]) -> AskNumbers<'a> {
    AskNumbers {
        request: RequestId::new(request).unwrap(),
        wants_rationale: false,
        expires_after: None,
        task: None,
        readings: List::of(readings),
        series: List::of(series),
    }
}

/// 300 bytes without a zero: a length of two bytes, and a piece of the stuffing's longest.
static LONG: std::sync::LazyLock<String> = std::sync::LazyLock::new(|| "0123456789".repeat(30));

/// Name and bytes of each line of `tests/data/wire.txt`.
fn file() -> Vec<(String, Vec<u8>)> {
    let text = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/data/wire.txt")).unwrap();
    text.lines()
        .filter(|line| !line.starts_with('#'))
        .map(|line| {
            let [name, hex, _meaning] = line.split(" | ").collect::<Vec<_>>().try_into().unwrap();
            (name.to_owned(), hex.split(' ').map(|byte| u8::from_str_radix(byte, 16).unwrap()).collect())
        })
        .collect()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().join(" ")
}

fn encode(frame: &Frame<'_>) -> Vec<u8> {
    frame.encode(Class::Large, &mut [0; LARGE_FRAME_BYTES_MAX]).unwrap().to_vec()
}

/// A frame around any header and body, by other means than the library's: a CRC bit by bit, COBS by splitting.
fn raw(checked: &[u8]) -> Vec<u8> {
    let mut crc = u32::MAX;
    for byte in checked {
        crc ^= u32::from(*byte);
        for _ in 0..8 {
            crc = if crc & 1 == 1 { (crc >> 1) ^ 0x82f6_3b78 } else { crc >> 1 };
        }
    }
    stuffed(&[checked, &(!crc).to_le_bytes()].concat())
}

fn stuffed(bytes: &[u8]) -> Vec<u8> {
    let mut frame = vec![0];
    for piece in bytes.split(|byte| *byte == 0) {
        let mut rest = piece;
        while rest.len() >= 254 {
            frame.push(255);
            frame.extend_from_slice(&rest[..254]);
            rest = &rest[254..];
        }
        frame.push(rest.len() as u8 + 1);
        frame.extend_from_slice(rest);
    }
    frame.push(0);
    frame
}

/// What a stream of bytes brings, each frame as its own bytes again.
fn receive<const N: usize>(feed: &mut Feed<N>, bytes: &[u8]) -> Vec<Result<Vec<u8>, Fault>> {
    bytes.iter().filter_map(|byte| Some(feed.push(*byte)?.map(|frame| encode(&frame)))).collect()
}

fn receive_large(bytes: &[u8]) -> Vec<Result<Vec<u8>, Fault>> {
    receive(&mut Feed::<LARGE_FRAME_BYTES_MAX>::new(), bytes)
}

#[test]
fn published_frames_are_what_is_written_and_what_is_read() {
    let (file, published) = (file(), published());
    let names = |of: &mut dyn Iterator<Item = &str>| of.map(str::to_owned).collect::<Vec<_>>();
    assert_eq!(
        names(&mut file.iter().map(|(name, _)| &**name)),
        names(&mut published.iter().map(|(name, _)| *name)),
        "the file and the table name the same frames"
    );
    for ((name, bytes), (_, expected)) in file.iter().zip(&published) {
        if let Ok(frame) = expected {
            assert_eq!(hex(bytes), hex(&encode(frame)), "{name}");
        }
        let (first, last) = (bytes.first(), bytes.last());
        assert_eq!((first, last), (Some(&0), Some(&0)), "{name} stands between delimiters");
        let mut feed = Feed::<LARGE_FRAME_BYTES_MAX>::new();
        let (end, rest) = bytes.split_last().unwrap();
        assert!(rest.iter().all(|byte| feed.push(*byte).is_none()), "{name} ends before its end");
        assert_eq!(feed.push(*end).as_ref(), Some(expected), "{name}");
    }
}

#[test]
fn every_counter_counts_its_own_fault_and_every_byte_is_accounted_for() {
    let mut feed = Feed::<LARGE_FRAME_BYTES_MAX>::new();
    let mut bytes: Vec<u8> = b"noise".to_vec();
    bytes.extend(file().iter().flat_map(|(_, bytes)| bytes.clone()));
    bytes.extend([&[0], [7; 3000].as_slice(), &[0]].concat());
    let delivered: Vec<_> = receive(&mut feed, &bytes).into_iter().flatten().collect();
    let counters = feed.counters();
    assert_eq!(delivered.len(), 26);
    assert_eq!(
        [
            counters.frames_ok,
            counters.crc_error,
            counters.cobs_error,
            counters.overflow,
            counters.unknown_version,
            counters.decode_error
        ],
        [26, 2, 1, 1, 1, 14]
    );
    let zeros = bytes.iter().filter(|byte| **byte == 0).count();
    let inside: usize = delivered.iter().map(|frame| frame.len() - 2).sum();
    assert_eq!(counters.bytes_discarded as usize, bytes.len() - zeros - inside);
}

#[test]
fn a_gateway_refuses_by_number_what_it_cannot_read_and_is_silent_to_damage() {
    for (name, expected) in published() {
        let Err(fault) = expected else { continue };
        let reason = match name {
            "bad-check" | "bad-short" | "bad-stuffing" => {
                assert_eq!(fault.nack(), None, "{name}");
                continue;
            }
            "bad-version" => Reason::UnknownVersion,
            "bad-type-0" | "bad-type-15" | "bad-numbers-version" => Reason::UnknownType,
            _ => Reason::Malformed,
        };
        let message = Message::Nack(Nack { reason, request: None });
        assert_eq!(fault.nack(), Some(Frame { sequence: 5, message }), "{name}");
    }
    assert_eq!(Fault::Overflow(9).nack(), None);
}

#[test]
fn no_flipped_bit_a_cut_or_an_added_byte_passes() {
    for (name, bytes) in file().iter().filter(|(name, _)| !name.starts_with("bad")) {
        for at in 1..bytes.len() - 1 {
            for bit in 0..8 {
                let mut damaged = bytes.clone();
                damaged[at] ^= 1 << bit;
                assert!(!receive_large(&damaged).iter().any(Result::is_ok), "{name}: byte {at}, bit {bit}");
            }
            let missing = [&bytes[..at], &bytes[at + 1..]].concat();
            assert!(!receive_large(&missing).iter().any(Result::is_ok), "{name}: byte {at} missing");
            let added = [&bytes[..at], &[0x55], &bytes[at..]].concat();
            assert!(!receive_large(&added).iter().any(Result::is_ok), "{name}: a byte before {at}");
        }
    }
}

#[test]
fn a_body_ends_where_its_fields_end() {
    for (name, expected) in published() {
        let Ok(frame) = expected else { continue };
        let mut bytes = encode(&frame);
        let inner = bytes.len() - 1;
        let length = cobs::decode_in_place(&mut bytes[1..inner]).unwrap();
        let checked = &bytes[1..=length - 4];
        assert_eq!(receive_large(&raw(checked)), [Ok(encode(&frame))], "{name}: the test's own frame is the library's");
        let kind = checked[0] & 0x0f;
        let refused = [Err(Fault::Body { kind, sequence: frame.sequence })];
        for end in 3..checked.len() {
            assert_eq!(receive_large(&raw(&checked[..end])), refused, "{name} cut to {end}");
        }
        for tail in [0, 1, 0xff] {
            assert_eq!(receive_large(&raw(&[checked, &[tail]].concat())), refused, "{name} and {tail}");
        }
    }
}

/// A client of version 1 refuses by name what it does not know, and a gateway of version 1 a question in numbers.
#[test]
fn what_version_2_adds_is_told_by_the_header_and_nothing_else_changed() {
    for (name, expected) in published() {
        let Ok(frame) = expected else { continue };
        let mut bytes = encode(&frame);
        let inner = bytes.len() - 1;
        cobs::decode_in_place(&mut bytes[1..inner]).unwrap();
        let of_2 =
            matches!(frame.message, Message::AskNumbers(_) | Message::Answer(Answer { escalation: Some(_), .. }));
        assert_eq!(bytes[1] >> 4, if of_2 { 2 } else { 1 }, "{name}");
    }
}

/// 25 readings with three decimals and their limits fit a small frame, beside the longest id.
#[test]
fn a_series_and_its_limits_fit_a_small_frame() {
    let (limits, series) = ([reading(1, scaled(5000, 3)); 3], [scaled(-5123, 3); 25]);
    let frame = Frame { sequence: 1, message: Message::AskNumbers(numbers(&[7; 16], &limits, &series)) };
    let mut buffer = [0; SMALL_FRAME_BYTES_MAX];
    assert!(frame.encode(Class::Small, &mut buffer).is_ok());
    let many = [scaled(1, 0); 10_000];
    let frame = Frame { sequence: 1, message: Message::AskNumbers(numbers(&[7; 16], &limits, &many)) };
    assert!(frame.encode(Class::Large, &mut [0; LARGE_FRAME_BYTES_MAX]).is_err(), "more than any frame holds");
}

#[test]
fn a_frame_is_no_longer_than_its_class_and_a_buffer_no_shorter() {
    assert_eq!((SMALL_FRAME_BYTES_MAX, LARGE_FRAME_BYTES_MAX), (250, 1038));
    for (bytes, class) in [(0, None), (249, None), (250, Some(Class::Small)), (1037, Some(Class::Small))] {
        assert_eq!(Class::taking(bytes), class);
    }
    assert_eq!((Class::taking(1038), Class::taking(u16::MAX)), (Some(Class::Large), Some(Class::Large)));

    // The longest bodies of all; ask's fits a large frame and answer's a small one.
    let request = RequestId::new(&[7; 16]).unwrap();
    let (question, task) = ("x".repeat(960), "x".repeat(32));
    let ask = |question| {
        let (task, expires_after) = (Some(Text::new(&task).unwrap()), Some(Milliseconds(u32::MAX)));
        let question = Text::new(question).unwrap();
        Message::Ask(Ask { request: request.clone(), wants_rationale: true, expires_after, task, question })
    };
    let longest = Frame { sequence: 1, message: ask(&question) };
    assert_eq!(receive_large(&encode(&longest)), [Ok(encode(&longest))]);
    let mut small = [0; SMALL_FRAME_BYTES_MAX];
    assert_eq!(longest.encode(Class::Small, &mut small), Err(EncodeError::Body(240)));
    let room = 240 - 17 - 1 - 5 - 34 - 2; // id, bool, expiry, task, the question's length
    for (bytes, fits) in [(room, true), (room + 1, false)] {
        let frame = Frame { sequence: 1, message: ask(&question[..bytes]) };
        assert_eq!(frame.encode(Class::Small, &mut small).is_ok(), fits, "a question of {bytes} bytes");
    }
    let answer = Answer {
        code: CODE_TEXT,
        state: State::Answered,
        confidence: Confidence::new(1).unwrap(),
        revision: u16::MAX,
        escalation: Some(Escalation { reason: u8::MAX, guess: u16::MAX }),
        label_cut: true,
        request: request.clone(),
        label: Text::cut(&question).0,
    };
    let frame = Frame { sequence: 1, message: Message::Answer(answer) };
    assert!(frame.encode(Class::Small, &mut small).is_ok());
    for class in [Class::Small, Class::Large] {
        let text = Text::new(&question[..class.rationale_bytes_max()]).unwrap();
        let chunk = RationaleChunk { request: request.clone(), index: u16::MAX, last: true, text };
        let frame = Frame { sequence: 1, message: Message::RationaleChunk(chunk) };
        assert!(frame.encode(class, &mut [0; LARGE_FRAME_BYTES_MAX]).is_ok(), "{class:?}");
    }
    let short = frame.encode(Class::Small, &mut small[1..]).unwrap_err();
    assert_eq!(
        short.to_string(),
        "failed to write a frame: the buffer holds 249 bytes, expected the 250 of the receiver's longest"
    );
}

#[test]
fn the_longest_frame_is_collected_and_one_byte_more_is_thrown_away_whole() {
    // The whole of the body's 240 bytes, without a zero to save a byte of stuffing.
    let longest = raw(&[0x18; 3 + 240]);
    assert_eq!(longest.len(), SMALL_FRAME_BYTES_MAX);
    let ping = encode(&Frame { sequence: 1, message: Message::Ping });
    let mut feed = Feed::<SMALL_FRAME_BYTES_MAX>::new();
    assert_eq!(receive(&mut feed, &longest), [Err(Fault::Body { kind: 8, sequence: 0x1818 })]);
    let overlong = [&longest[..longest.len() - 1], &[7], &[0]].concat();
    assert_eq!(receive(&mut feed, &[overlong, ping.clone()].concat()), [Err(Fault::Overflow(248)), Ok(ping.clone())]);
    // A whole frame behind the limit, but not behind a delimiter, is a tail, however right its check.
    let inner = &ping[1..];
    let tail = [&[0], [7; 300].as_slice(), inner].concat();
    assert_eq!(receive(&mut feed, &[tail, ping.clone()].concat()), [Err(Fault::Overflow(248)), Ok(ping.clone())]);
    // Nor is one at the entrance to the stream.
    assert_eq!(receive_large(&[inner, &ping].concat()), [Ok(ping)]);
}

#[test]
fn a_stream_that_broke_off_begins_anew() {
    let ping = encode(&Frame { sequence: 1, message: Message::Ping });
    let (half, rest) = ping.split_at(5);
    let mut feed = Feed::<SMALL_FRAME_BYTES_MAX>::new();
    assert_eq!(receive(&mut feed, half), []);
    feed.resync();
    assert_eq!(receive(&mut feed, &[rest, &ping].concat()), [Ok(ping.clone())]);
    let counters = feed.counters();
    assert_eq!((counters.frames_ok, counters.bytes_discarded as usize), (1, ping.len() - 2));
}

#[test]
fn a_piece_of_254_at_the_end_may_be_ended_by_an_empty_one_or_not() {
    let ended = raw(&[0x1f; 250]);
    assert_eq!((ended[1], &ended[256..]), (255, [1, 0].as_slice()), "one piece, and an empty one");
    let open = [&ended[..256], &[0]].concat();
    for frame in [ended, open] {
        assert_eq!(receive_large(&frame), [Err(Fault::Kind { kind: 15, sequence: 0x1f1f })]);
    }
}

/// Any message, as the bytes of its frame.
fn any_frame(random: &mut Rng) -> Vec<u8> {
    let text: String = (0..random.usize(..60)).map(|_| random.char('\0'..='\u{ffff}')).collect();
    let id: Vec<u8> = (0..random.usize(1..=16)).map(|_| random.u8(..)).collect();
    let request = RequestId::new(&id).unwrap();
    let any_number = |random: &mut Rng| match random.bool() {
        true => Number::float(f32::from_bits(random.u32(..))),
        false => Number::scaled(random.i32(..), random.u8(..=9)).unwrap(),
    };
    let readings: Vec<_> = (0..random.usize(..20)).map(|_| reading(random.u8(..), any_number(random))).collect();
    let series: Vec<_> = (0..random.usize(..30)).map(|_| any_number(random)).collect();
    let message = match random.u8(..7) {
        0 => Message::Ask(Ask {
            request,
            wants_rationale: random.bool(),
            expires_after: random.bool().then(|| Milliseconds(random.u32(..))),
            task: None,
            question: Text::cut(&text).0,
        }),
        1 => Message::Answer(Answer {
            code: random.u16(..),
            state: State::Answered,
            confidence: Confidence::new(random.u16(..=10_000)).unwrap(),
            revision: random.u16(..3),
            escalation: random.bool().then(|| Escalation { reason: random.u8(..), guess: random.u16(..) }),
            label_cut: false,
            request,
            label: Text::cut(&text).0,
        }),
        2 => Message::RationaleChunk(RationaleChunk {
            request,
            index: random.u16(..),
            last: false,
            text: Text::cut(&text).0,
        }),
        3 => Message::Ack(Ack { request, revision: random.u16(..) }),
        4 => Message::Pending(Pending { request, before: random.u16(..) }),
        5 => Message::AskNumbers(numbers(request.as_bytes(), &readings, &series)),
        _ => Message::Ping,
    };
    encode(&Frame { sequence: random.u16(..), message })
}

/// Oracle: what stands between two zeros and is, byte for byte, a frame that was sent. It, all of it, in order, and nothing
/// else must be delivered.
#[test]
#[allow(clippy::print_stdout)] // the fraction recovered is this test's figure
fn every_undamaged_frame_behind_a_delimiter_is_delivered_and_nothing_else() {
    const FRAMES: usize = 3000;
    let none = Noise::default();
    for (name, noise, at_least) in [
        ("no noise", none, 1.0),
        ("bytes changed, 1e-4", Noise { changed: 1e-4, ..none }, 0.98),
        ("bytes changed, 1e-3", Noise { changed: 1e-3, ..none }, 0.90),
        ("bytes changed, 1e-2", Noise { changed: 1e-2, ..none }, 0.45),
        ("bytes dropped, 1e-3", Noise { dropped: 1e-3, ..none }, 0.90),
        ("bytes inserted, 1e-3", Noise { inserted: 1e-3, ..none }, 0.90),
        ("floods of zeros, 1e-3", Noise { zeros: 1e-3, ..none }, 0.90),
        ("partial frames, 1e-3", Noise { cut: 1e-3, ..none }, 0.90),
        ("bursts up to 3000, 1e-3", Noise { burst: 1e-3, ..none }, 0.90),
        (
            "everything, 1e-3",
            Noise { changed: 1e-3, dropped: 1e-3, inserted: 1e-3, zeros: 1e-3, cut: 1e-3, burst: 1e-3 },
            0.60,
        ),
    ] {
        let mut random = Rng::with_seed(20_261_125);
        let (mut sent, mut untouched, mut line) = (HashSet::new(), 0, vec![0x41; 9]);
        for _ in 0..FRAMES {
            let frame = any_frame(&mut random);
            let received = noise.of(&frame, &mut random);
            untouched += usize::from(received == frame);
            sent.insert(frame);
            line.extend(received);
        }
        line.push(0);
        let pieces: Vec<&[u8]> = line.split(|byte| *byte == 0).collect();
        let whole = |piece: &&[u8]| [&[0], *piece, &[0]].concat();
        let expected: Vec<_> = pieces[1..].iter().map(whole).filter(|frame| sent.contains(frame)).collect();

        let mut feed = Feed::<LARGE_FRAME_BYTES_MAX>::new();
        let delivered: Vec<_> = receive(&mut feed, &line).into_iter().flatten().collect();
        assert!(delivered == expected, "{name}: {} delivered, expected {}", delivered.len(), expected.len());
        let recovered = delivered.len() as f64 / FRAMES as f64;
        println!(
            "{name:24} {:5.2} % of {FRAMES} frames recovered; {untouched} came through untouched; {:?}",
            recovered * 100.0,
            feed.counters()
        );
        assert!(recovered >= at_least && delivered.len() >= untouched, "{name}: {recovered} recovered");
    }
}

#[test]
fn garbage_is_never_a_message_and_never_a_panic() {
    let mut random = Rng::with_seed(3);
    // As it comes; with many delimiters; and with an honest check, so that versions, types and bodies are read.
    let mut feed = Feed::<SMALL_FRAME_BYTES_MAX>::new();
    for _ in 0..1_000_000 {
        assert!(!matches!(feed.push(random.u8(..)), Some(Ok(_))));
        let often_zero = random.u8(..).saturating_sub(random.u8(..));
        assert!(!matches!(feed.push(often_zero), Some(Ok(_))));
    }
    let (mut read, mut refused) = (0, 0);
    for _ in 0..200_000 {
        let mut checked = vec![random.choice([0x10, 0x20]).unwrap() | random.u8(1..=13), 5, 0];
        checked.extend((0..random.usize(..24)).map(|_| random.u8(..4) * random.u8(..=1) * random.u8(..80)));
        for frame in receive_large(&raw(&checked)) {
            match frame {
                Ok(again) => {
                    assert_eq!(receive_large(&again), [Ok(again)]);
                    read += 1;
                }
                Err(_) => refused += 1,
            }
        }
    }
    assert!(read > 1000 && refused > 1000, "{read} read, {refused} refused");
}

/// A gateway at the other end of a noisy line. Its student answers with the length of the question.
struct Gateway {
    feed: Feed<LARGE_FRAME_BYTES_MAX>,
    noise: Noise,
    random: Rng,
    /// Each question once, in order, with its answer and whether that was acknowledged.
    journal: Vec<(RequestId, u16, bool)>,
    student_ran: usize,
    /// How many questions it is too busy for.
    busy: usize,
    line: VecDeque<u8>,
}

impl Gateway {
    fn new(noise: Noise) -> Self {
        Self {
            feed: Feed::new(),
            noise,
            random: Rng::with_seed(11),
            journal: Vec::new(),
            student_ran: 0,
            busy: 0,
            line: VecDeque::new(),
        }
    }

    fn replies(&mut self, byte: u8) -> Vec<Vec<u8>> {
        let frame = match self.feed.push(byte) {
            None => return Vec::new(),
            Some(Err(fault)) => return fault.nack().iter().map(encode).collect(),
            Some(Ok(frame)) => frame,
        };
        let messages = match frame.message {
            Message::Hello(hello) => {
                assert_eq!(Class::taking(hello.frame_bytes_max), Some(Class::Small));
                let (name, software) = (Text::default(), Text::default());
                vec![Message::HelloAck(HelloAck { version: 1, frame_bytes_max: 1038, name, software })]
            }
            Message::Ask(ask) if ask.question.as_str().is_empty() => {
                vec![Message::Nack(Nack { reason: Reason::Question, request: Some(ask.request) })]
            }
            Message::Ask(ask) if self.busy > 0 => {
                self.busy -= 1;
                vec![Message::Nack(Nack { reason: Reason::Busy, request: Some(ask.request) })]
            }
            Message::Ask(ask) => {
                if !self.journal.iter().any(|(request, ..)| *request == ask.request) {
                    self.student_ran += 1;
                    self.journal.push((ask.request.clone(), ask.question.as_str().len() as u16, false));
                }
                // Earlier answers that nobody acknowledged go out again, before this one's.
                let due = self.journal.iter().filter(|(request, _, heard)| !heard || *request == ask.request);
                let answer = |(request, code, _): &(RequestId, u16, bool)| {
                    Message::Answer(Answer {
                        code: *code,
                        state: State::Answered,
                        confidence: Confidence::new(9000).unwrap(),
                        revision: 0,
                        escalation: None,
                        label_cut: false,
                        request: request.clone(),
                        label: Text::new("a label").unwrap(),
                    })
                };
                let pending = Message::Pending(Pending { request: ask.request.clone(), before: 0 });
                std::iter::once(pending).chain(due.map(answer)).collect()
            }
            Message::Ack(ack) => {
                for (_, _, heard) in self.journal.iter_mut().filter(|(request, ..)| *request == ack.request) {
                    *heard = true;
                }
                vec![]
            }
            _ => vec![],
        };
        messages.into_iter().map(|message| encode(&Frame { sequence: frame.sequence, message })).collect()
    }
}

impl Port for Gateway {
    fn read(&mut self) -> Option<u8> {
        self.line.pop_front()
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in self.noise.of(bytes, &mut self.random) {
            for reply in self.replies(byte) {
                self.line.extend(self.noise.of(&reply, &mut self.random));
            }
        }
    }
}

fn question(id: u32, question: &str) -> Ask<'_> {
    let request = RequestId::new(&id.to_le_bytes()).unwrap();
    Ask { request, wants_rationale: false, expires_after: None, task: None, question: Text::new(question).unwrap() }
}

#[test]
fn the_firmware_client_gets_every_answer_through_noise_and_the_student_runs_once_for_each() {
    let noise = Noise { changed: 1e-3, dropped: 5e-4, inserted: 5e-4, ..Noise::default() };
    let mut gateway = Gateway::new(noise);
    let mut client = Client::new();
    client.hello(Text::new("board").unwrap(), &mut gateway).unwrap();
    for id in 0..500 {
        let text = "x".repeat(1 + id as usize % 150);
        let reply = client.ask(question(id, &text), &mut gateway).unwrap();
        assert_eq!((usize::from(reply.code), reply.label.as_str()), (text.len(), "a label"), "question {id}");
    }
    assert_eq!(gateway.student_ran, 500);
    let unheard = gateway.journal.iter().filter(|(.., heard)| !heard).count();
    assert!(unheard < 10, "{unheard} of 500 answers not acknowledged, not even when repeated");
    assert!(gateway.feed.counters().crc_error > 0, "the line was noisy");
}

#[test]
fn the_firmware_client_waits_for_a_busy_gateway_and_takes_no_for_an_answer() {
    let mut gateway = Gateway::new(Noise::default());
    let mut client = Client::new();
    gateway.busy = 3;
    assert_eq!(client.ask(question(1, "four"), &mut gateway).unwrap().code, 4);
    assert_eq!(client.ask(question(2, ""), &mut gateway), Err(NoReply::Refused(Reason::Question)));
    let long = "x".repeat(300);
    assert_eq!(
        client.ask(question(3, &long), &mut gateway),
        Err(NoReply::Unsendable(EncodeError::Body(240))),
        "too long for its class"
    );
    let mut dead = Gateway::new(Noise { dropped: 1.0, ..Noise::default() });
    assert_eq!(client.ask(question(4, "?"), &mut dead), Err(NoReply::Silent));
}
