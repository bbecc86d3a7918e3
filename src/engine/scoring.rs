//! Makes a prediction from the logits: scores of a closed answer set, or a greedily written text and its score.
//!
//! Choices differ in their first token, so their scores need no pass beyond the prompt's. Free text needs a pass for
//! each token, and ends at `<|why|>` or `<|end|>`. Scores are not normalised over the set; `policy` does that.

use super::decode::likeliest;
use super::{AskError, Model, ModelError, Tokenizer};
use crate::bundle::manifest::Control;
use crate::domain::{ChoiceIndex, GeneratedText, Scores, TokenId};

/// The texts of an answer set, as tokens.
pub struct ChoiceSet {
    texts: Vec<Vec<TokenId>>,
}

impl ChoiceSet {
    /// Fails for an empty text, and for two that begin with the same token, which have the same score.
    pub fn new(texts: Vec<Vec<TokenId>>) -> Result<Self, String> {
        for (at, text) in texts.iter().enumerate() {
            let Some(first) = text.first() else {
                return Err(format!("expected a token in the text of answers.choices {at}, found none"));
            };
            if let Some(other) = texts[..at].iter().position(|other| other.first() == Some(first)) {
                return Err(format!(
                    "expected the texts of answers.choices to differ in their first token, those of {other} and {at} do not"
                ));
            }
        }
        Ok(Self { texts })
    }

    /// The tokens of one choice.
    pub fn text(&self, choice: ChoiceIndex) -> Option<&[TokenId]> {
        self.texts.get(choice).map(Vec::as_slice)
    }

    /// Number of tokens of the longest choice.
    pub fn tokens_max(&self) -> usize {
        self.texts.iter().map(Vec::len).max().unwrap_or(0)
    }

    /// Log-probability of each choice by the `logits` (vocabulary,) at its first token.
    pub fn score(&self, logits: &[f32]) -> Result<Scores, ModelError> {
        let log_probability = log_softmax(logits)?;
        Ok(Scores(self.texts.iter().map(|text| log_probability(text[0])).collect()))
    }
}

/// Writes a free-text answer of at most `tokens_max` tokens behind what the model was fed last. Its tokens stay in the
/// cache; the one that closes it is not fed.
pub fn write(
    model: &mut impl Model,
    tokenizer: &Tokenizer,
    control: &Control,
    tokens_max: usize,
) -> Result<GeneratedText, AskError> {
    let (mut tokens, mut score) = (Vec::new(), 0.0);
    let closed = loop {
        let next = likeliest(model.logits())?;
        score += log_softmax(model.logits())?(next);
        if next == control.why || next == control.end {
            break true;
        }
        if tokens.len() == tokens_max {
            break false;
        }
        model.feed(&[next])?;
        tokens.push(next);
    };
    Ok(GeneratedText { text: tokenizer.decode(&tokens)?.trim().to_owned(), tokens, closed, score })
}

/// Log-probability that the model writes `tokens` and closes them. `logits` (vocabulary,) are those before the first of
/// them. Of the two tokens that can close a text the likelier counts, as in [`write`].
pub fn score(model: &mut impl Model, control: &Control, logits: &[f32], tokens: &[TokenId]) -> Result<f64, ModelError> {
    let mut score = 0.0;
    let mut logits = logits.to_vec();
    for &token in tokens {
        score += log_softmax(&logits)?(token);
        logits = model.feed(&[token])?.to_vec();
    }
    let log_probability = log_softmax(&logits)?;
    Ok(score + log_probability(control.why).max(log_probability(control.end)))
}

/// Gives the log-probability of a token by the `logits` (vocabulary,).
fn log_softmax(logits: &[f32]) -> Result<impl Fn(TokenId) -> f64 + '_, ModelError> {
    if logits.iter().any(|logit| !logit.is_finite()) {
        return Err(ModelError::NotANumber);
    }
    let most = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let norm = f64::from(most) + logits.iter().map(|logit| f64::from(logit - most).exp()).sum::<f64>().ln();
    Ok(move |token: TokenId| f64::from(logits[token as usize]) - norm)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::fake::{FakeModel, fixture};

    #[test]
    fn texts_that_cannot_be_told_apart_are_refused() {
        assert!(ChoiceSet::new(vec![vec![1], vec![]]).is_err());
        assert!(ChoiceSet::new(vec![vec![1], vec![1, 2]]).is_err());
        assert!(ChoiceSet::new(vec![vec![3], vec![1, 2], vec![1, 3]]).is_err());
        assert!(ChoiceSet::new(vec![vec![1, 2], vec![2, 1]]).is_ok());
    }

    #[test]
    fn a_choice_scores_the_log_probability_of_its_first_token() {
        let scores = ChoiceSet::new(vec![vec![1, 2], vec![2]]).unwrap().score(&[0.0, 2.0, 1.0]).unwrap();
        let norm = (1.0_f64 + 2.0_f64.exp() + 1.0_f64.exp()).ln();
        assert!((scores.0[0] - (2.0 - norm)).abs() < 1e-6 && (scores.0[1] - (1.0 - norm)).abs() < 1e-6);
        assert!(ChoiceSet::new(vec![vec![1], vec![2]]).unwrap().score(&[0.0, f32::NAN, 1.0]).is_err());
    }

    /// A model that was fed `<|answer|>` and then writes `text` and `closing`, each token with a probability of about
    /// 1/2.
    fn hesitant(text: &str, closing: Option<TokenId>) -> (FakeModel, Tokenizer, Control, Vec<TokenId>) {
        let (tokenizer, manifest) = fixture();
        let tokens = tokenizer.encode(text).unwrap();
        let mut model = FakeModel::new(manifest.graph.vocabulary, 99);
        let mut fed = vec![manifest.control.answer];
        for &token in tokens.iter().chain(&closing) {
            model.script(&fed, &[(token, 20.0), (manifest.control.think, 19.999)]);
            fed.push(token);
        }
        model.feed(&fed[..1]).unwrap();
        (model, tokenizer, manifest.control, tokens)
    }

    const HALF: f64 = -std::f64::consts::LN_2;

    #[test]
    fn a_free_answer_is_written_token_by_token_and_scored_with_what_closes_it() {
        let control = fixture().1.control;
        for closing in [control.why, control.end] {
            let (mut model, tokenizer, control, tokens) = hesitant(" torque 42.8 ", Some(closing));
            let written = write(&mut model, &tokenizer, &control, tokens.len()).unwrap();
            assert_eq!((written.answer(), &written.tokens), (Some("torque 42.8"), &tokens));
            let expected = HALF * (tokens.len() + 1) as f64;
            assert!((written.score - expected).abs() < 0.01, "{} is not {expected}", written.score);
            assert_eq!(model.passes(), 1 + tokens.len(), "each token in a run of its own, the closing one not fed");
            // Read as somebody else's answer, the same text has the same score.
            model.rewind(0);
            let logits = model.feed(&[control.answer]).unwrap().to_vec();
            let read = score(&mut model, &control, &logits, &tokens).unwrap();
            assert!((read - written.score).abs() < 1e-9);
        }
    }

    #[test]
    fn an_answer_without_end_or_without_text_is_none() {
        let (mut model, tokenizer, control, tokens) = hesitant("torque 42.8", Some(fixture().1.control.end));
        let cut = write(&mut model, &tokenizer, &control, tokens.len() - 1).unwrap();
        assert_eq!((cut.answer(), cut.closed, cut.tokens.len()), (None, false, tokens.len() - 1));
        for text in ["", " "] {
            let (mut model, tokenizer, control, _) = hesitant(text, Some(control.end));
            let empty = write(&mut model, &tokenizer, &control, 9).unwrap();
            assert_eq!((empty.answer(), empty.closed), (None, true));
        }
    }
}
