//! Scores a closed answer set from the logits, in as few forward passes as its texts allow. Normalises nothing over the set.
//!
//! The texts form a tree of tokens. Where a node has one child, nothing is chosen and nothing is run; each node with
//! several children needs the logits at it. Answers that differ in their first token need no pass beyond the prompt's.

use std::collections::BTreeMap;

use super::{Model, ModelError};
use crate::domain::{ChoiceIndex, Scores, TokenId};

/// The texts of an answer set, as tokens.
pub struct ChoiceTree {
    texts: Vec<Vec<TokenId>>,
}

impl ChoiceTree {
    /// Refuses an empty text and one that begins with another: their probabilities could not be told apart.
    pub fn new(texts: Vec<Vec<TokenId>>) -> Result<Self, String> {
        for (at, text) in texts.iter().enumerate() {
            if text.is_empty() {
                return Err(format!("choice {at} has no token"));
            }
            if let Some(other) =
                texts.iter().enumerate().position(|(other, longer)| other != at && longer.starts_with(text))
            {
                return Err(format!("choice {other} begins with the whole of choice {at}"));
            }
        }
        Ok(Self { texts })
    }

    /// The tokens of one choice.
    pub fn text(&self, choice: ChoiceIndex) -> &[TokenId] {
        &self.texts[choice]
    }

    /// Log-probability of each choice after what the model has in its cache; the cache is left as it was.
    pub fn score(&self, model: &mut impl Model) -> Result<Scores, ModelError> {
        let mut scores = vec![0.0; self.texts.len()];
        let all: Vec<ChoiceIndex> = (0..self.texts.len()).collect();
        let root = model.len();
        self.branch(model, &all, 0, 0, &mut scores)?;
        model.rewind(root);
        Ok(Scores(scores))
    }

    /// Adds what the node adds to its `choices`, which share their first `depth` tokens, `fed` of them in the cache.
    fn branch(
        &self,
        model: &mut impl Model,
        choices: &[ChoiceIndex],
        depth: usize,
        fed: usize,
        scores: &mut [f64],
    ) -> Result<(), ModelError> {
        if choices.len() == 1 {
            return Ok(());
        }
        let mut children: BTreeMap<TokenId, Vec<ChoiceIndex>> = BTreeMap::new();
        for &choice in choices {
            children.entry(self.texts[choice][depth]).or_default().push(choice);
        }
        if children.len() == 1 {
            return self.branch(model, choices, depth + 1, fed, scores);
        }
        if depth > fed {
            model.feed(&self.texts[choices[0]][fed..depth])?;
        }
        let log_probability = log_softmax(model.logits())?;
        let here = model.len();
        for (token, children) in children {
            for &choice in &children {
                scores[choice] += log_probability(token);
            }
            if children.len() > 1 {
                self.branch(model, &children, depth + 1, depth, scores)?;
                model.rewind(here);
            }
        }
        Ok(())
    }
}

/// Log-probability of a token, by the logits of a whole vocabulary. The logits are copied: the model may run again.
fn log_softmax(logits: &[f32]) -> Result<impl Fn(TokenId) -> f64 + use<>, ModelError> {
    if logits.iter().any(|logit| !logit.is_finite()) {
        return Err(ModelError::NotANumber);
    }
    let most = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let norm = f64::from(most) + logits.iter().map(|logit| f64::from(logit - most).exp()).sum::<f64>().ln();
    let logits = logits.to_vec();
    Ok(move |token: TokenId| f64::from(logits[token as usize]) - norm)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::fake::FakeModel;

    #[test]
    fn texts_that_cannot_be_told_apart_are_refused() {
        assert!(ChoiceTree::new(vec![vec![1], vec![]]).is_err());
        assert!(ChoiceTree::new(vec![vec![1], vec![1, 2]]).is_err());
        assert!(ChoiceTree::new(vec![vec![1, 2], vec![1, 2]]).is_err());
        assert!(ChoiceTree::new(vec![vec![1, 2], vec![1, 3], vec![2]]).is_ok());
    }

    #[test]
    fn first_tokens_that_differ_need_no_further_pass() {
        let mut model = FakeModel::new(8, 32);
        model.script(&[7], &[(1, 2.0), (2, 1.0)]);
        model.feed(&[7]).unwrap();
        let scores = ChoiceTree::new(vec![vec![1, 5, 5], vec![2, 5]]).unwrap().score(&mut model).unwrap();
        assert!((scores.0[0] - scores.0[1] - 1.0).abs() < 1e-6);
        assert_eq!(model.passes(), 1);
    }

    #[test]
    fn a_shared_beginning_is_walked_once_and_the_cache_is_left_as_it_was() {
        let mut model = FakeModel::new(8, 32);
        model.script(&[7], &[(1, 3.0), (2, 3.0)]);
        model.script(&[7, 1, 4], &[(5, 2.0), (6, 0.0)]);
        model.feed(&[7]).unwrap();
        let tree = ChoiceTree::new(vec![vec![1, 4, 5], vec![1, 4, 6], vec![2, 4]]).unwrap();
        let scores = tree.score(&mut model).unwrap();
        assert_eq!(model.passes(), 2); // the prompt, and one look behind the shared beginning
        assert!((scores.0[0] - scores.0[1] - 2.0).abs() < 1e-6);
        assert_eq!(model.fed(), &[7]);
    }
}
