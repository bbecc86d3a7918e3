//! Greedy decoding as an iterator. The calculator writes the results of expressions; their tokens count as determined.
//!
//! Greedy, so the same input gives the same text. Stops before the stop token, at the limit, or at an expression
//! without a value.

use std::collections::VecDeque;

use super::calculator::Calculator;
use super::{Model, ModelError, Tokenizer, TokenizerError};
use crate::calculator::CalculatorError;
use crate::domain::{Rationale, RationaleEnd, TokenId};

/// One token of a rationale.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Step {
    /// Already fed to the model.
    pub token: TokenId,
    /// Written by the calculator, not by the model.
    pub determined: bool,
}

/// How decoding ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ending {
    /// Not ended yet.
    Open,
    /// At the stop token, which is not fed to the model.
    Stop,
    /// At the limit on tokens, or at the end of the cache.
    Limit,
    /// At an expression without a value.
    Malformed(CalculatorError),
}

/// Continues behind what the model was fed last. Every token that it yields was fed to the model.
pub struct Decoding<'e, M> {
    model: &'e mut M,
    tokenizer: &'e Tokenizer,
    calculator: &'e Calculator,
    stop: TokenId,
    left: usize,
    /// Tokens since the calculation was opened; `None` outside of one.
    expression: Option<Vec<TokenId>>,
    determined: VecDeque<TokenId>,
    ending: Ending,
}

impl<'e, M: Model> Decoding<'e, M> {
    /// At most `limit` tokens, up to and without `stop`.
    pub fn new(
        model: &'e mut M,
        tokenizer: &'e Tokenizer,
        calculator: &'e Calculator,
        stop: TokenId,
        limit: usize,
    ) -> Self {
        let ending = Ending::Open;
        Self { model, tokenizer, calculator, stop, left: limit, expression: None, determined: VecDeque::new(), ending }
    }

    /// `Open` until the iterator has returned `None`.
    pub fn ending(self) -> Ending {
        self.ending
    }

    fn advance(&mut self) -> Result<Option<Step>, ModelError> {
        if let Some(token) = self.determined.pop_front() {
            return Ok(Some(Step { token, determined: true }));
        }
        if self.ending != Ending::Open {
            return Ok(None);
        }
        let token = likeliest(self.model.logits())?;
        if token == self.stop {
            self.ending = Ending::Stop;
            return Ok(None);
        }
        let determined = match self.result(token) {
            Ok(determined) => determined,
            Err(error) => {
                self.ending = Ending::Malformed(error);
                Vec::new()
            }
        };
        let run = 1 + determined.len();
        if run > self.left.min(self.model.capacity() - self.model.len()) {
            self.ending = Ending::Limit;
            return Ok(None);
        }
        self.left -= run;
        self.determined = determined.into();
        let fed: Vec<TokenId> = std::iter::once(token).chain(self.determined.iter().copied()).collect();
        self.model.feed(&fed)?;
        Ok(Some(Step { token, determined: false }))
    }

    /// The tokens that `token` determines: the result of the calculation that it completes, and its closing mark.
    fn result(&mut self, token: TokenId) -> Result<Vec<TokenId>, CalculatorError> {
        let marks = self.calculator.marks;
        if token == marks.open {
            self.expression = Some(Vec::new());
        } else if token == marks.close {
            self.expression = None;
        } else if token == marks.equals {
            if let Some(expression) = self.expression.take() {
                let expression = self.tokenizer.decode(&expression).map_err(|_| CalculatorError::Unfinished)?;
                let result = self.calculator.evaluate(&expression)?;
                let mut tokens = self.tokenizer.encode(&result).map_err(|_| CalculatorError::Value)?;
                tokens.push(marks.close);
                return Ok(tokens);
            }
        } else if let Some(expression) = &mut self.expression {
            expression.push(token);
        }
        Ok(Vec::new())
    }
}

impl<M: Model> Iterator for Decoding<'_, M> {
    type Item = Result<Step, ModelError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.advance().transpose()
    }
}

/// A rationale from its tokens, as text for people: without the calculator's marks, and with a note if its end is
/// missing.
pub fn rationale(tokenizer: &Tokenizer, tokens: Vec<TokenId>, ending: Ending) -> Result<Rationale, TokenizerError> {
    let mut text = tokenizer.decode(&tokens)?.replace("<<", "").replace(">>", "").trim().to_owned();
    let end = match ending {
        Ending::Stop => RationaleEnd::Complete,
        Ending::Malformed(error) => {
            text.push_str(&format!(" [? {error}]"));
            RationaleEnd::Malformed
        }
        Ending::Limit | Ending::Open => {
            text.push_str(" […]");
            RationaleEnd::TooLong
        }
    };
    Ok(Rationale { tokens, text, end })
}

/// The token with the largest of the `logits` (vocabulary,); the first one of equals.
pub fn likeliest(logits: &[f32]) -> Result<TokenId, ModelError> {
    if logits.iter().any(|logit| logit.is_nan()) {
        return Err(ModelError::NotANumber);
    }
    let best = logits.iter().enumerate().fold(0, |best, (at, logit)| if *logit > logits[best] { at } else { best });
    Ok(TokenId::try_from(best).expect("a vocabulary is far smaller than 2^32"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::fake::{FakeModel, fixture};

    /// Lets a scripted model write `text` behind a prompt of one token, and reads it back.
    fn write(text: &str, limit: usize, capacity: usize) -> (Rationale, Vec<bool>, usize) {
        let (tokenizer, manifest) = fixture();
        let calculator = Calculator::new(manifest.calculator);
        let mut model = FakeModel::new(manifest.graph.vocabulary, capacity);
        let (prompt, stop) = (manifest.control.think, manifest.control.answer);
        let mut tokens = tokenizer.encode(text).unwrap();
        tokens.push(stop);
        model.writes(&[prompt], &tokens);
        model.feed(&[prompt]).unwrap();
        let mut decoding = Decoding::new(&mut model, &tokenizer, &calculator, stop, limit);
        let steps: Vec<Step> = decoding.by_ref().map(Result::unwrap).collect();
        let ending = decoding.ending();
        let tokens: Vec<TokenId> = steps.iter().map(|step| step.token).collect();
        assert_eq!(model.fed()[1..], tokens, "every token it yields is in the cache, and nothing else");
        let determined = steps.iter().map(|step| step.determined).collect();
        (rationale(&tokenizer, tokens, ending).unwrap(), determined, model.passes())
    }

    #[test]
    fn a_result_is_computed_and_fed_in_one_run() {
        let (rationale, determined, passes) = write("gap <<308.6-298.1=10.5>> K.", 99, 99);
        assert_eq!(rationale.text, "gap 308.6-298.1=10.5 K.");
        assert_eq!(rationale.end, RationaleEnd::Complete);
        let results = determined.iter().filter(|determined| **determined).count();
        assert_eq!(results, 5, "1 0 . 5 >>");
        assert_eq!(passes, 1 + determined.len() - results, "the results ride along with their `=`");
    }

    #[test]
    fn a_wrong_result_cannot_be_written() {
        // Scripted to write 11.5; the calculator's 10.5 is fed, and from there on the script has nothing to say.
        let (rationale, ..) = write("gap <<308.6-298.1=11.5>> K.", 40, 99);
        assert!(rationale.text.starts_with("gap 308.6-298.1=10.5"), "{}", rationale.text);
    }

    #[test]
    fn an_equals_sign_outside_of_marks_is_only_a_sign() {
        let (rationale, determined, _) = write("n=3, 1+1=3.", 99, 99);
        assert_eq!(rationale.text, "n=3, 1+1=3.");
        assert!(!determined.contains(&true));
    }

    #[test]
    fn what_cannot_be_computed_ends_the_rationale_with_a_mark() {
        for (text, shown) in [
            ("a <<1/0=9>> b", "a 1/0= [? the value cannot be computed]"),
            ("a <<1+=9>> b", "a 1+= [? the expression ends too early]"),
            ("a <<=9>> b", "a = [? expected 1 to 64 characters, got 0]"),
            ("a <<torque=9>> b", "a torque= [? unexpected `t`]"),
        ] {
            let (rationale, ..) = write(text, 99, 99);
            assert_eq!((rationale.text.as_str(), rationale.end), (shown, RationaleEnd::Malformed));
        }
        let (rationale, ..) = write(&format!("<<1{}=9>>", "+1".repeat(40)), 200, 300);
        assert!(rationale.text.ends_with("[? expected 1 to 64 characters, got 81]"), "{}", rationale.text);
    }

    #[test]
    fn the_limit_and_the_cache_end_it_too() {
        let text = "Power is within limits, fine.";
        for (limit, capacity) in [(3, 99), (99, 4)] {
            let (rationale, ..) = write(text, limit, capacity);
            assert_eq!((rationale.tokens.len(), rationale.end), (3, RationaleEnd::TooLong));
            assert!(rationale.text.ends_with(" […]"));
        }
        // A result that does not fit whole is not begun.
        let (rationale, ..) = write("<<1+1=2>>", 5, 99);
        assert_eq!(rationale.text, "1+1 […]");
    }
}
