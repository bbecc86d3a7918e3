//! The reader against the cases that it shares with the training toolkit, and against what people and machines really send.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::*;

fn shared(name: &str) -> String {
    std::fs::read_to_string(format!("{}/tests/data/{name}", env!("CARGO_MANIFEST_DIR"))).unwrap()
}

fn readers() -> BTreeMap<String, Reader> {
    let declared: BTreeMap<String, Readings> = serde_json::from_str(&shared("declarations.json")).unwrap();
    declared.iter().map(|(task, declared)| (task.clone(), Reader::new(declared))).collect()
}

/// What the model is asked, or the word of the reason why a person is.
fn outcome(reader: &Reader, question: &str) -> Result<Vec<String>, String> {
    reader.read(question).map(|reading| reading.questions).map_err(|fault| fault.reason().word().to_owned())
}

#[test]
fn questions_in_every_wording_are_read_as_the_toolkit_wrote_them() {
    #[derive(Deserialize)]
    struct Case {
        task: String,
        kind: String,
        question: String,
        canonical: Option<String>,
        reason: Option<String>,
    }
    let readers = readers();
    let mut wrong = Vec::new();
    let (mut read, mut lost) = (0, Vec::new());
    for line in shared("readings.jsonl").lines() {
        let case: Case = serde_json::from_str(line).unwrap();
        let got = outcome(&readers[&case.task], &case.question);
        match (&case.canonical, &got) {
            (Some(wanted), Ok(questions)) if questions[0] == *wanted => read += 1,
            (Some(_), Err(reason)) => lost.push(format!("{}, {reason}: {:?}", case.kind, case.question)),
            (None, Err(reason)) if case.reason.as_ref().is_none_or(|wanted| wanted == reason) => {}
            (wanted, got) => wrong.push(format!("{:?}: wanted {wanted:?}, got {got:?}", case.question)),
        }
    }
    assert!(wrong.is_empty(), "{} read wrongly:\n{}", wrong.len(), wrong.join("\n"));
    assert!(lost.len() * 20 <= read, "{} needlessly handed over, {read} read:\n{}", lost.len(), lost.join("\n"));
}

/// The map to the places keeps every comparison, and is the toolkit's.
#[test]
fn series_are_scaled_as_the_toolkit_scales_them() {
    #[derive(Deserialize)]
    struct Case {
        kind: String,
        centre: String,
        upper: String,
        lower: String,
        readings: Vec<String>,
        places: Option<Vec<u32>>,
    }
    let cases: Vec<Case> = serde_json::from_str(&shared("normal_series.json")).unwrap();
    assert!(cases.len() >= 100, "only {} cases", cases.len());
    let decimal = |text: &String| text.parse::<rust_decimal::Decimal>().unwrap();
    for case in cases {
        let all = case.readings.iter().chain([&case.centre, &case.upper, &case.lower]);
        let scale = all.map(|text| decimal(text).scale()).max().unwrap();
        let whole = |text: &String| {
            let mut value = decimal(text);
            value.rescale(scale);
            value.mantissa()
        };
        let lines = normal::Lines { centre: whole(&case.centre), upper: whole(&case.upper), lower: whole(&case.lower) };
        let readings: Vec<i128> = case.readings.iter().map(whole).collect();
        let to = crate::bundle::declaration::NormalLines { centre: 50, way: 30, zone: 20 };
        assert_eq!(normal::normal(&lines, &readings, to), case.places, "{}: {:?}", case.kind, case.readings);
    }
}

const PLAIN: &str =
    "Type L, air 302.3 K, process 310.2 K, speed 1300 rpm, torque 45.1 Nm, tool wear 60 min. Which failure, if any?";
const PLAIN_JA: &str =
    "L型、空気温度 302.3 K、工程温度 310.2 K、回転数 1300 rpm、トルク 45.1 Nm、工具摩耗 60 分。どの故障か？";

/// Of each kind that was reported from the field, and its cousins.
#[test]
fn what_means_the_same_is_read_as_the_same() {
    let readers = readers();
    for (question, expected) in [
        (PLAIN, PLAIN),
        (PLAIN_JA, PLAIN_JA),
        ("type=L air=302,3 proc=310,2 rpm=1300 torque=45,1 wear=60", PLAIN),
        ("Type L, air 302,3 K, process 310,2 K, speed 1.300 rpm, torque 45,1 Nm, tool wear 60 min", PLAIN),
        ("Type L, air 302.3 K, process 310.2 K, speed 1,300 rpm, torque 45.1 Nm, tool wear 60 min", PLAIN),
        ("Type L, air 302.3 K, process 310.2 K, speed 1\u{202f}300 rpm, torque 45.1 Nm, tool wear 60 min", PLAIN),
        ("type=L air=302.29998779296875 proc=310.20001220703125 rpm=1300.000000 torque=45.099998 wear=060", PLAIN),
        ("type=L air=302.3 proc=310.2 rpm=1300 torque=45.1 wear=1:00", PLAIN),
        ("type=L air=302.3 proc=310.2 rpm=1300 torque=45.1 wear=01:00:00", PLAIN),
        ("type=L air=302.3 proc=310.2 rpm=1300 torque=45.1 wear=1h", PLAIN),
        ("type L, air 302.3 K, process 310.2 K, speed 1300 rpm, torque 45.1 Nm, tool wear 0 h 60 min", ""),
        ("type L, air 29.15 °C, process 37.05 °C, 1300 rpm, torque 45.1 Nm, tool wear 60 min", PLAIN),
        ("type L, air 84.47 °F, process 98.69 °F, speed 1300 rpm, torque 45.1 Nm, tool wear 60 min", PLAIN),
        ("type L, air 302.3 K, process 310.2 K, speed 1300 min⁻¹, torque 4.5989 kgf·m, tool wear 60 min", PLAIN),
        ("type L, air 302.3 K, process 310.2 K, speed 21.66667 rps, torque 399.169 in·lbf, tool wear 60 min", PLAIN),
        ("60 min tool wear; 45.1 Nm torque; 1300 rpm; 310.2 K process; 302.3 K air; L", PLAIN),
        (
            "Ｌ型、空気温度３０２．３Ｋ、工程温度３１０．２Ｋ、回転数１３００ｒｐｍ、トルク４５．１Ｎｍ、工具摩耗１時間",
            PLAIN_JA,
        ),
        ("ﾄﾙｸ 45.1 Nm、ﾀｲﾌﾟ L、空気温度 302.3 K、工程温度 310.2 K、回転数 1300 rpm、工具摩耗 60 分", PLAIN_JA),
        (
            "Type;Air temperature [K];Process temperature [K];Rotational speed [rpm];Torque [Nm];Tool wear [min]\nL;302,3;310,2;1300;45,1;60",
            PLAIN,
        ),
        (
            "| type | air | process | speed | torque | tool wear |\n|---|---|---|---|---|---|\n| L | 302.3 | 310.2 | 1300 | 45.1 | 60 |",
            PLAIN,
        ),
        ("2026-12-01T08:30:00Z type=L air=302.3 proc=310.2 rpm=1300 torque=45.1 wear=60", PLAIN),
        ("type=L air=302.3 proc=310.2 rpm=1300 torque=45.1 wear=60 quality=good", PLAIN),
        (r#"{"type":"L","air":302.3,"process":310.2,"speed":1300,"torque":45.1,"wear":60}"#, PLAIN),
        (r#"{"1":1,"2":302.3,"3":310.2,"4":1300,"5":45.1,"6":60}"#, PLAIN),
        (
            r#"{"Type":"l","Air temperature [K]":"302.3","process_temp":"37.05 °C","rpm":"1300","torque":{"value":45.1,"unit":"Nm","quality":"GOOD"},"toolWear":"1:00","timestamp":1764576000}"#,
            PLAIN,
        ),
        (r#"{"型":"L","空気温度":302.3,"工程温度":310.2,"回転数":1300,"トルク":45.1,"工具摩耗":60}"#, PLAIN_JA),
    ] {
        let got = outcome(&readers["machine-failure"], question);
        match expected {
            "" => assert!(got.is_err(), "{question}: {got:?}"), // 60 minutes are an hour; nobody writes 0 h 60 min
            expected => assert_eq!(got, Ok(vec![expected.to_owned()]), "{question}"),
        }
    }
}

/// Nothing of these is answered, and the reason names what it was.
#[test]
fn what_is_not_certain_goes_to_a_person_with_a_reason() {
    use crate::domain::Reason;
    let readers = readers();
    let row = |from: &str, to: &str| {
        assert!(PLAIN.contains(from), "{from}");
        PLAIN.replace(from, to)
    };
    let mut wrong = Vec::new();
    for (question, reason, names) in [
        (row("45.1 Nm", "57.1 %"), Reason::ForeignUnit, "57.1 % is no torque"),
        (row("45.1 Nm", "45.1 A"), Reason::ForeignUnit, "45.1 A"),
        (row("45.1 Nm", "45.1A"), Reason::ForeignUnit, "45.1A"),
        (row("45.1 Nm", "4510 Ncm"), Reason::ForeignUnit, "4510 Ncm"),
        (row("45.1 Nm", "45.1 ft-lb"), Reason::ForeignUnit, "45.1 ft-lb"),
        (row("1300 rpm", "1300 Nm"), Reason::ForeignUnit, "1300 Nm"),
        (row("torque 45.1 Nm", "spindle load 45.1 %"), Reason::UnknownReading, "spindle load"),
        (row("torque 45.1", "torque setpoint 45.1"), Reason::UnknownReading, "setpoint"),
        (row("torque 45.1", "max torque 45.1"), Reason::UnknownReading, "max"),
        (row("torque 45.1", "torque about 45.1"), Reason::UnknownReading, "about"),
        (row("torque 45.1", "torque > 45.1"), Reason::UnknownReading, ">"),
        (row("torque 45.1", "torque 45.1 ±0.5"), Reason::UnknownReading, "±"),
        (row("torque 45.1 Nm", "torque 40.0 to 45.1 Nm"), Reason::UnknownReading, "to"),
        (row("torque 45.1 Nm", "torque 40.0 Nm, torque 45.1 Nm"), Reason::DoubleReading, "torque"),
        (row("torque 45.1 Nm", "torque 40.0 Nm 45.1 Nm"), Reason::DoubleReading, "torque"),
        (row("Type L", "Type L, type M"), Reason::DoubleReading, "type"),
        (row("Which failure", "Vibration 2.3 mm/s. Which failure"), Reason::UnknownReading, "Vibration"),
        (row("60 min", "60/240 min"), Reason::DoubleReading, "tool wear"),
        (row("Which failure", "Line 3. Which failure"), Reason::UnknownReading, "3"),
        (row("45.1 Nm", "45.1 Nm (BAD)"), Reason::BadQuality, "BAD"),
        (row("45.1 Nm", "45.1 Nm (previous tool)"), Reason::UnknownReading, "previous"),
        (row("45.1 Nm", "45.1 Nm?"), Reason::UnknownReading, "?"),
        (row("45.1 Nm", "45.1!!"), Reason::UnknownReading, "!"),
        (row("Which failure", "The torque sensor is faulty. Which failure"), Reason::BadQuality, "faulty"),
        (row("torque 45.1", "torque not 45.1"), Reason::Negated, "not"),
        (row("torque 45.1 Nm, ", ""), Reason::MissingReading, "torque"),
        (row("torque 45.1 Nm", "torque ?"), Reason::MissingReading, "torque"),
        (row("torque 45.1 Nm", "torque NaN"), Reason::UnknownReading, "NaN"),
        (row("302.3 K", "314.8 K"), Reason::OutOfRange, "air temperature 314.8 K"),
        (row("302.3 K", "25.0 K"), Reason::OutOfRange, "25.0 K"),
        (row("torque 45.1", "torque \u{2212}45.1"), Reason::OutOfRange, "-45.1"),
        (row("310.2 K", "315.9 K"), Reason::OutOfRange, "temperature difference"),
        (row("speed 1300 rpm", "speed 1,300.5,2 rpm"), Reason::UnknownReading, ""),
        (row("302.3 K, process 310.2 K", "302 K, process 310 K").replace("45.1", "45").replace("60 min", "1,234 min"), Reason::AmbiguousNumber, ""),
        (row("302.3", "302,3"), Reason::AmbiguousNumber, ""),
        (row("tool wear 60", "tool wear 3:75"), Reason::DoubleReading, "tool wear"),
        (r#"{"type":"L","air":302.3,"process":310.2,"speed":1300,"torque":45.1}"#.to_owned(), Reason::MissingReading, "tool wear"),
        (r#"{"type":"L","air":302.3,"process":310.2,"speed":1300,"torque":45.1,"wear":60,"vib":2.3}"#.to_owned(), Reason::UnknownReading, "vib"),
        (r#"{"type":"L","air":302.3,"process":310.2,"speed":1300,"torque":45.1,"torque":46.1,"wear":60}"#.to_owned(), Reason::DoubleReading, "torque"),
        (r#"{"type":"L","air":302.3,"process":310.2,"speed":1300,"torque":null,"wear":60}"#.to_owned(), Reason::MissingReading, "torque"),
        (r#"{"type":"X","air":302.3,"process":310.2,"speed":1300,"torque":45.1,"wear":60}"#.to_owned(), Reason::UnreadableReading, "type"),
        (r#"{"type":"L","air":302.3,"process":310.2,"speed":1300,"torque":{"value":45.1,"quality":"bad"},"wear":60}"#.to_owned(), Reason::BadQuality, "torque"),
        ("トルクは45.1 Nmではない。L型、空気温度 302.3 K、工程温度 310.2 K、回転数 1300 rpm、工具摩耗 60 分".to_owned(), Reason::Negated, "ではない"),
        (PLAIN_JA.replace("トルク 45.1 Nm", "トルク 57.1 %"), Reason::ForeignUnit, "57.1 %"),
        ("Which failure, if any?".to_owned(), Reason::MissingReading, "torque"),
    ] {
        let fault = readers["machine-failure"].read(&question).expect_err(&question);
        let words = fault.in_words(Language::of(&question));
        if fault.reason() != reason || !words.contains(names) {
            wrong.push(format!("{question}: {:?}, {words}", fault.reason()));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Every tenth of a unit is a reading of its own, and what rounding would carry over a limit is a person's.
#[test]
fn what_lies_too_near_a_limit_to_be_rounded_goes_to_a_person() {
    let readers = readers();
    let read = |torque: &str, wear: &str| {
        readers["machine-failure"].read(&PLAIN.replace("45.1", torque).replace("60 min", wear))
    };
    // 11000 min Nm is the limit of type L: 220 min times 50.0 Nm is on it, 50.04 Nm beyond it.
    let on = read("50.0", "220 min").unwrap();
    assert!(on.near_limit && on.questions[0].contains("torque 50.0 Nm"));
    assert_eq!(read("50.04", "220 min").unwrap_err().reason(), crate::domain::Reason::TooFine);
    assert!(read("50.000001", "220 min").is_ok(), "the noise of a float is no reading");
    assert!(!read("30.0", "100 min").unwrap().near_limit);
}

#[test]
fn a_series_is_read_in_any_form_and_its_verdict_does_not_hang_on_offset_and_scale() {
    let readers = readers();
    let reader = &readers["process-control"];
    let values = ["4.83", "5.01", "4.26", "4.28", "4.34", "4.28", "4.40", "4.32"];
    let canonical =
        outcome(reader, &format!("CL 4.86, UCL 5.70, LCL 4.02 mm. Readings {}. In control?", values.join(", ")));
    assert!(canonical.is_ok(), "{canonical:?}");
    let numbered: Vec<String> = values.iter().enumerate().map(|(at, value)| format!("{}: {value}", at + 1)).collect();
    let hashed: Vec<String> = values.iter().enumerate().map(|(at, value)| format!("#{} {value}", at + 1)).collect();
    let lines: Vec<String> = values.iter().enumerate().map(|(at, value)| format!("{} {value}", at + 1)).collect();
    let timed: Vec<String> = values.iter().enumerate().map(|(at, value)| format!("{:02}:30 {value}", at + 8)).collect();
    let newest: Vec<&str> = values.iter().rev().copied().collect();
    let timed_newest: Vec<String> = timed.iter().rev().cloned().collect();
    let comma: Vec<String> = values.iter().map(|value| value.replace('.', ",")).collect();
    let unit: Vec<String> = values.iter().map(|value| format!("{value} mm")).collect();
    for question in [
        format!("CL 4.86, UCL 5.70, LCL 4.02 mm. Readings {}. In control?", numbered.join(", ")),
        format!("CL 4.86, UCL 5.70, LCL 4.02. Readings {}", hashed.join(", ")),
        format!("CL 4.86\nUCL 5.70\nLCL 4.02\nReadings\n{}", lines.join("\n")),
        format!("CL 4.86, UCL 5.70, LCL 4.02. Readings {}", timed.join(", ")),
        format!("CL 4.86, UCL 5.70, LCL 4.02. Readings {}", timed_newest.join(", ")),
        format!("CL 4.86, UCL 5.70, LCL 4.02. Readings, newest first: {}", newest.join(", ")),
        format!("CL 4,86; UCL 5,70; LCL 4,02. Readings {}", comma.join("; ")),
        format!("CL 4.86 mm, UCL 5.70 mm, LCL 4.02 mm. Readings {}", unit.join(", ")),
        format!("CL 4.86, UCL 5.70, LCL 4.02. Readings {}", values.join("\t")),
        format!(r#"{{"centre":4.86,"upper":5.70,"lower":4.02,"readings":[{}]}}"#, values.join(",")),
        format!(r#"{{"CL":"4,86","UCL":"5,70","LCL":"4,02","readings":["{}"]}}"#, comma.join("\",\"")),
        format!(
            "CL -0.14, UCL 0.70, LCL -0.98. Readings {}. In control?",
            values
                .map(|value| (value.parse::<rust_decimal::Decimal>().unwrap() - rust_decimal::Decimal::from(5))
                    .to_string())
                .join(", ")
        ),
    ] {
        assert_eq!(outcome(reader, &question), canonical, "{question}");
    }
}

#[test]
fn a_series_that_is_not_certain_goes_to_a_person() {
    use crate::domain::Reason;
    let readers = readers();
    let reader = &readers["process-control"];
    let lines = "CL 4.86, UCL 5.70, LCL 4.02 mm. Readings ";
    let eight = "4.83, 5.01, 4.26, 4.28, 4.34, 4.28, 4.40, 4.32";
    for (question, reason) in [
        (format!("{lines}4.83, 5.01, 4.26"), Reason::WrongCount),
        (format!("{lines}{}", ["4.83"; 26].join(", ")), Reason::WrongCount),
        (format!("CL 4.86, UCL 5.70. Readings {eight}"), Reason::MissingReading),
        (format!("CL 4.86, UCL 4.02, LCL 5.70. Readings {eight}"), Reason::OutOfRange),
        (format!("{lines}{}", eight.replace("4.26", "?")), Reason::UnknownReading),
        (format!("{lines}{}", eight.replace("4.26", "n/a")), Reason::UnknownReading),
        (format!("{lines}{}", eight.replace("4.26", "")), Reason::UnknownReading),
        (format!("{lines}{}", eight.replace("4.26", "4.26 µm")), Reason::ForeignUnit),
        (format!("{lines}{} Press no. 4", eight), Reason::Negated),
        (format!("{lines}{eight}. USL 6.0"), Reason::UnknownReading),
        (format!("{lines}1: 4.83, 2: 5.01, 4: 4.26, 5: 4.28"), Reason::AmbiguousNumber),
        (
            format!(
                "{lines}08:00 4.83, 08:30 5.01, 08:10 4.26, 08:50 4.28, 08:20 4.34, 09:00 4.28, 09:10 4.40, 08:05 4.32"
            ),
            Reason::UnknownReading,
        ),
        (format!("CL 4,86, UCL 5.70, LCL 4.02. Readings {eight}"), Reason::AmbiguousNumber),
        ("CL 5, UCL 6, LCL 4. Readings 4,99,5,12,4,87,5,01,5,22,4,91,5,05,5,11".to_owned(), Reason::AmbiguousNumber),
        (format!("{lines}{eight} are not right"), Reason::Negated),
        (
            format!(r#"{{"centre":"4.86 mm","upper":"5.70 mm","lower":"4.02 mm","readings":["4830 µm",{eight}]}}"#),
            Reason::ForeignUnit,
        ),
        (
            format!(r#"{{"centre":4.86,"upper":5.70,"lower":4.02,"unit":"mm","readings":["4830 µm",{eight}]}}"#),
            Reason::ForeignUnit,
        ),
        (format!("{lines}{eight}, in reverse order"), Reason::UnknownReading),
        (format!("{lines}{eight}. Sample size 5"), Reason::UnknownReading),
        (format!("{lines}{eight}. Before: 5.0, 5.1"), Reason::UnknownReading),
        (format!("Batch 12. {lines}{eight}"), Reason::UnknownReading),
    ] {
        let fault = reader.read(&question).expect_err(&question);
        assert_eq!(fault.reason(), reason, "{question}: {}", fault.in_words(Language::En));
    }
}

/// A longer series is asked in windows that overlap, the latest first; each is as long as the model knows.
#[test]
fn a_longer_series_is_asked_in_windows() {
    let readers = readers();
    let values: Vec<String> = (0..25).map(|at| format!("5.{:02}", (at * 37) % 60)).collect();
    let reading = readers["process-control"]
        .read(&format!("CL 5.30, UCL 6.00, LCL 4.60. Readings {}", values.join(", ")))
        .unwrap();
    let count = |question: &String| question.split_once("Readings ").unwrap().1.split(", ").count();
    assert_eq!(reading.questions.iter().map(count).collect::<Vec<_>>(), [10, 10, 10]);
    assert_eq!(reading.anywhere, ["LIM"]);
}

/// Wordings of people and programs, beside those of the toolkit. `{…}` are the values.
const FORMS: [&str; 20] = [
    "On this lathe we have type {type}, air temp {air} K, process temp {process} K, spindle speed {speed} rpm, torque {torque} Nm and tool wear {wear} min.",
    "wear {wear}; trq {torque}; rpm {speed}; proc {process}; air {air}; grade {type}",
    "MachineType: {type}\nAirTemperature: {air}\nProcessTemperature: {process}\nRotationalSpeed: {speed}\nTorque: {torque}\nToolWear: {wear}",
    "{speed} rpm, {torque} Nm, {wear} min of tool wear, air {air} K, process {process} K, quality {type} - will it fail?",
    "Quality {type} part. Ambient is {air} K and process temperature is {process} K. The spindle is at {speed} rpm with {torque} Nm torque. Tool used {wear} min.",
    "[type] {type} [air] {air} [proc] {process} [rpm] {speed} [torque] {torque} [wear] {wear}",
    "type: {type} | air temperature: {air} K | process temperature: {process} K | rotational speed: {speed} r/min | torque: {torque} N·m | tool wear: {wear} min",
    "Product {type}: T air {air}K, T process {process}K, n={speed}, M={torque}Nm, wear={wear}min",
    "Good morning. Grade is {type}. Air temperature reads {air} K. Process temperature reads {process} K. Speed reads {speed} rpm. Torque reads {torque} Nm. Tool wear reads {wear} min. Thank you.",
    "<reading type=\"{type}\" air=\"{air}\" process=\"{process}\" rpm=\"{speed}\" torque=\"{torque}\" wear=\"{wear}\">",
    "品種{type}、気温{air}K、加工温度{process}K、主軸回転数{speed}rpm、主軸トルク{torque}Nm、工具使用時間{wear}分です。異常の有無を教えてください。",
    "トルク{torque}Nm 回転数{speed}rpm 工具摩耗{wear}分 空気温度{air}K 工程温度{process}K タイプ{type}",
    "タイプ：{type}\n空気温度：{air}K\n工程温度：{process}K\n回転速度：{speed}rpm\nトルク：{torque}Nm\n工具摩耗：{wear}分\n以上、判定をお願いします。",
    "回転数が{speed} min⁻¹、トルクが{torque} N·m、空気温度は{air} K、工程温度は{process} K、摩耗は{wear} 分、型は{type}。",
    "【型】{type}【空気温度】{air}K【工程温度】{process}K【回転数】{speed}rpm【トルク】{torque}Nm【工具摩耗】{wear}分",
    "現在の測定値: 型={type}, 空気温度={air}, 工程温度={process}, 回転数={speed}, トルク={torque}, 工具摩耗={wear}",
    "本日の加工では{type}型を使用、外気温{air}K、プロセス温度{process}K、回転数{speed}rpm、トルク{torque}Nm、工具摩耗{wear}分でした。",
    "空気温度 | {air} K\n工程温度 | {process} K\n回転数 | {speed} rpm\nトルク | {torque} Nm\n工具摩耗 | {wear} min\n型 | {type}\n故障は？",
    "お疲れ様です。{type}型の機械について確認です。トルクは {torque} Nm、摩耗は {wear} 分、回転数は {speed} rpm、気温は {air} K、工程温度は {process} K です。",
    "型:{type} 気温:{air}K 工程:{process}K 回転:{speed}rpm トルク:{torque}Nm 摩耗:{wear}min 故障しますか?",
];

#[test]
fn other_wordings_are_read_or_handed_over_and_never_read_wrongly() {
    let readers = readers();
    let mut random = fastrand::Rng::with_seed(23);
    let (mut lost, mut asked) = (0, 0);
    for form in FORMS {
        for _ in 0..10 {
            let (air, gap) = (random.u32(2940..=3060), random.u32(71..=125));
            let tenths = |value: u32| format!("{}.{}", value / 10, value % 10);
            let values = [
                ("type", random.choice(["L", "M", "H"]).unwrap().to_owned()),
                ("air", tenths(air)),
                ("process", tenths(air + gap)),
                ("speed", random.u32(1150..=2950).to_string()),
                ("torque", tenths(random.u32(30..=800))),
                ("wear", random.u32(0..=260).to_string()),
            ];
            let fill = |form: &str| {
                values.iter().fold(form.to_owned(), |text, (id, value)| text.replace(&format!("{{{id}}}"), value))
            };
            let canonical = match Language::of(form) {
                Language::En => fill(
                    "Type {type}, air {air} K, process {process} K, speed {speed} rpm, torque {torque} Nm, tool wear {wear} min. Which failure, if any?",
                ),
                Language::Ja => fill(
                    "{type}型、空気温度 {air} K、工程温度 {process} K、回転数 {speed} rpm、トルク {torque} Nm、工具摩耗 {wear} 分。どの故障か？",
                ),
            };
            match readers["machine-failure"].read(&fill(form)) {
                Ok(reading) => assert_eq!(reading.questions, [canonical], "{}", fill(form)),
                Err(_) => lost += 1,
            }
            asked += 1;
        }
    }
    assert!(lost * 10 <= asked, "{lost} of {asked} handed over");
}

/// Noise of the kinds that lines, people and programs make. Nothing makes the reader panic; what it accepts it reads back to the
/// same; and a number that was changed is never read as the one before.
#[test]
fn noise_never_panics_and_what_is_accepted_reads_back_the_same() {
    let rounds = std::env::var("SOKUTOU_FUZZ_ROUNDS").ok().and_then(|rounds| rounds.parse().ok()).unwrap_or(4_000);
    let readers = readers();
    let seeds: Vec<(String, String)> = shared("readings.jsonl")
        .lines()
        .map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap())
        .map(|case| (case["task"].as_str().unwrap().to_owned(), case["question"].as_str().unwrap().to_owned()))
        .collect();
    let pieces = [
        "-",
        ".",
        ",",
        ":",
        "?",
        " ",
        "\n",
        "(",
        ")",
        "[",
        "]",
        "{",
        "}",
        "\"",
        "not ",
        "BAD",
        "5",
        "0",
        "1e9",
        "%",
        "Nm",
        "K",
        "±",
        "、",
        "。",
        "型",
        "ではない",
        "\u{0}",
        "\u{202e}",
        "٣",
        "½",
        "１",
        "\u{a0}",
        "00",
        "08:30 ",
        "2026-12-01 ",
        "#",
        "=",
        "max ",
        "torque ",
        "CL ",
        "99999999999999999999999",
    ];
    let mut random = fastrand::Rng::with_seed(
        std::env::var("SOKUTOU_FUZZ_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(7),
    );
    let mut accepted = 0;
    for _ in 0..rounds {
        let (task, question) = random.choice(&seeds).unwrap();
        let mut chars: Vec<char> = question.chars().collect();
        for _ in 0..random.usize(1..4) {
            let at = random.usize(0..=chars.len());
            match random.u8(0..4) {
                0 => chars.truncate(at),
                1 if at < chars.len() => drop(chars.remove(at)),
                2 if at < chars.len() => {
                    let from = random.usize(0..chars.len());
                    chars[at] = chars[from];
                }
                _ => {
                    let piece = random.choice(pieces).unwrap();
                    chars.splice(at..at, piece.chars());
                }
            }
        }
        let noisy: String = chars.iter().collect();
        let Ok(reading) = readers[task].read(&noisy) else { continue };
        accepted += 1;
        for question in &reading.questions {
            let again = readers[task].read(question).unwrap_or_else(|fault| {
                panic!("{noisy:?} was read as {question:?}, which is not: {}", fault.in_words(Language::En))
            });
            assert_eq!(again.questions, std::slice::from_ref(question), "{noisy:?}");
        }
        if task == "machine-failure" {
            // Every number of the canonical question stands in the noisy one, or follows from a unit of it.
            let numbers = noisy.chars().filter(|c| c.is_numeric()).count();
            assert!(numbers >= 5, "{noisy:?} was read as {:?}", reading.questions);
        }
    }
    assert!(accepted * 20 > rounds, "noise so strong that only {accepted} of {rounds} were read shows nothing");
}
