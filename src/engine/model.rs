//! The one seam: a decoder that is fed tokens and gives the logits of the next one. Its cache stays behind it.

use std::error::Error as StdError;

use thiserror::Error;

use crate::domain::TokenId;

/// A decoder with a cache of what it was fed. Two implementors: [`super::OrtModel`], and a scripted one in tests.
pub trait Model {
    /// Appends `tokens` in one forward pass and returns the logits that follow the last one, shape (vocabulary,).
    fn feed(&mut self, tokens: &[TokenId]) -> Result<&[f32], ModelError>;

    /// The logits of the last `feed`, shape (vocabulary,); empty before the first one.
    fn logits(&self) -> &[f32];

    /// Forgets all but the first `len` tokens. The logits stay those of the last `feed`.
    fn rewind(&mut self, len: usize);

    /// Tokens in the cache.
    fn len(&self) -> usize;

    /// True when nothing is in the cache.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Tokens that the cache can hold.
    fn capacity(&self) -> usize;
}

/// The graph failed, or was asked for more than its cache holds.
#[derive(Debug, Error)]
pub enum ModelError {
    /// The graph is not the one that the manifest describes.
    #[error("expected {expected}, found {found}")]
    Contract {
        /// By the manifest and graph contract v1.
        expected: String,
        /// In the graph.
        found: String,
    },
    /// More tokens than the cache holds.
    #[error("expected at most {capacity} tokens in the cache, got {wanted}")]
    Full {
        /// Its size.
        capacity: usize,
        /// What it would have had to hold.
        wanted: usize,
    },
    /// The graph gave something that is no number.
    #[error("the graph gave logits that are not numbers")]
    NotANumber,
    /// ONNX Runtime failed. Boxed, so that no implementor but its own needs that library.
    #[error("failed in ONNX Runtime")]
    Runtime(#[source] Box<dyn StdError + Send + Sync>),
}
