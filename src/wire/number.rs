//! Numbers of a frame, and lists of them: a slice on the way out, and on the way in a piece of the frame's buffer, read again
//! whenever it is looked at. So no list is copied, and none is longer than its frame.

use core::fmt;
use core::marker::PhantomData;

use heapless::Vec;
use serde::de::Error as _;
use serde::ser::{Error as _, SerializeTuple as _};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Most decimals of a scaled number: an i32 has ten digits.
pub const DECIMALS_MAX: u8 = 9;

/// Bytes of the longest item: a field's number, then a scaled number.
const ITEM_BYTES_MAX: usize = 7;
/// Begins a number: a float of four bytes follows.
const FLOAT: u8 = 0;
/// Begins a number: a mantissa of four bytes follows, and how many of its digits are decimals.
const SCALED: u8 = 1;

/// A number as a sensor or a PLC holds it. As text it is the shortest that gives the same float again, or a scaled number's
/// digits, all of them: 42.8, 1.50.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Number(Form);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    /// By its bits, of which equal ones are the same number.
    Float(u32),
    Scaled(i32, u8),
}

impl Number {
    /// Of single precision.
    pub const fn float(value: f32) -> Self {
        Self(Form::Float(value.to_bits()))
    }

    /// `mantissa` with its point before the last `decimals` digits; `None` with more than [`DECIMALS_MAX`] decimals.
    pub const fn scaled(mantissa: i32, decimals: u8) -> Option<Self> {
        if decimals <= DECIMALS_MAX { Some(Self(Form::Scaled(mantissa, decimals))) } else { None }
    }

    /// Neither infinite nor no number at all, which only floats can be.
    pub const fn is_finite(self) -> bool {
        match self.0 {
            Form::Float(bits) => f32::from_bits(bits).is_finite(),
            Form::Scaled(..) => true,
        }
    }
}

impl fmt::Display for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Form::Float(bits) => write!(f, "{}", f32::from_bits(bits)),
            Form::Scaled(mantissa, 0) => write!(f, "{mantissa}"),
            Form::Scaled(mantissa, decimals) => {
                let (sign, digits) = (if mantissa < 0 { "-" } else { "" }, mantissa.unsigned_abs());
                let scale = 10_u32.pow(decimals.into());
                write!(f, "{sign}{}.{:0width$}", digits / scale, digits % scale, width = decimals.into())
            }
        }
    }
}

/// What one field of the task reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reading {
    /// The field, by its place among those that the task declares, from 1.
    pub field: u8,
    /// Its value.
    pub value: Number,
}

/// An item of a [`List`], as bytes of its own.
pub trait Item: Copy {
    /// Its bytes.
    fn bytes(self) -> Vec<u8, ITEM_BYTES_MAX>;
    /// Takes one from the front.
    fn take(bytes: &mut &[u8]) -> Option<Self>;
}

impl Item for Number {
    fn bytes(self) -> Vec<u8, ITEM_BYTES_MAX> {
        let (kind, four, decimals) = match self.0 {
            Form::Float(bits) => (FLOAT, bits.to_le_bytes(), None),
            Form::Scaled(mantissa, decimals) => (SCALED, mantissa.to_le_bytes(), Some(decimals)),
        };
        [kind].into_iter().chain(four).chain(decimals).collect()
    }

    fn take(bytes: &mut &[u8]) -> Option<Self> {
        let (&kind, rest) = bytes.split_first()?;
        let (&four, rest) = rest.split_first_chunk()?;
        *bytes = rest;
        match kind {
            FLOAT => Some(Self(Form::Float(u32::from_le_bytes(four)))),
            SCALED => {
                let (&decimals, rest) = rest.split_first()?;
                *bytes = rest;
                Self::scaled(i32::from_le_bytes(four), decimals)
            }
            _ => None,
        }
    }
}

impl Item for Reading {
    fn bytes(self) -> Vec<u8, ITEM_BYTES_MAX> {
        [self.field].into_iter().chain(self.value.bytes()).collect()
    }

    fn take(bytes: &mut &[u8]) -> Option<Self> {
        let (&field, rest) = bytes.split_first()?;
        *bytes = rest;
        Some(Self { field, value: Number::take(bytes)? })
    }
}

/// Items one behind the other. Having one means that each can be read.
#[derive(Clone, Copy)]
pub struct List<'a, T>(Items<'a, T>);

#[derive(Clone, Copy)]
enum Items<'a, T> {
    Given(&'a [T]),
    /// Whole items.
    Read(&'a [u8], PhantomData<T>),
}

impl<'a, T: Item> List<'a, T> {
    /// These.
    pub const fn of(items: &'a [T]) -> Self {
        Self(Items::Given(items))
    }

    /// One after the other.
    pub fn iter(&self) -> impl Iterator<Item = T> + 'a {
        let (given, mut read) = match self.0 {
            Items::Given(items) => (items, &[][..]),
            Items::Read(bytes, _) => (&[][..], bytes),
        };
        given.iter().copied().chain(core::iter::from_fn(move || T::take(&mut read)))
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.iter().next().is_none()
    }
}

impl<T: Item> Default for List<'_, T> {
    fn default() -> Self {
        Self::of(&[])
    }
}

impl<T: Item + PartialEq> PartialEq for List<'_, T> {
    fn eq(&self, other: &Self) -> bool {
        self.iter().eq(other.iter())
    }
}

impl<T: Item + Eq> Eq for List<'_, T> {}

impl<T: Item + fmt::Debug> fmt::Debug for List<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

impl<T: Item> Serialize for List<'_, T> {
    /// As a text is: the length in bytes, then the bytes. They stand nowhere together, so they go out one by one.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let length: usize = self.iter().map(|item| item.bytes().len()).sum();
        let prefix = u16::try_from(length).map_err(|_| S::Error::custom("no frame holds so many items"))?;
        let mut out = serializer.serialize_tuple(1 + length)?;
        out.serialize_element(&prefix)?; // which postcard writes as a varint
        for item in self.iter() {
            item.bytes().iter().try_for_each(|byte| out.serialize_element(byte))?;
        }
        out.end()
    }
}

impl<'de: 'a, 'a, T: Item> Deserialize<'de> for List<'a, T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let bytes = <&[u8]>::deserialize(deserializer)?;
        let mut rest = bytes;
        while !rest.is_empty() {
            T::take(&mut rest).ok_or_else(|| D::Error::custom("expected whole items"))?;
        }
        Ok(Self(Items::Read(bytes, PhantomData)))
    }
}

#[cfg(test)]
mod tests {
    use std::string::ToString as _;

    use super::*;

    #[test]
    fn a_number_is_written_as_it_was_meant() {
        for (value, text) in [
            (42.8, "42.8"),
            (298.1, "298.1"),
            (1551.0, "1551"),
            (-0.02, "-0.02"),
            (1e-7, "0.0000001"),
            (16_777_216.0, "16777216"),
        ] {
            assert_eq!(Number::float(value).to_string(), text);
        }
        for (mantissa, decimals, text) in [
            (2981, 1, "298.1"),
            (-5, 1, "-0.5"),
            (150, 2, "1.50"),
            (7, 9, "0.000000007"),
            (i32::MIN, 0, "-2147483648"),
            (i32::MIN, 9, "-2.147483648"),
            (0, 3, "0.000"),
        ] {
            assert_eq!(Number::scaled(mantissa, decimals).unwrap().to_string(), text);
        }
        assert_eq!(Number::scaled(1, 10), None);
        assert!(!Number::float(f32::NAN).is_finite() && !Number::float(f32::NEG_INFINITY).is_finite());
        assert!(Number::float(f32::MAX).is_finite());
    }
}
