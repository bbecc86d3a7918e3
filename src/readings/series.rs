//! Reads a chart: its lines by their names, and one list of readings, plain, numbered or timed.

use rust_decimal::Decimal;

use super::fault::Fault;
use super::fields::{is_quality, is_time};
use super::lexer::{self, Cut, Kind, Lexicon, Piece};
use super::normal::{Lines, normal};
use super::object::{Json, Member};
use super::words::is_good;
use super::{Language, Reading};
use crate::bundle::declaration::{Line, Series};

/// Places of the names in the lexicon.
const READINGS: usize = 3;
/// A chart's numbers are of another kind where these words stand: limits of a drawing, other statistics.
const OTHER_CHARTS: &[&str] = &[
    "usl",
    "lsl",
    "spec",
    "specification",
    "tolerance",
    "nominal",
    "drawing",
    "target",
    "sigma",
    "σ",
    "stdev",
    "std",
    "deviation",
    "cpk",
    "cp",
    "range",
    "規格",
    "公差",
    "図面",
    "目標",
    "標準偏差",
    "範囲",
    "工程能力",
];
/// The first reading is the latest.
const NEWEST_FIRST: &[&str] = &[
    "newest first",
    "latest first",
    "most recent first",
    "newest to oldest",
    "oldest last",
    "新しい順",
    "最新順",
    "最新から",
    "新しいものから",
    "新しい方から",
];
/// An order that can mean either.
const UNCLEAR_ORDER: &[&str] = &["reverse", "descending", "backward", "逆順", "降順", "逆から"];

/// Reads the series of one task.
pub struct SeriesReader {
    declared: Series,
    lexicon: Lexicon,
}

/// A chart as it was read, readings oldest first.
struct Chart {
    lines: [Option<Decimal>; 3],
    readings: Vec<Decimal>,
    /// Nothing but commas divides the readings, and no number of the question has decimals.
    divided_by_commas: bool,
}

impl SeriesReader {
    pub fn new(declared: &Series) -> Self {
        let parts = declared.parts().into_iter().enumerate();
        let names = parts.flat_map(|(at, (_, line))| names(line).map(move |name| (at, name)));
        Self { lexicon: Lexicon::new(names, [], []), declared: declared.clone() }
    }

    /// The reading of a free text.
    pub fn read_text(&self, question: &str, language: Language) -> Result<Reading, Fault> {
        let cut = self.lexicon.cut(question);
        let lower = cut.text.iter().collect::<String>().to_lowercase();
        for piece in &cut.pieces {
            match piece.kind {
                Kind::Alarm(reason, _) => return Err(Fault::of_alarm(reason, cut.quote(piece))),
                Kind::Unknown => {
                    let word = cut.quote(piece);
                    let other = OTHER_CHARTS.contains(&word.to_lowercase().as_str());
                    if other
                        || word.contains(|c: char| c.is_numeric())
                        || word.contains(['<', '>', '~', '±', '+', '*', '^', '&'])
                    {
                        return Err(Fault::Unknown(word));
                    }
                }
                _ => {}
            }
        }
        let divided_by_commas = cut.split_at_commas && !cut.evidence.point;
        let mut chart = Chart { lines: [None; 3], readings: Vec::new(), divided_by_commas };
        if cut.split_at_commas && cut.evidence.comma {
            return Err(Fault::Ambiguous(question.trim().chars().take(40).collect()));
        }
        let mut rest: Vec<&Piece> = Vec::new();
        let mut pieces = cut.pieces.iter();
        let mut units: Vec<String> = Vec::new();
        while let Some(piece) = pieces.next() {
            match piece.kind {
                Kind::Name(at) if at < READINGS => {
                    // Its number follows, behind words and signs that say nothing.
                    let number = pieces
                        .by_ref()
                        .find(|next| !matches!(next.kind, Kind::Plain | Kind::Bracketed(_) | Kind::Separator(false)));
                    let name = || self.name(at, language);
                    let Some(Piece { kind: Kind::Number(..), .. }) = number else {
                        return Err(Fault::Unreadable {
                            name: name(),
                            written: number.map_or_else(|| cut.quote(piece), |next| cut.quote(next)),
                        });
                    };
                    let number = number.ok_or_else(|| Fault::Missing(vec![name()]))?;
                    let value = self.value(&cut, number, &mut units)?;
                    if chart.lines[at].replace(value).is_some_and(|before| before != value) {
                        return Err(Fault::Double(name()));
                    }
                    rest.push(piece); // where a list is interrupted
                }
                Kind::Bracketed(ref unit) => add(&mut units, &unit.text),
                _ => rest.push(piece),
            }
        }
        if let Some(order) = UNCLEAR_ORDER.iter().find(|words| lower.contains(**words)) {
            return Err(Fault::Unknown((*order).to_owned()));
        }
        let newest_first = NEWEST_FIRST.iter().any(|words| lower.contains(words));
        chart.readings = self.list(&cut, &rest, &mut units, newest_first)?;
        self.finish(chart, &units, language)
    }

    /// The reading of an object.
    pub fn read_object(&self, members: &[Member], language: Language) -> Result<Reading, Fault> {
        let mut chart = Chart { lines: [None; 3], readings: Vec::new(), divided_by_commas: false };
        let mut units = Vec::new();
        for member in members {
            let key = member.key.to_lowercase();
            if is_time(&key) {
                continue;
            }
            if key == "unit" {
                let Json::Text(unit) = &member.value else { return Err(Fault::Unknown(member.key.clone())) };
                add(&mut units, &lexer::normal(unit).iter().collect::<String>());
                continue;
            }
            if let (true, Json::Text(mark)) = (is_quality(&key), &member.value) {
                if is_good(mark) {
                    continue;
                }
                return Err(Fault::BadQuality(mark.clone()));
            }
            let same = |(at, (id, line)): (usize, (&str, &Line))| {
                id == key || (at + 1).to_string() == key || names(line).any(|name| name.to_lowercase() == key)
            };
            let mut parts = self.declared.parts().into_iter().enumerate();
            let Some(at) = parts.position(same) else { return Err(Fault::Unknown(member.key.clone())) };
            match (&member.value, at) {
                (Json::List(values), READINGS) => {
                    if !chart.readings.is_empty() {
                        return Err(Fault::Double(self.name(at, language)));
                    }
                    chart.readings = values
                        .iter()
                        .map(|value| self.member(at, value, &mut units, language))
                        .collect::<Result<_, _>>()?;
                }
                (Json::List(_), _) | (_, READINGS) => {
                    let written = member.value.kind().to_owned();
                    return Err(Fault::Unreadable { name: self.name(at, language), written });
                }
                (value, _) => {
                    let value = self.member(at, value, &mut units, language)?;
                    if chart.lines[at].replace(value).is_some() {
                        return Err(Fault::Double(self.name(at, language)));
                    }
                }
            }
        }
        self.finish(chart, &units, language)
    }

    fn member(&self, at: usize, value: &Json, units: &mut Vec<String>, language: Language) -> Result<Decimal, Fault> {
        let unreadable =
            |written: &str| Fault::Unreadable { name: self.name(at, language), written: written.to_owned() };
        match value {
            Json::Number(text) | Json::Text(text) => {
                let cut = self.lexicon.cut(text);
                match &cut.pieces[..] {
                    [piece @ Piece { kind: Kind::Number(..), .. }] => self.value(&cut, piece, units),
                    _ => Err(unreadable(text)),
                }
            }
            other => Err(unreadable(other.kind())),
        }
    }

    fn value(&self, cut: &Cut, piece: &Piece, units: &mut Vec<String>) -> Result<Decimal, Fault> {
        let quoted = || cut.quote(piece);
        let Kind::Number(number, unit) = &piece.kind else { return Err(Fault::Unknown(quoted())) };
        if let Some(unit) = unit {
            add(units, &unit.text);
        }
        if cut.evidence.is_mixed() {
            return Err(Fault::Ambiguous(quoted()));
        }
        let values = number.values(cut.evidence);
        match values[..] {
            [one] => Ok(one),
            // A point alone is a decimal point; a comma alone may be either.
            [point, _] if !quoted().contains(',') => Ok(point),
            _ => Err(Fault::Ambiguous(quoted())),
        }
    }

    /// The one list of readings among what is left, oldest first.
    fn list(
        &self,
        cut: &Cut,
        rest: &[&Piece],
        units: &mut Vec<String>,
        newest_first: bool,
    ) -> Result<Vec<Decimal>, Fault> {
        let is_number = |piece: &Piece| matches!(piece.kind, Kind::Number(..) | Kind::Clock(_) | Kind::Date);
        let breaks = |piece: &Piece| {
            matches!(piece.kind, Kind::Name(_)) || piece.kind == Kind::Unknown && cut.quote(piece) != "#"
        };
        let runs: Vec<&[&Piece]> =
            rest.split(|piece| breaks(piece)).filter(|run| run.iter().any(|piece| is_number(piece))).collect();
        let longest = runs.iter().max_by_key(|run| run.iter().filter(|piece| is_number(piece)).count());
        let Some(run) = longest else { return Ok(Vec::new()) };
        if let Some(other) = runs.iter().find(|other| !std::ptr::eq(**other, *run)) {
            let number = other.iter().find(|piece| is_number(piece));
            return Err(Fault::Unknown(number.map_or_else(String::new, |piece| cut.quote(piece))));
        }
        let start = run.iter().position(|piece| is_number(piece)).unwrap_or(0);
        let end = run.iter().rposition(|piece| is_number(piece)).map_or(0, |at| at + 1);
        let run = &run[start..end];
        let divides = |piece: &Piece| matches!(cut.quote(piece).as_str(), "," | ";" | "、" | "|");
        if let Some(empty) = run.windows(2).find(|pair| divides(pair[0]) && divides(pair[1])) {
            return Err(Fault::Unknown(cut.text[empty[0].start..empty[1].end].iter().collect()));
        }
        let stamps = run.iter().filter(|piece| matches!(piece.kind, Kind::Clock(_) | Kind::Date)).count();
        let numbers: Vec<&Piece> = run.iter().filter(|piece| matches!(piece.kind, Kind::Number(..))).copied().collect();
        if stamps > 0 {
            return self.timed(cut, run, stamps, units, newest_first);
        }
        if let Some(numbered) = self.numbered(cut, run, units)? {
            return match newest_first {
                true => Err(Fault::Ambiguous(cut.quote(numbers[0]))), // is number 1 the newest?
                false => Ok(numbered),
            };
        }
        let mut readings = numbers.iter().map(|piece| self.value(cut, piece, units)).collect::<Result<Vec<_>, _>>()?;
        if newest_first {
            readings.reverse();
        }
        Ok(readings)
    }

    /// `08:00 4.44, 08:30 4.42`: a time before each reading.
    fn timed(
        &self,
        cut: &Cut,
        run: &[&Piece],
        stamps: usize,
        units: &mut Vec<String>,
        newest_first: bool,
    ) -> Result<Vec<Decimal>, Fault> {
        let timed: Vec<&&Piece> =
            run.iter().filter(|piece| matches!(piece.kind, Kind::Number(..) | Kind::Clock(_) | Kind::Date)).collect();
        let unclear = |piece: &Piece| Fault::Unknown(cut.quote(piece));
        let mut times = Vec::new();
        let mut readings = Vec::new();
        if timed.len() != 2 * stamps {
            return Err(unclear(timed[0]));
        }
        for pair in timed.chunks(2) {
            match (&pair[0].kind, &pair[1].kind) {
                (Kind::Clock(minutes), Kind::Number(..)) => {
                    times.push(minutes.to_string().parse::<f64>().unwrap_or(f64::NAN))
                }
                // ISO dates are in order as texts are; digits alone are as good.
                (Kind::Date, Kind::Number(..)) => {
                    let digits: String = cut.quote(pair[0]).chars().filter(char::is_ascii_digit).take(14).collect();
                    times.push(format!("{digits:0<14}").parse().unwrap_or(f64::NAN));
                }
                _ => return Err(unclear(pair[0])),
            }
            readings.push(self.value(cut, pair[1], units)?);
        }
        let steps =
            |rises: bool| times.windows(2).filter(|pair| (pair[1] > pair[0]) == rises && pair[1] != pair[0]).count();
        let level = times.windows(2).any(|pair| pair[0] == pair[1]) || times.iter().any(|time| time.is_nan());
        // A shift may pass midnight once.
        let (rises, falls) =
            (steps(false) <= 1 && steps(true) > steps(false), steps(true) <= 1 && steps(false) > steps(true));
        match (level, rises, falls) {
            (false, true, false) if !newest_first => Ok(readings),
            (false, false, true) => {
                readings.reverse();
                Ok(readings)
            }
            _ => Err(unclear(timed[0])),
        }
    }

    /// `1: 4.83, 2: 5.01` or a line for each: consecutive numbers before the readings. `None` for a plain list.
    fn numbered(&self, cut: &Cut, run: &[&Piece], units: &mut Vec<String>) -> Result<Option<Vec<Decimal>>, Fault> {
        let is_number = |piece: &&&Piece| matches!(piece.kind, Kind::Number(..));
        let parts: Vec<Vec<&Piece>> = run
            .split(|piece| {
                matches!(piece.kind, Kind::Separator(_)) && cut.quote(piece) != ")" && cut.quote(piece) != "."
            })
            .map(|part| part.iter().filter(is_number).copied().collect::<Vec<_>>())
            .filter(|part| !part.is_empty())
            .collect();
        let colons =
            run.windows(2).any(|pair| is_number(&&pair[0]) && matches!(cut.quote(pair[1]).as_str(), ":" | ")" | "="))
                || run.iter().any(|piece| cut.quote(piece) == "#");
        let pairs: Vec<(&Piece, &Piece)> = if parts.len() > 1 && parts.iter().all(|part| part.len() == 2) {
            parts.iter().map(|part| (part[0], part[1])).collect()
        } else if colons {
            let numbers: Vec<&Piece> = run.iter().filter(is_number).copied().collect();
            if numbers.len() % 2 == 1 {
                return Err(Fault::Unknown(cut.quote(numbers[0])));
            }
            numbers.chunks(2).map(|pair| (pair[0], pair[1])).collect()
        } else {
            return Ok(None);
        };
        let index = |piece: &Piece| cut.quote(piece).parse::<i64>().ok();
        let places: Option<Vec<i64>> = pairs.iter().map(|(place, _)| index(place)).collect();
        let steps: Option<Vec<i64>> = places.map(|places| places.windows(2).map(|pair| pair[1] - pair[0]).collect());
        let mut readings =
            pairs.iter().map(|(_, reading)| self.value(cut, reading, units)).collect::<Result<Vec<_>, _>>()?;
        match steps {
            Some(steps) if steps.iter().all(|step| *step == 1) => Ok(Some(readings)),
            Some(steps) if steps.iter().all(|step| *step == -1) => {
                readings.reverse();
                Ok(Some(readings))
            }
            _ => Err(Fault::Ambiguous(cut.quote(pairs[0].0))),
        }
    }

    fn finish(&self, chart: Chart, units: &[String], language: Language) -> Result<Reading, Fault> {
        if let [one, other, ..] = units {
            return Err(Fault::ForeignUnit {
                written: other.clone(),
                name: self.name(READINGS, language),
                units: one.clone(),
            });
        }
        let declared = &self.declared;
        let missing: Vec<String> =
            (0..READINGS).filter(|at| chart.lines[*at].is_none()).map(|at| self.name(at, language)).collect();
        let [Some(centre), Some(upper), Some(lower)] = chart.lines else { return Err(Fault::Missing(missing)) };
        let (min, max) = declared.count;
        if !(min..=max).contains(&chart.readings.len()) {
            return Err(Fault::WrongCount(chart.readings.len(), min, max));
        }
        // `4,99,5,12` may be two decimals: of a list that a comma alone divides, only what lies within the limits is certain.
        let beyond = |reading: &Decimal| *reading > upper || *reading < lower;
        if let Some(reading) = chart.readings.iter().find(|reading| chart.divided_by_commas && beyond(reading)) {
            return Err(Fault::Ambiguous(reading.to_string()));
        }
        let said = self.said([centre, upper, lower], &chart.readings, language);
        let scale = chart.readings.iter().chain([&centre, &upper, &lower]).map(|value| value.normalize().scale()).max();
        let whole = |value: Decimal| {
            let scale = scale.unwrap_or(0);
            let mut value = value;
            value.rescale(scale);
            (value.scale() == scale).then(|| value.mantissa())
        };
        let too_fine = || Fault::TooFine(said.clone());
        let (Some(centre), Some(upper), Some(lower)) = (whole(centre), whole(upper), whole(lower)) else {
            return Err(too_fine());
        };
        let lines = Lines { centre, upper, lower };
        if !lines.are_possible() {
            return Err(Fault::Lines);
        }
        let readings: Vec<i128> =
            chart.readings.iter().map(|value| whole(*value)).collect::<Option<_>>().ok_or_else(too_fine)?;
        let near = declared.near.normalize();
        let share = (near.mantissa(), 10_i128.pow(near.scale().min(20)));
        let near_limit = readings.iter().any(|reading| lines.is_near(*reading, share));
        let mut questions = Vec::new();
        let mut end = readings.len();
        loop {
            let start = end.saturating_sub(declared.window);
            let window = &readings[start..(start + declared.window).min(readings.len()).max(end)];
            let places = normal(&lines, window, declared.normal).ok_or_else(too_fine)?;
            let places: Vec<String> = places.iter().map(ToString::to_string).collect();
            let written = places.join(declared.separator.in_language(language));
            questions.push(declared.canonical.in_language(language).replace("{readings}", &written));
            if start == 0 {
                break;
            }
            end = start;
        }
        Ok(Reading { questions, said, near_limit, anywhere: declared.anywhere.clone() })
    }

    fn said(&self, lines: [Decimal; 3], readings: &[Decimal], language: Language) -> String {
        let comma = if language == Language::Ja { "、" } else { ", " };
        let lines: Vec<String> =
            lines.iter().enumerate().map(|(at, value)| format!("{} {value}", self.name(at, language))).collect();
        let readings: Vec<String> = readings.iter().map(ToString::to_string).collect();
        format!("{}{comma}{} {}", lines.join(comma), self.name(READINGS, language), readings.join(" "))
    }

    fn name(&self, at: usize, language: Language) -> String {
        self.declared.parts()[at].1.name.in_language(language).to_owned()
    }
}

fn names(line: &Line) -> impl Iterator<Item = &str> {
    [line.name.en.as_str(), &line.name.ja].into_iter().chain(line.aliases.iter().map(String::as_str))
}

fn add(units: &mut Vec<String>, unit: &str) {
    if !units.iter().any(|known| known == unit) {
        units.push(unit.to_owned());
    }
}
