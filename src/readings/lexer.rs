//! Cuts a question into what a reader of readings tells apart: numbers with their units, names, words. Knows the names and
//! units of one task; binds nothing.

use std::collections::HashMap;

use rust_decimal::Decimal;
use unicode_normalization::UnicodeNormalization as _;

use super::number::{Evidence, Number};
use super::words::{ALARMING, GOOD, PHRASES, PLAIN, PLAIN_JA, UNITS};
use crate::domain::Reason;

/// A unit as it stands behind a number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnitName {
    /// As it was written, after normalisation.
    pub text: String,
    /// Its index among the names of [`Lexicon::unit`]; `None` for one that no field declares.
    pub known: Option<usize>,
}

/// What one piece of a question is.
#[derive(Clone, Debug, PartialEq)]
pub enum Kind {
    /// A number, and its unit behind it.
    Number(Number, Option<UnitName>),
    /// `h:mm` or `h:mm:ss`, in minutes.
    Clock(Decimal),
    /// A date, with or without a time.
    Date,
    /// The name of what is read, by the index it was declared with.
    Name(usize),
    /// A unit in brackets behind a name.
    Bracketed(UnitName),
    /// A word that is the value of a field: index of the field, index of the word.
    Value(usize, usize),
    /// A word of any task, an equals sign or a colon.
    Plain,
    /// A mark that a source sets on a good reading.
    Good,
    /// A word after which no reading may be trusted.
    Alarm(Reason, bool),
    /// Ends a clause; true at the end of a line.
    Separator(bool),
    /// A word that no list has, or a sign.
    Unknown,
}

/// A piece and where it stands.
#[derive(Clone, Debug, PartialEq)]
pub struct Piece {
    pub kind: Kind,
    pub start: usize,
    pub end: usize,
}

/// A question, normalised and cut.
pub struct Cut {
    pub text: Vec<char>,
    pub pieces: Vec<Piece>,
    /// What its numbers say of the decimal mark.
    pub evidence: Evidence,
    /// Digits and commas without a space were taken for a list: `47,55,58`.
    pub split_at_commas: bool,
}

impl Cut {
    /// A piece as it stands in the question.
    pub fn quote(&self, piece: &Piece) -> String {
        self.text[piece.start..piece.end].iter().collect::<String>().trim().to_owned()
    }
}

/// What a word of the lexicon means.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Meaning {
    Name(usize),
    Value(usize, usize),
    Plain,
    Good,
    And,
    Alarm(Reason, bool),
}

struct Entry {
    key: Vec<char>,
    meaning: Meaning,
    /// A single letter: compared as it is written, and a name only where `=` or `:` follows.
    letter: bool,
}

/// All words of a task.
pub struct Lexicon {
    /// By first character, lower case; longest first.
    entries: HashMap<char, Vec<Entry>>,
    /// The declared ones first, then those of [`UNITS`]; longest first.
    units: Vec<(Vec<char>, Option<usize>)>,
    unit_names: Vec<String>,
}

impl Lexicon {
    /// `names`: index and every name of what is read; `values`: field, word and every name of it; `units`: every declared one.
    pub fn new<'a>(
        names: impl IntoIterator<Item = (usize, &'a str)>,
        values: impl IntoIterator<Item = (usize, usize, &'a str)>,
        units: impl IntoIterator<Item = &'a str>,
    ) -> Self {
        let mut lexicon = Self { entries: HashMap::new(), units: Vec::new(), unit_names: Vec::new() };
        for (index, name) in names {
            lexicon.add(name, Meaning::Name(index));
        }
        for (field, word, name) in values {
            lexicon.add(name, Meaning::Value(field, word));
        }
        for word in GOOD {
            lexicon.add(word, Meaning::Good);
        }
        lexicon.add("and", Meaning::And);
        for &(word, reason, everywhere) in ALARMING {
            lexicon.add(word, Meaning::Alarm(reason, everywhere));
        }
        for word in PLAIN.split_whitespace().chain(PLAIN_JA.split_whitespace()).chain(PHRASES.iter().copied()) {
            lexicon.add(word, Meaning::Plain);
        }
        for entries in lexicon.entries.values_mut() {
            entries.sort_by_key(|entry| std::cmp::Reverse(entry.key.len())); // stable: what was declared comes first
            entries
                .dedup_by(|later, earlier| later.key == earlier.key && later.letter == earlier.letter && !later.letter);
        }
        for name in units {
            if !lexicon.unit_names.iter().any(|known| known == name) {
                lexicon.unit_names.push(name.to_owned());
            }
        }
        let declared = lexicon.unit_names.iter().enumerate().map(|(at, name)| (normal(name), Some(at)));
        let others = UNITS.iter().map(|name| (normal(name), None));
        lexicon.units = declared.chain(others).collect();
        lexicon.units.sort_by_key(|(key, known)| (std::cmp::Reverse(key.len()), known.is_none()));
        lexicon
    }

    /// The declared unit of this index, as it was declared.
    pub fn unit(&self, known: usize) -> &str {
        &self.unit_names[known]
    }

    fn add(&mut self, name: &str, meaning: Meaning) {
        let key = normal(name);
        let letter = key.len() == 1 && key[0].is_ascii_alphabetic() && !matches!(meaning, Meaning::Plain);
        let key = if letter { key } else { lower(&key) };
        let Some(&first) = lower(&key).first() else { return };
        let entries = self.entries.entry(first).or_default();
        let ascii_words = key.contains(&' ') && key.iter().all(char::is_ascii);
        if ascii_words && matches!(meaning, Meaning::Name(_)) {
            // As keys of machines have it: `toolWear`, `tool-wear`; an underscore is a space already.
            for joint in [None, Some('-')] {
                let joined = key.iter().filter_map(|&c| if c == ' ' { joint } else { Some(c) }).collect();
                entries.push(Entry { key: joined, meaning, letter: false });
            }
        }
        entries.push(Entry { key, meaning, letter });
    }

    /// The longest word that begins at a place, and its length.
    fn word(&self, text: &[char], at: usize) -> Option<(Meaning, usize)> {
        let first = text[at].to_lowercase().next()?;
        let inside_word = |at: usize| text.get(at).is_some_and(char::is_ascii_alphabetic);
        self.entries.get(&first)?.iter().find_map(|entry| {
            let end = at + entry.key.len();
            let same = if entry.letter {
                text.get(at..end) == Some(&entry.key)
            } else {
                text.get(at..end)?.iter().zip(&entry.key).all(|(one, other)| one == other || lower_char(*one) == *other)
            };
            let latin = entry.key.first().is_some_and(char::is_ascii_alphanumeric);
            let begins = !latin || at == 0 || !inside_word(at - 1) && !text[at - 1].is_ascii_digit();
            let ends = !entry.key.last().is_some_and(char::is_ascii_alphanumeric) || !inside_word(end);
            let fits = !entry.letter || assigns(text, end) == matches!(entry.meaning, Meaning::Name(_));
            (same && begins && ends && fits).then_some((entry.meaning, entry.key.len()))
        })
    }

    /// The longest unit that begins at a place, and its length.
    fn unit_at(&self, text: &[char], at: usize) -> Option<(UnitName, usize)> {
        let found = self.units.iter().find(|(key, known)| {
            let end = at + key.len();
            let same = text.get(at..end).is_some_and(|there| {
                // A letter more or less in size is another unit: mm and Mm; of longer names it is not.
                there == &key[..] || (known.is_some() && key.len() > 2 && lower(there) == lower(key))
            });
            let latin = key.last().is_some_and(|c| c.is_ascii_alphanumeric());
            same && !(latin && text.get(end).is_some_and(|c| c.is_ascii_alphanumeric()))
        });
        let (key, known) = found?;
        let end = at + key.len();
        // `Nm/s` is no `Nm`; but `298 K/process 308 K` is a list.
        let goes_on = matches!(text.get(end), Some('/' | '·' | '*' | '^'))
            && text.get(end + 1).is_some_and(|c| c.is_alphabetic())
            && self.word(text, end + 1).is_none();
        if goes_on {
            return None;
        }
        // The point of `min.` may end the sentence too.
        let length = if key.last() == Some(&'.') { key.len() - 1 } else { key.len() };
        Some((UnitName { text: text[at..at + length].iter().collect(), known: *known }, length))
    }

    /// Normalises a question and cuts it.
    pub fn cut(&self, question: &str) -> Cut {
        let text = normal(question);
        let mut pieces: Vec<Piece> = Vec::new();
        let mut evidence = Evidence::default();
        let mut split_at_commas = false;
        let mut at = 0;
        while at < text.len() {
            let (kind, end) = self.piece(&text, at);
            if let Some(Kind::Number(number, _)) = &kind {
                evidence.add(number.evidence());
                split_at_commas |= in_list(&text, at);
            }
            match (kind, pieces.last_mut()) {
                (None, _) => {}
                (Some(Kind::Unknown), Some(last)) if last.kind == Kind::Unknown && last.end == at => last.end = end,
                (Some(kind), _) => pieces.push(Piece { kind, start: at, end }),
            }
            at = end;
        }
        self.letters(&text, &mut pieces);
        bracketed_values(&text, &mut pieces);
        cells(&text, &mut pieces);
        Cut { text, pieces, evidence, split_at_commas }
    }

    /// The piece at a place, if it is one, and where the next begins.
    fn piece(&self, text: &[char], at: usize) -> (Option<Kind>, usize) {
        let here = text[at];
        let next = text.get(at + 1).copied();
        let before = at.checked_sub(1).map(|at| text[at]);
        let signed = matches!(here, '+' | '-')
            && next.is_some_and(|c| c.is_ascii_digit())
            && !before.is_some_and(|c| c.is_alphanumeric() || c == ')');
        if here.is_ascii_digit() || signed {
            return self.number(text, at);
        }
        if matches!(here, '[' | '(')
            && let Some((unit, end)) = self.bracketed(text, at + 1)
        {
            return (Some(Kind::Bracketed(unit)), end);
        }
        if let Some((meaning, length)) = self.word(text, at) {
            let kind = match meaning {
                Meaning::Name(name) => Kind::Name(name),
                Meaning::Value(field, word) => Kind::Value(field, word),
                Meaning::Plain => Kind::Plain,
                Meaning::Good => Kind::Good,
                Meaning::And => Kind::Separator(false),
                Meaning::Alarm(reason, everywhere) => Kind::Alarm(reason, everywhere),
            };
            return (Some(kind), at + length);
        }
        // `45.1!!`, `45.1 Nm?,`: somebody doubts the number.
        let marked = before.is_some_and(char::is_alphanumeric);
        if here == '!' && marked || here == '?' && marked && matches!(next, Some(',' | ';' | '、' | '|')) {
            return (Some(Kind::Unknown), at + 1);
        }
        let line_begins = matches!(before, None | Some('\n'));
        if matches!(here, '?' | '-') && stands_for_a_value(text, at) {
            let length = text[at..].iter().take_while(|c| **c == here).count();
            return (Some(Kind::Unknown), at + length);
        }
        match here {
            ' ' => (None, at + 1),
            '\n' | '\r' => (Some(Kind::Separator(true)), at + 1),
            '\t' | ',' | ';' | '、' | '。' | '・' | '&' | '/' | '|' | '.' | '?' | '!' | '(' | ')' | '[' | ']' | '{'
            | '}' | '「' | '」' | '【' | '】' => (Some(Kind::Separator(false)), at + 1),
            '=' | ':' | '"' | '\'' | '“' | '”' => (Some(Kind::Plain), at + 1),
            // Of a tag, and no comparison: `<air value="298.1">`.
            '<' if next.is_some_and(|c| c.is_alphabetic() || c == '/') => (Some(Kind::Separator(false)), at + 1),
            '>' if before.is_some_and(|c| c.is_alphabetic() || matches!(c, '"' | '/')) => {
                (Some(Kind::Separator(false)), at + 1)
            }
            '-' if next == Some('>') => (Some(Kind::Separator(false)), at + 2),
            '→' | '⇒' => (Some(Kind::Separator(false)), at + 1),
            '-' | '*' if line_begins && next == Some(' ') => (Some(Kind::Separator(false)), at + 1),
            '-' if before == Some(' ') && next == Some(' ') => (Some(Kind::Separator(false)), at + 1),
            '-' if !next.is_some_and(|c| c.is_ascii_digit()) => (Some(Kind::Plain), at + 1),
            _ if here.is_ascii_alphanumeric() => {
                let length = text[at..].iter().take_while(|c| c.is_ascii_alphanumeric() || **c == '\'').count();
                (Some(Kind::Unknown), at + length)
            }
            _ => (Some(Kind::Unknown), at + 1),
        }
    }

    /// A unit and its closing bracket.
    fn bracketed(&self, text: &[char], at: usize) -> Option<(UnitName, usize)> {
        let skip = |at: usize| if text.get(at) == Some(&' ') { at + 1 } else { at };
        let at = skip(at);
        let (unit, length) = self.unit_at(text, at)?;
        if unit.known.is_none() && matches!(self.word(text, at), Some((Meaning::Value(..), _))) {
            return None; // `type (L)` is no litre
        }
        let end = skip(at + length);
        // `[proc] 308.2 [rpm] 2472`: behind a number, the name of the next one.
        let before = text[..at].iter().rev().find(|c| !matches!(c, ' ' | '[' | '('));
        let behind = text.get(end + 1..).unwrap_or(&[]).iter().find(|c| **c != ' ');
        let digit = |c: Option<&char>| c.is_some_and(char::is_ascii_digit);
        if digit(before) && digit(behind) {
            return None;
        }
        matches!(text.get(end), Some(']' | ')')).then_some((unit, end + 1))
    }

    /// Does a unit rather name what follows it?
    fn names_the_next(&self, text: &[char], start: usize, end: usize) -> bool {
        let behind = text[end..].iter().position(|c| *c != ' ').map(|skipped| text[end + skipped]);
        let follows = behind.is_some_and(|c| matches!(c, '=' | ':') || c.is_ascii_digit());
        follows && matches!(self.word(text, start), Some((Meaning::Name(_), length)) if start + length == end)
    }

    fn number(&self, text: &[char], at: usize) -> (Option<Kind>, usize) {
        if let Some(end) = date(text, at) {
            return (Some(Kind::Date), end);
        }
        if let Some((minutes, end)) = clock(text, at) {
            return (Some(Kind::Clock(minutes)), end);
        }
        let (number, end) = digits(text, at);
        let Some(number) = number else { return (Some(Kind::Unknown), end) };
        let space = usize::from(text.get(end) == Some(&' '));
        let begins = end + space;
        let unit = (begins < text.len()).then(|| self.unit_at(text, begins)).flatten();
        // `303.2 rpm=1368`, `58.4 RPM 1401`: the name of the next reading, and no unit of this one.
        let unit = unit.filter(|(_, length)| !self.names_the_next(text, begins, begins + length));
        let word = (begins < text.len()).then(|| self.word(text, begins)).flatten();
        match unit {
            Some((unit, length)) if word.is_none_or(|(_, word)| word <= length) => {
                (Some(Kind::Number(number, Some(unit))), begins + length)
            }
            // Letters that stick to a number are its unit, whatever they are.
            _ if text.get(end).is_some_and(char::is_ascii_alphabetic) => {
                let length = text[end..].iter().take_while(|c| c.is_ascii_alphanumeric()).count();
                let unit = UnitName { text: text[end..end + length].iter().collect(), known: None };
                (Some(Kind::Number(number, Some(unit))), end + length)
            }
            _ => (Some(Kind::Number(number, None)), end),
        }
    }
}

/// The number at a place, as far as it is one, and where it ends. Where its marks make no number, it ends at a comma.
fn digits(text: &[char], at: usize) -> (Option<Number>, usize) {
    let digit = |at: usize| text.get(at).is_some_and(char::is_ascii_digit);
    let mut end = at + usize::from(!digit(at));
    while digit(end) || (matches!(text.get(end), Some('.' | ',' | '\'')) && digit(end - 1) && digit(end + 1)) {
        end += 1;
    }
    let mantissa = end;
    if matches!(text.get(end), Some('e' | 'E')) {
        let sign = usize::from(matches!(text.get(end + 1), Some('+' | '-')));
        if digit(end + 1 + sign) {
            let exponent = text[end + 1 + sign..].iter().take_while(|c| c.is_ascii_digit()).count();
            end += 1 + sign + exponent;
        }
    }
    let read = |end: usize| Number::new(&text[at..end].iter().collect::<String>());
    if !in_list(text, at)
        && let Some(number) = read(end)
    {
        return (Some(number), end);
    }
    let comma = text[at..mantissa].iter().position(|c| *c == ',').map_or(end, |place| at + place);
    (read(comma), comma)
}

/// `=` or `:` and a number behind it.
fn assigns(text: &[char], at: usize) -> bool {
    let mut behind = text.get(at..).unwrap_or(&[]).iter().filter(|c| **c != ' ');
    let sign = matches!(behind.next(), Some('=' | ':'));
    sign && behind.next().is_some_and(|c| c.is_ascii_digit() || matches!(c, '-' | '+'))
}

/// Does a number begin here behind a comma that another number touches? Then the commas are those of a list.
fn in_list(text: &[char], at: usize) -> bool {
    at >= 2 && text[at - 1] == ',' && text[at - 2].is_ascii_digit()
}

/// A `?` or `-` alone between two separators: what a source writes where it has no value.
fn stands_for_a_value(text: &[char], at: usize) -> bool {
    let separates = |c: &char| matches!(c, ',' | ';' | '、' | '|' | '\t' | '\n' | '=' | ':' | '/');
    let before = text[..at].iter().rev().find(|c| !matches!(c, ' ' | '?' | '-'));
    let behind = text[at..].iter().find(|c| !matches!(c, ' ' | '?' | '-'));
    // In a list divided by spaces both neighbours are numbers.
    let digits = |c: Option<&char>| c.is_some_and(char::is_ascii_digit);
    let alone = text.get(at + 1) == Some(&' ') && at > 0 && text[at - 1] == ' ';
    before.is_some_and(separates) && behind.is_none_or(|c| separates(c) || c.is_ascii_digit() && alone)
        || alone && digits(before) && digits(behind)
}

/// `type m`, `m型`: a letter in lower case is a value where the name of its field stands beside it.
impl Lexicon {
    fn letters(&self, text: &[char], pieces: &mut [Piece]) {
        for at in 0..pieces.len() {
            let Piece { kind: Kind::Unknown, start, end } = pieces[at] else { continue };
            if end != start + 1 {
                continue;
            }
            let plain = |piece: &&Piece| piece.kind != Kind::Plain;
            let before = pieces[..at].iter().rev().find(plain).map(|piece| piece.kind.clone());
            let behind = pieces[at + 1..].iter().find(plain).map(|piece| piece.kind.clone());
            let upper = text[start].to_ascii_uppercase();
            let value = self.entries.get(&text[start]).into_iter().flatten().find_map(|entry| match entry.meaning {
                Meaning::Value(field, word) if entry.letter && entry.key == [upper] => Some((field, word)),
                _ => None,
            });
            if let Some((field, word)) = value
                && [before, behind].into_iter().flatten().any(|kind| kind == Kind::Name(field))
            {
                pieces[at].kind = Kind::Value(field, word);
            }
        }
    }
}

/// `tool wear (20 min)`: a value in brackets belongs to the name before it.
fn bracketed_values(text: &[char], pieces: &mut [Piece]) {
    for at in 1..pieces.len().saturating_sub(2) {
        let is = |piece: &Piece, mark: char| piece.kind == Kind::Separator(false) && text[piece.start] == mark;
        let value = matches!(pieces[at + 1].kind, Kind::Number(..) | Kind::Clock(_) | Kind::Value(..))
            || pieces[at + 1].kind == Kind::Unknown && pieces[at + 1].end == pieces[at + 1].start + 1;
        let named = matches!(pieces[at - 1].kind, Kind::Name(_));
        if named && value && is(&pieces[at], '(') && is(&pieces[at + 2], ')') {
            pieces[at].kind = Kind::Plain;
            pieces[at + 2].kind = Kind::Plain;
        }
    }
}

/// `[air] 298.1`, `air | 298.1`: a name in a cell of its own, and its value in the next.
fn cells(text: &[char], pieces: &mut [Piece]) {
    for at in 0..pieces.len().saturating_sub(2) {
        let begins = at == 0 || matches!(pieces[at - 1].kind, Kind::Separator(_));
        let named = matches!(pieces[at].kind, Kind::Name(_));
        let ends = matches!(pieces[at + 1].kind, Kind::Separator(false))
            && matches!(text[pieces[at + 1].start], ']' | '】' | '」' | '|' | '\t');
        let value = matches!(pieces[at + 2].kind, Kind::Number(..) | Kind::Clock(_) | Kind::Value(..));
        if begins && named && ends && value {
            pieces[at + 1].kind = Kind::Plain;
        }
    }
}

/// Where a date ends that begins here: `2026-12-01`, with `T08:30`, seconds, their decimals and a zone, or without.
fn date(text: &[char], at: usize) -> Option<usize> {
    let number = |at: usize, count: usize| -> Option<u32> {
        let digits = text.get(at..at + count)?;
        digits.iter().try_fold(0, |sum, c| Some(sum * 10 + c.to_digit(10)?))
    };
    let mark = *text.get(at + 4)?;
    number(at, 4)?;
    let (month, day) = (number(at + 5, 2)?, number(at + 8, 2)?);
    if !matches!(mark, '-' | '/')
        || text.get(at + 7) != Some(&mark)
        || !(1..=12).contains(&month)
        || !(1..=31).contains(&day)
    {
        return None;
    }
    let mut end = at + 10;
    if matches!(text.get(end), Some('T' | 't' | ' '))
        && let Some((_, behind)) = clock(text, end + 1)
    {
        end = behind;
        if text.get(end) == Some(&'.') {
            let decimals = text[end + 1..].iter().take_while(|c| c.is_ascii_digit()).count();
            end += if decimals > 0 { 1 + decimals } else { 0 };
        }
        match text.get(end) {
            Some('Z' | 'z') => end += 1,
            Some('+' | '-') if number(end + 1, 2).is_some() => {
                end += 3;
                end += usize::from(text.get(end) == Some(&':'));
                end += if number(end, 2).is_some() { 2 } else { 0 };
            }
            _ => {}
        }
    }
    (!text.get(end).is_some_and(char::is_ascii_digit)).then_some(end)
}

/// `h:mm` or `h:mm:ss` in minutes, and where it ends.
fn clock(text: &[char], at: usize) -> Option<(Decimal, usize)> {
    let digits = |at: usize| text.get(at..).unwrap_or(&[]).iter().take_while(|c| c.is_ascii_digit()).count();
    let number = |at: usize, count: usize| {
        text[at..at + count].iter().fold(0_u32, |sum, c| sum * 10 + c.to_digit(10).unwrap_or(0))
    };
    let hours = digits(at);
    let sixty =
        |at: usize| (text.get(at) == Some(&':') && digits(at + 1) == 2).then(|| number(at + 1, 2)).filter(|n| *n < 60);
    if !(1..=3).contains(&hours) {
        return None;
    }
    let minutes = sixty(at + hours)?;
    let mut end = at + hours + 3;
    let mut value = Decimal::from(number(at, hours) * 60 + minutes);
    if let Some(seconds) = sixty(end) {
        value += Decimal::from(seconds) / Decimal::from(60);
        end += 3;
    }
    let more = text.get(end) == Some(&':') || text.get(end) == Some(&',') && digits(end + 1) > 0;
    (!more).then_some((value, end))
}

fn lower(text: &[char]) -> Vec<char> {
    text.iter().map(|c| lower_char(*c)).collect()
}

fn lower_char(c: char) -> char {
    let mut lower = c.to_lowercase();
    lower.next().filter(|_| lower.next().is_none()).unwrap_or(c)
}

/// NFKC; minus signs and hyphens of all kinds are `-`, an underscore is a space, and so is every control character but the end of
/// a line and the tab; spaces inside a number are gone, others stand once.
pub fn normal(text: &str) -> Vec<char> {
    let chars: Vec<char> = text.trim_start_matches('\u{feff}').chars().collect();
    let digit = |at: usize| chars.get(at).is_some_and(|c| c.is_ascii_digit());
    let mut joined = String::with_capacity(text.len());
    for (at, &c) in chars.iter().enumerate() {
        // What typesetters put between thousands: a narrow or unbreakable space, with three digits behind it.
        let group = matches!(c, '\u{a0}' | '\u{202f}' | '\u{2009}')
            && at > 0
            && digit(at - 1)
            && (1..=3).all(|more| digit(at + more))
            && !digit(at + 4);
        if !group {
            joined.push(c);
        }
    }
    let mut normal: Vec<char> = Vec::with_capacity(joined.len());
    for c in joined.nfkc() {
        let c = match c {
            '\u{2010}'..='\u{2013}' | '\u{2212}' => '-',
            'μ' => 'µ', // NFKC makes the Greek letter of the sign; units are declared with either
            '\r' => '\n',
            '\n' | '\t' => c,
            '_' | '\u{200b}' | '\u{feff}' => ' ',
            c if c.is_control() || c.is_whitespace() => ' ',
            c => c,
        };
        if c != ' ' || !matches!(normal.last(), None | Some(' ' | '\n')) {
            normal.push(c);
        }
    }
    while normal.last().is_some_and(|c| c.is_whitespace()) {
        normal.pop();
    }
    normal
}
