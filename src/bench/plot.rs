//! Axes, curves and bars of a plot, as SVG in a page of HTML. Knows nothing of what is plotted.

use std::fmt::Write as _;

use askama::filters::Escaper as _;

use super::format::Xml;

/// Width of a plot in its own units; the page scales it.
const WIDTH: f64 = 920.0;
/// Room around the plot for labels.
const LEFT: f64 = 60.0;
const RIGHT: f64 = 24.0;
const TOP: f64 = 14.0;
const BOTTOM: f64 = 40.0;
/// Height of a line of the legend, and entries in it.
const LEGEND_LINE: f64 = 20.0;
const LEGEND_COLUMNS: usize = 3;
/// Colours that print, and that people with red-green blindness can tell apart.
pub const INK: [&str; 5] = ["#0b5cad", "#c2570c", "#4a7c3a", "#7a4fa0", "#8a6d00"];
/// Most points of a curve; more cannot be seen.
pub const POINTS_MAX: usize = 400;

/// An SVG drawing with two axes; coordinates are in units of the axes.
pub struct Plot {
    top: f64,
    height: f64,
    x: (f64, f64),
    y: (f64, f64),
    svg: String,
}

impl Plot {
    /// `height` is that of the area between the axes, `x` and `y` their ends. The legend is above the plot, its entries in the
    /// colours of [`INK`].
    pub fn new(label: &str, height: f64, x: (f64, f64), y: (f64, f64), legend: &[String]) -> Self {
        let not_empty = |(from, to): (f64, f64)| if to > from { (from, to) } else { (from, from + 1.0) };
        let top = TOP + LEGEND_LINE * legend.len().div_ceil(LEGEND_COLUMNS) as f64;
        let height = top + height + BOTTOM;
        let svg =
            format!("<svg viewBox=\"0 0 {WIDTH} {height}\" role=\"img\" xmlns=\"http://www.w3.org/2000/svg\"><title>");
        let mut plot = Self { top, height, x: not_empty(x), y: not_empty(y), svg };
        plot.escaped(label);
        plot.svg.push_str("</title>");
        for (place, entry) in legend.iter().enumerate() {
            let column = (WIDTH - LEFT - RIGHT) / LEGEND_COLUMNS as f64;
            let x = LEFT + column * (place % LEGEND_COLUMNS) as f64;
            let y = LEGEND_LINE * (place / LEGEND_COLUMNS + 1) as f64;
            let ink = INK[place % INK.len()];
            plot.draw(format_args!(
                "<rect x=\"{x:.1}\" y=\"{:.1}\" width=\"12\" height=\"12\" fill=\"{ink}\"/>",
                y - 11.0
            ));
            plot.text((x + 20.0, y), "start", entry);
        }
        plot
    }

    /// A vertical grid line at `x`, and its label below the axis.
    pub fn tick_x(&mut self, x: f64, label: &str) {
        self.line((x, self.y.0), (x, self.y.1), "#e6eaee", 1.0);
        self.label_x(x, label);
    }

    /// A label below the axis.
    pub fn label_x(&mut self, x: f64, label: &str) {
        let (across, down) = self.at((x, self.y.0));
        self.text((across, down + 17.0), "middle", label);
    }

    /// A horizontal grid line at `y`, and its label beside the axis.
    pub fn tick_y(&mut self, y: f64, label: &str) {
        self.line((self.x.0, y), (self.x.1, y), "#e6eaee", 1.0);
        let (across, down) = self.at((self.x.0, y));
        self.text((across - 8.0, down + 4.0), "end", label);
    }

    /// A straight line.
    pub fn line(&mut self, from: (f64, f64), to: (f64, f64), ink: &str, width: f64) {
        let ((x1, y1), (x2, y2)) = (self.at(from), self.at(to));
        self.draw(format_args!(
            "<line x1=\"{x1:.1}\" y1=\"{y1:.1}\" x2=\"{x2:.1}\" y2=\"{y2:.1}\" stroke=\"{ink}\" stroke-width=\"{width}\"/>"
        ));
    }

    /// A line through at most [`POINTS_MAX`] of the points.
    pub fn curve(&mut self, points: &[(f64, f64)], ink: &str) {
        let points = thinned(points).into_iter().map(|point| self.at(point));
        let points: Vec<String> = points.map(|(x, y)| format!("{x:.1},{y:.1}")).collect();
        self.draw(format_args!(
            "<polyline points=\"{}\" fill=\"none\" stroke=\"{ink}\" stroke-width=\"2\" stroke-linejoin=\"round\"/>",
            points.join(" ")
        ));
    }

    /// A filled rectangle over the whole height.
    pub fn bar(&mut self, from: f64, to: f64, ink: &str) {
        let ((left, top), (right, bottom)) = (self.at((from, self.y.1)), self.at((to, self.y.0)));
        let (width, height) = (right - left, bottom - top);
        self.draw(format_args!(
            "<rect x=\"{left:.1}\" y=\"{top:.1}\" width=\"{width:.1}\" height=\"{height:.1}\" fill=\"{ink}\"/>"
        ));
    }

    /// A filled circle; `radius` is in units of the drawing.
    pub fn dot(&mut self, point: (f64, f64), radius: f64, ink: &str) {
        let (x, y) = self.at(point);
        self.draw(format_args!(
            "<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"{radius:.1}\" fill=\"{ink}\" fill-opacity=\"0.6\"/>"
        ));
    }

    /// The drawing, with a caption for the x axis.
    pub fn end(mut self, caption: &str) -> String {
        self.text((WIDTH - RIGHT, self.height - 5.0), "end", caption);
        self.svg + "</svg>"
    }

    /// Where a point is in the drawing.
    fn at(&self, (x, y): (f64, f64)) -> (f64, f64) {
        let part = |value: f64, (from, to): (f64, f64)| (value - from) / (to - from);
        let across = LEFT + part(x, self.x) * (WIDTH - LEFT - RIGHT);
        let down = self.top + (1.0 - part(y, self.y)) * (self.height - self.top - BOTTOM);
        (across, down)
    }

    fn text(&mut self, (x, y): (f64, f64), anchor: &str, text: &str) {
        self.draw(format_args!("<text x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\">"));
        self.escaped(text);
        self.svg.push_str("</text>");
    }

    fn escaped(&mut self, text: &str) {
        Xml.write_escaped_str(&mut self.svg, text).expect("a String takes everything");
    }

    fn draw(&mut self, element: std::fmt::Arguments<'_>) {
        self.svg.write_fmt(element).expect("a String takes everything");
    }
}

/// At most [`POINTS_MAX`] of these, evenly spaced, with both ends.
fn thinned<T: Copy>(points: &[T]) -> Vec<T> {
    let n = points.len().min(POINTS_MAX);
    (0..n).map(|at| points[at * points.len().saturating_sub(1) / n.saturating_sub(1).max(1)]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_curve_keeps_its_ends() {
        let points: Vec<usize> = (0..10_000).collect();
        let kept = thinned(&points);
        assert_eq!((kept.len(), kept[0], kept[POINTS_MAX - 1]), (POINTS_MAX, 0, 9_999));
        assert_eq!((thinned(&[7]), thinned::<u8>(&[])), (vec![7], vec![]));
    }
}
