//! The calculator in the decoder: the model writes an expression, the calculator its result.

use crate::bundle::manifest::CalculatorMarks;
use crate::calculator::{CalculatorError, evaluate};

/// The tokens that open and close a calculation, and how results are rounded.
pub struct Calculator {
    pub(super) marks: CalculatorMarks,
}

impl Calculator {
    pub(super) fn new(marks: CalculatorMarks) -> Self {
        Self { marks }
    }

    /// The result, rounded as the bundle says.
    pub(super) fn evaluate(&self, expression: &str) -> Result<String, CalculatorError> {
        evaluate(expression, self.marks.decimals)
    }
}
