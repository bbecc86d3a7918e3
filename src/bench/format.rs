//! Numbers and texts as a report shows them. Knows no report.

use std::fmt::{self, Write};

use askama::filters::Escaper;

/// A number with three significant digits.
pub fn number(value: f64) -> String {
    match value.abs() {
        v if v >= 1000.0 => {
            let whole = format!("{value:.0}");
            let split = whole.len().saturating_sub(3);
            format!("{}\u{2009}{}", &whole[..split], &whole[split..])
        }
        v if v >= 100.0 => format!("{value:.0}"),
        v if v >= 10.0 => format!("{value:.1}"),
        v if v >= 1.0 || v == 0.0 => format!("{value:.2}"),
        v if v >= 0.1 => format!("{value:.3}"),
        v if v >= 0.01 => format!("{value:.4}"),
        _ => format!("{value:.1e}"),
    }
}

/// Escapes text for HTML that is XML too: replaces control characters, which XML cannot hold.
#[derive(Clone, Copy)]
pub struct Xml;

impl Escaper for Xml {
    fn write_escaped_str<W: Write>(&self, mut to: W, text: &str) -> fmt::Result {
        text.chars().try_for_each(|c| match c {
            '&' => to.write_str("&amp;"),
            '<' => to.write_str("&lt;"),
            '>' => to.write_str("&gt;"),
            '"' => to.write_str("&quot;"),
            '\'' => to.write_str("&#39;"),
            c if c.is_control() && !c.is_whitespace() => to.write_char('\u{fffd}'),
            c => to.write_char(c),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_three_significant_digits() {
        for (value, said) in [
            (0.0, "0.00"),
            (0.001_234, "1.2e-3"),
            (0.0439, "0.0439"),
            (0.957, "0.957"),
            (1.725, "1.73"),
            (17.25, "17.2"),
            (172.5, "172"),
            (1725.4, "1\u{2009}725"),
            (-17.25, "-17.2"),
        ] {
            assert_eq!(number(value), said);
        }
    }

    #[test]
    fn no_text_can_be_markup() {
        let mut escaped = String::new();
        Xml.write_escaped_str(&mut escaped, "<b a=\"x\">'&\u{1b}[31m").unwrap();
        assert_eq!(escaped, "&lt;b a=&quot;x&quot;&gt;&#39;&amp;\u{fffd}[31m");
    }
}
