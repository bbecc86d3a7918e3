//! Reads the fields of a task, from free text by their names and units, or from an object. A value is taken only where the
//! question can mean nothing else.

use std::collections::HashMap;

use rust_decimal::{Decimal, RoundingStrategy};

use super::fault::Fault;
use super::lexer::{Cut, Kind, Lexicon, Piece, UnitName, normal};
use super::number::{Evidence, Number, written};
use super::object::{Json, Member};
use super::words::is_good;
use super::{Language, Reading};
use crate::bundle::declaration::{Field, FieldValue, Fields, Quantity, Unit};
use crate::calculator;

/// Characters of an expression with its values in the place of its names.
const EXPRESSION_LEN_MAX: usize = 256;
/// A longer word behind a number is no unit.
const UNIT_CHARS_MAX: usize = 6;
/// How far a number of a machine may be from a decimal of the field's resolution and still mean it: what is left of a decimal
/// that went through a 32-bit float (2^-24), with room for one multiplication.
const FLOAT_NOISE: Decimal = Decimal::from_parts(2, 0, 0, false, 7);

/// Reads the fields of one task.
pub struct FieldReader {
    declared: Fields,
    lexicon: Lexicon,
    /// Fields by every name that a key may have, see [`key_of`].
    keys: HashMap<String, usize>,
}

/// A value as it was found.
#[derive(Clone, Debug, PartialEq)]
enum Value {
    /// In the field's own unit, not rounded.
    Number(Decimal),
    /// Index of the word.
    Word(usize),
}

/// A field, and the unit that its name brings.
type Column = (usize, Option<UnitName>);

/// The values found so far, by field.
struct Found<'r> {
    reader: &'r FieldReader,
    language: Language,
    values: Vec<Option<Value>>,
}

impl FieldReader {
    pub fn new(declared: &Fields) -> Self {
        let fields = || declared.fields.iter().enumerate();
        let names = || fields().flat_map(|(at, field)| names(field).map(move |name| (at, name)));
        let values = fields().flat_map(|(at, field)| words(field).map(move |(word, name)| (at, word, name)));
        let units = fields().flat_map(|(_, field)| units(field)).flat_map(|unit| unit.names.iter().map(String::as_str));
        let mut keys = HashMap::new();
        for (at, name) in names() {
            keys.entry(key_of(name)).or_insert(at);
        }
        Self { lexicon: Lexicon::new(names(), values, units), declared: declared.clone(), keys }
    }

    /// The reading of a free text.
    pub fn read_text(&self, question: &str, language: Language) -> Result<Reading, Fault> {
        let cut = self.lexicon.cut(question);
        let mut found = Found { reader: self, language, values: vec![None; self.declared.fields.len()] };
        let mut dated = false;
        if let Some((header, row)) = self.table(&cut) {
            found.table(&cut, &header, &row)?;
        } else {
            let mut start = 0;
            while start <= cut.pieces.len() {
                let length =
                    cut.pieces[start..].iter().take_while(|piece| !matches!(piece.kind, Kind::Separator(_))).count();
                let clause = &cut.pieces[start..start + length];
                if remarks_on_a_number(&cut, start)
                    && let Some(word) = clause.iter().find(|piece| piece.kind == Kind::Unknown)
                {
                    return Err(Fault::Unknown(cut.quote(word)));
                }
                found.clause(&cut, clause, &mut dated)?;
                start += length + 1;
            }
        }
        self.finish(&found)
    }

    /// The reading of an object.
    pub fn read_object(&self, members: &[Member], language: Language) -> Result<Reading, Fault> {
        let mut found = Found { reader: self, language, values: vec![None; self.declared.fields.len()] };
        let mut evidence = Evidence::default();
        for member in members {
            if let Json::Text(text) = &member.value {
                evidence.add(self.lexicon.cut(text).evidence);
            }
        }
        for member in members {
            found.member(member, evidence)?;
        }
        self.finish(&found)
    }

    /// The field of a key: its number, its id, or any of its names, with or without a unit in brackets.
    fn field(&self, key: &str) -> Option<Column> {
        if let Ok(number) = key.trim().parse::<usize>() {
            return number.checked_sub(1).filter(|at| *at < self.declared.fields.len()).map(|at| (at, None));
        }
        if let Some(at) = self.keys.get(&key_of(key)) {
            return Some((*at, None));
        }
        let cut = self.lexicon.cut(key);
        match &cut.pieces[..] {
            [Piece { kind: Kind::Name(at), .. }] => Some((*at, None)),
            [Piece { kind: Kind::Name(at), .. }, Piece { kind: Kind::Bracketed(unit), .. }] => {
                Some((*at, Some(unit.clone())))
            }
            _ => None,
        }
    }

    /// A table of two lines: names, then one row of values. `None` where the text is none.
    fn table(&self, cut: &Cut) -> Option<(Vec<Column>, Vec<String>)> {
        let text: String = cut.text.iter().collect();
        let lines: Vec<&str> = text
            .lines()
            .map(|line| line.trim().trim_matches('|').trim())
            .filter(|line| !line.is_empty() && !line.chars().all(|c| matches!(c, '-' | '|' | ':' | '+' | ' ' | '=')))
            .collect();
        let [header, row, ..] = &lines[..] else { return None };
        let mark = [';', '\t', '|', ','].into_iter().find(|mark| header.contains(*mark))?;
        let cells =
            |line: &str| line.split(mark).map(|cell| cell.trim().trim_matches('"').to_owned()).collect::<Vec<_>>();
        let header: Option<Vec<_>> = cells(header).iter().map(|cell| self.field(cell)).collect();
        let header = header?;
        let row = cells(row);
        // More lines than one of values are several readings, or words that nobody has read.
        (lines.len() == 2 && header.len() > 1 && header.len() == row.len()).then_some((header, row))
    }

    fn finish(&self, found: &Found<'_>) -> Result<Reading, Fault> {
        let language = found.language;
        let missing: Vec<String> = self
            .declared
            .fields
            .iter()
            .zip(&found.values)
            .filter(|(_, value)| value.is_none())
            .map(|(field, _)| field.name.in_language(language).to_owned())
            .collect();
        if !missing.is_empty() {
            return Err(Fault::Missing(missing));
        }
        let mut exact = Vec::new();
        let mut told = Vec::new();
        for (field, value) in self.declared.fields.iter().zip(&found.values) {
            let (as_read, as_told) = match (value, &field.value) {
                (Some(Value::Number(value)), FieldValue::Number(quantity)) => {
                    let rounded = rounded(*value, quantity.resolution);
                    if rounded < quantity.min || rounded > quantity.max {
                        return Err(out_of_range(field, quantity, rounded, language));
                    }
                    let noise = (*value - rounded).abs() <= FLOAT_NOISE * rounded.abs();
                    let exact = if noise { rounded } else { value.normalize() };
                    (exact.to_string(), written(rounded, quantity.resolution))
                }
                (Some(Value::Word(word)), FieldValue::Words(words)) => {
                    (words[*word].text.clone(), words[*word].text.clone())
                }
                _ => return Err(Fault::Missing(vec![field.name.in_language(language).to_owned()])),
            };
            exact.push(as_read);
            told.push(as_told);
        }
        for check in &self.declared.checks {
            let Some(value) = self.value(&check.expression, &told) else { continue };
            if value < check.min || value > check.max {
                let unit = &check.unit;
                return Err(Fault::OutOfRange {
                    name: check.name.in_language(language).to_owned(),
                    value: format!("{} {unit}", value.normalize()),
                    range: format!("{} - {} {unit}", check.min, check.max),
                });
            }
        }
        let mut near_limit = false;
        for limit in &self.declared.limits {
            let holds = limit.when.iter().all(|(id, word)| self.index(id).is_some_and(|at| told[at] == *word));
            let (true, Some(as_told), Some(as_read)) =
                (holds, self.value(&limit.expression, &told), self.value(&limit.expression, &exact))
            else {
                continue;
            };
            if as_told.cmp(&limit.at) != as_read.cmp(&limit.at) {
                return Err(Fault::TooFine(self.said(&exact, language)));
            }
            near_limit |= (as_told - limit.at).abs() <= self.declared.near * limit.at.abs();
        }
        let mut question = self.declared.canonical.in_language(language).to_owned();
        for (field, value) in self.declared.fields.iter().zip(&told) {
            question = question.replace(&format!("{{{}}}", field.id), value);
        }
        Ok(Reading { questions: vec![question], said: self.said(&told, language), near_limit, anywhere: Vec::new() })
    }

    /// What was read, for a person: `type M, air temperature 298.1 K`.
    fn said(&self, values: &[String], language: Language) -> String {
        let said: Vec<String> = self
            .declared
            .fields
            .iter()
            .zip(values)
            .map(|(field, value)| {
                let name = field.name.in_language(language);
                match &field.value {
                    FieldValue::Number(quantity) => format!("{name} {value} {}", quantity.unit()),
                    FieldValue::Words(_) => format!("{name} {value}"),
                }
            })
            .collect();
        said.join(if language == Language::Ja { "、" } else { ", " })
    }

    fn index(&self, id: &str) -> Option<usize> {
        self.declared.fields.iter().position(|field| field.id == id)
    }

    /// The value of an expression; `None` where it has none.
    fn value(&self, expression: &str, values: &[String]) -> Option<Decimal> {
        let mut filled = String::new();
        let mut rest = expression;
        while let Some(start) = rest.find(|c: char| c.is_ascii_alphabetic()) {
            let end = rest[start..]
                .find(|c: char| !c.is_ascii_alphanumeric() && c != '_')
                .map_or(rest.len(), |end| start + end);
            let value = &values[self.index(&rest[start..end])?];
            filled.push_str(&rest[..start]);
            filled.push_str(&format!("({value})"));
            rest = &rest[end..];
        }
        filled.push_str(rest);
        calculator::value(&filled, EXPRESSION_LEN_MAX).ok()
    }
}

impl Found<'_> {
    fn field(&self, at: usize) -> &Field {
        &self.reader.declared.fields[at]
    }

    fn name(&self, at: usize) -> String {
        self.field(at).name.in_language(self.language).to_owned()
    }

    fn set(&mut self, at: usize, value: Value) -> Result<(), Fault> {
        if self.values[at].as_ref().is_some_and(|before| *before != value) {
            return Err(Fault::Double(self.name(at)));
        }
        self.values[at] = Some(value);
        Ok(())
    }

    /// One clause: every number and every name in it must find its place.
    fn clause(&mut self, cut: &Cut, clause: &[Piece], dated: &mut bool) -> Result<(), Fault> {
        let reads = clause.iter().any(|Piece { kind, .. }| {
            matches!(kind, Kind::Number(..) | Kind::Clock(_) | Kind::Name(_) | Kind::Value(..) | Kind::Bracketed(_))
        });
        for piece in clause {
            if let Kind::Alarm(reason, everywhere) = piece.kind
                && (everywhere || reads || marks_alone(clause))
            {
                return Err(Fault::of_alarm(reason, cut.quote(piece)));
            }
        }
        for piece in clause {
            if piece.kind == Kind::Date && std::mem::replace(dated, true) {
                return Err(Fault::Unknown(cut.quote(piece)));
            }
        }
        if !reads {
            let numbered = clause
                .iter()
                .filter(|piece| piece.kind == Kind::Unknown)
                .map(|piece| cut.quote(piece))
                .find(|text| text.contains(|c: char| c.is_numeric()));
            return numbered.map_or(Ok(()), |text| Err(Fault::Unknown(text)));
        }
        if let Some(at) = clause.iter().position(|piece| piece.kind == Kind::Unknown) {
            return Err(self.unknown(cut, clause, at));
        }
        let pieces: Vec<&Piece> =
            clause.iter().filter(|piece| !matches!(piece.kind, Kind::Plain | Kind::Date)).collect();
        match self.names_first(cut, &pieces) {
            Ok(values) => values.into_iter().try_for_each(|(at, value)| self.set(at, value)),
            Err(fault) => match self.names_last(cut, &pieces) {
                Ok(values) => values.into_iter().try_for_each(|(at, value)| self.set(at, value)),
                Err(_) => Err(fault),
            },
        }
    }

    /// An unknown word: a unit that no list has, where it stands as one behind a number, or anything else.
    fn unknown(&self, cut: &Cut, clause: &[Piece], at: usize) -> Fault {
        let word = &clause[at];
        let is_last = at + 1 == clause.len(); // no `40 to 45`, no `60 vib=2.3`
        if let [before @ .., number @ Piece { kind: Kind::Number(_, None), .. }] = &clause[..at]
            && is_last
            && word.start == number.end + 1
            && word.end - word.start <= UNIT_CHARS_MAX
            && cut.text[word.start..word.end].iter().all(|c| c.is_alphabetic())
            && let Some(Piece { kind: Kind::Name(name), .. }) =
                before.iter().rev().find(|piece| piece.kind != Kind::Plain)
            && let Some(quantity) = self.quantity(*name)
        {
            return self.foreign(*name, quantity, cut.text[number.start..word.end].iter().collect());
        }
        Fault::Unknown(around(cut, clause, at))
    }

    /// `air 298.1 K torque 42.8 Nm`: each number behind its name, or with a unit that only one field has.
    fn names_first(&self, cut: &Cut, pieces: &[&Piece]) -> Result<Vec<(usize, Value)>, Fault> {
        let mut values = Vec::new();
        let mut rest = pieces;
        while let [first, behind @ ..] = rest {
            match &first.kind {
                Kind::Name(at) => {
                    let (value, left) = self.behind_name(cut, *at, behind)?;
                    values.extend(value.map(|value| (*at, value)));
                    rest = left;
                }
                Kind::Value(at, word) => {
                    values.push((*at, Value::Word(*word)));
                    rest = past_name(*at, behind);
                }
                Kind::Number(..) => {
                    let (at, value, left) = self.by_unit(cut, first, rest)?;
                    values.push((at, value));
                    rest = past_name(at, left);
                }
                Kind::Good => rest = behind,
                _ => return Err(Fault::Unknown(cut.quote(first))),
            }
        }
        Ok(values)
    }

    /// `298.1 K air, 42.8 Nm torque`: each name behind its number.
    fn names_last(&self, cut: &Cut, pieces: &[&Piece]) -> Result<Vec<(usize, Value)>, Fault> {
        let mut values = Vec::new();
        let mut rest = pieces;
        while let [first, behind @ ..] = rest {
            match &first.kind {
                Kind::Number(..) | Kind::Clock(_) => {
                    let numbers = 1 + behind.iter().take_while(|piece| matches!(piece.kind, Kind::Number(..))).count();
                    let (numbers, behind) = rest.split_at(numbers);
                    let [Piece { kind: Kind::Name(at), .. }, left @ ..] = behind else {
                        return Err(Fault::Unknown(cut.quote(first)));
                    };
                    values.push((*at, self.measured(cut, *at, numbers, None)?));
                    rest = left;
                }
                Kind::Value(at, word) => {
                    values.push((*at, Value::Word(*word)));
                    rest = match behind {
                        [Piece { kind: Kind::Name(name), .. }, left @ ..] if name == at => left,
                        _ => behind,
                    };
                }
                Kind::Good => rest = behind,
                _ => return Err(Fault::Unknown(cut.quote(first))),
            }
        }
        Ok(values)
    }

    /// The value behind the name of a field, and what is left. No value behind a mark that the reading is good: `quality=good`.
    fn behind_name<'p>(
        &self,
        cut: &Cut,
        at: usize,
        behind: &'p [&'p Piece],
    ) -> Result<(Option<Value>, &'p [&'p Piece]), Fault> {
        if let FieldValue::Words(_) = self.field(at).value {
            return match behind {
                [Piece { kind: Kind::Value(field, word), .. }, left @ ..] if *field == at => {
                    Ok((Some(Value::Word(*word)), left))
                }
                [Piece { kind: Kind::Good, .. }, left @ ..] => Ok((None, left)),
                [other, ..] if !matches!(other.kind, Kind::Name(_)) => {
                    Err(Fault::Unreadable { name: self.name(at), written: cut.quote(other) })
                }
                _ => Err(Fault::Missing(vec![self.name(at)])),
            };
        }
        let (bracketed, behind) = match behind {
            [Piece { kind: Kind::Bracketed(unit), .. }, left @ ..] => (Some(unit), left),
            _ => (None, behind),
        };
        // A second number belongs to the same value only as the smaller part of a time.
        let count = self.one_value(at, behind);
        if count == 0 {
            return Err(match behind.first() {
                Some(piece) if !matches!(piece.kind, Kind::Name(_)) => {
                    Fault::Unreadable { name: self.name(at), written: cut.quote(piece) }
                }
                _ => Fault::Missing(vec![self.name(at)]),
            });
        }
        let (numbers, mut left) = behind.split_at(count);
        let mut unit = bracketed;
        if unit.is_none()
            && let [Piece { kind: Kind::Bracketed(behind), .. }, rest @ ..] = left
        {
            (unit, left) = (Some(behind), rest); // `298.1 [K]`
        }
        Ok((Some(self.measured(cut, at, numbers, unit)?), left))
    }

    /// A number without a name, whose unit only one field has; it is the first of `pieces`.
    fn by_unit<'p>(
        &self,
        cut: &Cut,
        number: &Piece,
        pieces: &'p [&'p Piece],
    ) -> Result<(usize, Value, &'p [&'p Piece]), Fault> {
        let unknown = || Fault::Unknown(cut.quote(number));
        let Kind::Number(_, Some(unit)) = &number.kind else { return Err(unknown()) };
        let of: Vec<usize> = (0..self.values.len()).filter(|at| self.unit(*at, unit).is_some()).collect();
        let [at] = of[..] else { return Err(unknown()) };
        let (numbers, left) = pieces.split_at(self.one_value(at, pieces));
        Ok((at, self.measured(cut, at, numbers, None)?, left))
    }

    fn quantity(&self, at: usize) -> Option<&Quantity> {
        match &self.field(at).value {
            FieldValue::Number(quantity) => Some(quantity),
            FieldValue::Words(_) => None,
        }
    }

    /// The declared unit that a unit of the question is, of this field.
    fn unit(&self, at: usize, unit: &UnitName) -> Option<&Unit> {
        let declared = self.reader.lexicon.unit(unit.known?);
        self.quantity(at)?.units.iter().find(|unit| unit.names.iter().any(|name| name == declared))
    }

    /// `3 h 20 min`: each part in the unit that may follow the one before it.
    fn is_compound(&self, at: usize, numbers: &[&Piece]) -> bool {
        let unit = |piece: &Piece| match &piece.kind {
            Kind::Number(_, Some(unit)) => self.unit(at, unit),
            _ => None,
        };
        numbers.windows(2).all(|pair| match (unit(pair[0]), unit(pair[1])) {
            (Some(one), Some(next)) => one.then.as_ref().is_some_and(|then| next.names.contains(then)),
            _ => false,
        })
    }

    /// How many of the first numbers are one value: one, but for the parts of a time.
    fn one_value(&self, at: usize, pieces: &[&Piece]) -> usize {
        let count = pieces.iter().take_while(|piece| matches!(piece.kind, Kind::Number(..) | Kind::Clock(_))).count();
        (1..=count).rev().find(|count| *count == 1 || self.is_compound(at, &pieces[..*count])).unwrap_or(0)
    }

    /// A number of a field, or the parts of a time, in the field's own unit.
    fn measured(&self, cut: &Cut, at: usize, numbers: &[&Piece], bracketed: Option<&UnitName>) -> Result<Value, Fault> {
        let quoted = || match (numbers.first(), numbers.last()) {
            (Some(first), Some(last)) => cut.text[first.start..last.end].iter().collect::<String>(),
            _ => String::new(),
        };
        let unreadable = || Fault::Unreadable { name: self.name(at), written: quoted() };
        let Some(quantity) = self.quantity(at) else { return Err(unreadable()) };
        if numbers.len() > 1 && !self.is_compound(at, numbers) {
            return Err(Fault::Double(self.name(at)));
        }
        let mut sum = Decimal::ZERO;
        for (place, piece) in numbers.iter().enumerate() {
            let value = match &piece.kind {
                Kind::Clock(minutes) if quantity.clock && bracketed.is_none() => *minutes,
                Kind::Number(number, own) => {
                    let unit = match (own, bracketed) {
                        (Some(_), Some(_)) => return Err(self.foreign(at, quantity, quoted())), // two units, if only twice the same
                        (Some(unit), None) | (None, Some(unit)) => {
                            let written = if own.is_some() { quoted() } else { format!("{} {}", quoted(), unit.text) };
                            self.unit(at, unit).ok_or_else(|| self.foreign(at, quantity, written))?
                        }
                        (None, None) => quantity.units.first().ok_or_else(unreadable)?,
                    };
                    let value =
                        self.chosen(quantity, number, unit, cut.evidence).ok_or_else(|| Fault::Ambiguous(quoted()))?;
                    if place > 0 && (value < Decimal::ZERO || value >= Decimal::from(60)) {
                        return Err(unreadable()); // 3 h 75 min
                    }
                    value
                }
                _ => return Err(unreadable()),
            };
            sum = sum.checked_add(value).ok_or_else(unreadable)?;
        }
        Ok(Value::Number(sum))
    }

    /// The one value that a number can have. `None` where it can have two.
    fn chosen(&self, quantity: &Quantity, number: &Number, unit: &Unit, evidence: Evidence) -> Option<Decimal> {
        if evidence.is_mixed() {
            return None;
        }
        let values: Vec<Decimal> =
            number.values(evidence).into_iter().filter_map(|value| converted(value, unit)).collect();
        match values[..] {
            [one] => Some(one),
            [one, other] => {
                // With thousands it is greater. Only that reading can be certain: where the other one cannot be, `1,300 rpm`
                // means 1300; but a wear of `1,234 min` may as well be too large for the field.
                let fits =
                    |value: Decimal| (quantity.min..=quantity.max).contains(&rounded(value, quantity.resolution));
                let (decimals, thousands) = if one.abs() < other.abs() { (one, other) } else { (other, one) };
                (fits(thousands) && !fits(decimals)).then_some(thousands)
            }
            _ => None,
        }
    }

    fn foreign(&self, at: usize, quantity: &Quantity, written: String) -> Fault {
        let units: Vec<&str> =
            quantity.units.iter().filter_map(|unit| unit.names.first()).map(String::as_str).collect();
        Fault::ForeignUnit { written, name: self.name(at), units: units.join(", ") }
    }

    fn table(&mut self, cut: &Cut, header: &[Column], row: &[String]) -> Result<(), Fault> {
        for ((at, unit), cell) in header.iter().zip(row) {
            self.text(*at, cell, unit.as_ref(), cut.evidence)?;
        }
        Ok(())
    }

    /// A text that is the value of one field and nothing else.
    fn text(&mut self, at: usize, text: &str, bracketed: Option<&UnitName>, evidence: Evidence) -> Result<(), Fault> {
        let mut cut = self.reader.lexicon.cut(text);
        cut.evidence = evidence;
        let unreadable = || Fault::Unreadable { name: self.name(at), written: text.chars().take(40).collect() };
        if text.trim().is_empty() {
            return Err(Fault::Missing(vec![self.name(at)]));
        }
        for piece in &cut.pieces {
            if let Kind::Alarm(reason, _) = piece.kind {
                return Err(Fault::of_alarm(reason, cut.quote(piece)));
            }
        }
        if let FieldValue::Words(words) = &self.field(at).value {
            let said = text.trim().to_lowercase();
            let same = |name: &String| name.to_lowercase() == said;
            let word = words
                .iter()
                .position(|word| same(&word.text) || word.aliases.iter().any(same) || said == word.code.to_string());
            return self.set(at, Value::Word(word.ok_or_else(unreadable)?));
        }
        let pieces: Vec<&Piece> = cut.pieces.iter().collect();
        if pieces.is_empty() || !pieces.iter().all(|piece| matches!(piece.kind, Kind::Number(..) | Kind::Clock(_))) {
            return Err(unreadable());
        }
        let value = self.measured(&cut, at, &pieces, bracketed)?;
        self.set(at, value)
    }

    /// One member of an object.
    fn member(&mut self, member: &Member, evidence: Evidence) -> Result<(), Fault> {
        let quality = is_quality(&member.key);
        if let (true, Json::Text(mark)) = (quality, &member.value) {
            // The mark of a source; `quality` may also be a name of a field, with a word of that field.
            if is_good(mark.trim()) {
                return Ok(());
            }
            let of_field = self
                .reader
                .field(&member.key)
                .is_some_and(|(at, _)| words(self.field(at)).any(|(_, word)| word == mark.trim()));
            if !of_field {
                return Err(Fault::BadQuality(format!("{} {mark}", member.key)));
            }
        }
        if is_time(&member.key) {
            return Ok(()); // when it was measured changes no answer
        }
        let Some((at, unit)) = self.reader.field(&member.key) else { return Err(Fault::Unknown(member.key.clone())) };
        self.json(at, &member.value, unit.as_ref(), evidence)
    }

    fn json(&mut self, at: usize, value: &Json, unit: Option<&UnitName>, evidence: Evidence) -> Result<(), Fault> {
        match value {
            Json::Text(text) => self.text(at, text, unit, evidence),
            // A JSON number has a decimal point, whatever the texts beside it have.
            Json::Number(text) => self.text(at, text, unit, Evidence { point: true, comma: false }),
            Json::Null => Err(Fault::Missing(vec![self.name(at)])),
            // {"value": 42.8, "unit": "Nm", "quality": "good"}
            Json::Object(members) => {
                let mut number = None;
                let mut own = unit.cloned();
                for member in members {
                    match (member.key.as_str(), &member.value) {
                        ("value", value @ (Json::Text(_) | Json::Number(_))) => number = Some(value),
                        ("unit", Json::Text(text)) => {
                            let known = self.reader.lexicon.cut(&format!("1 {text}"));
                            own = match &known.pieces[..] {
                                [Piece { kind: Kind::Number(_, Some(unit)), .. }] => Some(unit.clone()),
                                _ => Some(UnitName { text: text.clone(), known: None }),
                            };
                        }
                        (key, Json::Text(mark)) if is_quality(key) => {
                            if !is_good(mark.trim()) {
                                return Err(Fault::BadQuality(format!("{} {mark}", self.name(at))));
                            }
                        }
                        (key, _) if is_time(key) => {}
                        (key, _) => return Err(Fault::Unknown(key.to_owned())),
                    }
                }
                match number {
                    Some(value) => self.json(at, value, own.as_ref(), evidence),
                    None => Err(Fault::Missing(vec![self.name(at)])),
                }
            }
            Json::Bool | Json::List(_) => {
                Err(Fault::Unreadable { name: self.name(at), written: value.kind().to_owned() })
            }
        }
    }
}

/// Names under which sources give the quality of a reading.
pub(super) fn is_quality(key: &str) -> bool {
    ["quality", "status", "state", "statuscode", "品質", "状態"].contains(&key.to_lowercase().as_str())
}

/// Names under which sources give the time of a reading.
pub(super) fn is_time(key: &str) -> bool {
    ["timestamp", "time", "ts", "datetime", "date", "日時", "時刻"].contains(&key.to_lowercase().as_str())
}

/// `45.1 Nm (previous tool)`: a clause in brackets behind a number says something of it.
fn remarks_on_a_number(cut: &Cut, start: usize) -> bool {
    let [number, bracket] = &cut.pieces[start.saturating_sub(2)..start] else { return false };
    matches!(number.kind, Kind::Number(..) | Kind::Clock(_)) && matches!(cut.text[bracket.start], '(' | '[' | '{')
}

/// `(BAD)`, `NaN`: a mark in a clause of its own.
fn marks_alone(clause: &[Piece]) -> bool {
    clause.len() == 1
}

/// `M型`, `1300 rpm speed`: the name of a field may stand behind its value, where it does not begin the next one.
fn past_name<'p>(at: usize, pieces: &'p [&'p Piece]) -> &'p [&'p Piece] {
    match pieces {
        [Piece { kind: Kind::Name(name), .. }, behind @ ..] if *name == at && !starts_with_value(behind) => behind,
        _ => pieces,
    }
}

fn starts_with_value(pieces: &[&Piece]) -> bool {
    matches!(
        pieces.first(),
        Some(Piece { kind: Kind::Value(..) | Kind::Number(..) | Kind::Clock(_) | Kind::Bracketed(_), .. })
    )
}

/// An unknown piece with what stands around it, so that the reader of the fault finds it.
fn around(cut: &Cut, clause: &[Piece], at: usize) -> String {
    let first = clause[..at].iter().rposition(|piece| piece.kind != Kind::Plain).unwrap_or(at);
    let last =
        (at + 1..clause.len()).find(|at| matches!(clause[*at].kind, Kind::Number(..) | Kind::Clock(_))).unwrap_or(at);
    cut.text[clause[first].start..clause[last].end].iter().collect::<String>().trim().to_owned()
}

fn out_of_range(field: &Field, quantity: &Quantity, value: Decimal, language: Language) -> Fault {
    let unit = quantity.unit();
    Fault::OutOfRange {
        name: field.name.in_language(language).to_owned(),
        value: format!("{} {unit}", written(value, quantity.resolution)),
        range: format!("{} - {} {unit}", quantity.min, quantity.max),
    }
}

/// To whole multiples of the resolution, half away from zero.
fn rounded(value: Decimal, resolution: Decimal) -> Decimal {
    let steps = value.checked_div(resolution).unwrap_or_default();
    let steps = steps.round_dp_with_strategy(0, RoundingStrategy::MidpointAwayFromZero);
    steps.checked_mul(resolution).unwrap_or_default()
}

fn converted(value: Decimal, unit: &Unit) -> Option<Decimal> {
    value.checked_add(unit.shift)?.checked_mul(unit.factor)?.checked_div(unit.divisor)
}

/// A name as keys are compared: normalised, and in lower case where it is more than a letter.
fn key_of(name: &str) -> String {
    let name = normal(name);
    let text: String = name.iter().collect();
    if name.len() > 1 { text.to_lowercase() } else { text }
}

fn names(field: &Field) -> impl Iterator<Item = &str> {
    [field.id.as_str(), &field.name.en, &field.name.ja].into_iter().chain(field.aliases.iter().map(String::as_str))
}

fn words(field: &Field) -> impl Iterator<Item = (usize, &str)> {
    let words = match &field.value {
        FieldValue::Words(words) => &words[..],
        FieldValue::Number(_) => &[],
    };
    words.iter().enumerate().flat_map(|(at, word)| {
        std::iter::once(word.text.as_str()).chain(word.aliases.iter().map(String::as_str)).map(move |name| (at, name))
    })
}

fn units(field: &Field) -> &[Unit] {
    match &field.value {
        FieldValue::Number(quantity) => &quantity.units,
        FieldValue::Words(_) => &[],
    }
}
