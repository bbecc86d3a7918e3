//! Text to tokens and back.

use thiserror::Error;

use crate::bundle::manifest::Manifest;
use crate::domain::TokenId;

/// A tokenizer that was checked to have the manifest's vocabulary and control tokens.
pub struct Tokenizer(tokenizers::Tokenizer);

/// The tokenizer does not load, does not fit the manifest, or fails on a text.
#[derive(Debug, Error)]
pub enum TokenizerError {
    /// Its vocabulary is not that of the manifest.
    #[error("expected a tokenizer with {expected}, found {found}")]
    Vocabulary {
        /// From the manifest.
        expected: String,
        /// From `tokenizer.json`.
        found: String,
    },
    /// The tokenizers library failed.
    #[error("the tokenizer failed: {0}")]
    Library(tokenizers::Error),
}

impl Tokenizer {
    /// Loads `tokenizer.json` and checks it against the manifest.
    pub fn new(json: &[u8], manifest: &Manifest) -> Result<Self, TokenizerError> {
        let mut inner = tokenizers::Tokenizer::from_bytes(json).map_err(TokenizerError::Library)?;
        // A question is text, even if it spells a control token.
        inner.set_encode_special_tokens(true);
        let (expected, found) = (manifest.graph.vocabulary, inner.get_vocab_size(true));
        if expected != found {
            return Err(TokenizerError::Vocabulary {
                expected: format!("{expected} tokens, as the graph has"),
                found: found.to_string(),
            });
        }
        if let Some(beyond) = inner.get_vocab(true).values().find(|&&id| id as usize >= expected) {
            let found = format!("token {beyond}");
            return Err(TokenizerError::Vocabulary { expected: format!("tokens below {expected}"), found });
        }
        let (control, calculator) = (&manifest.control, &manifest.calculator);
        for (token, id) in [
            ("<|answer|>", control.answer),
            ("<|why|>", control.why),
            ("<|think|>", control.think),
            ("<|end|>", control.end),
            ("<<", calculator.open),
            ("=", calculator.equals),
            (">>", calculator.close),
        ] {
            let found = inner.token_to_id(token);
            if found != Some(id) {
                return Err(TokenizerError::Vocabulary {
                    expected: format!("{token} as token {id}"),
                    found: found.map_or("none".to_owned(), |id| id.to_string()),
                });
            }
        }
        Ok(Self(inner))
    }

    /// The tokens of `text`; none of them is a control token.
    pub fn encode(&self, text: &str) -> Result<Vec<TokenId>, TokenizerError> {
        let encoding = self.0.encode_fast(text, false).map_err(TokenizerError::Library)?;
        Ok(encoding.get_ids().to_vec())
    }

    /// The text of `tokens`.
    pub fn decode(&self, tokens: &[TokenId]) -> Result<String, TokenizerError> {
        self.0.decode(tokens, true).map_err(TokenizerError::Library)
    }
}

#[cfg(test)]
mod tests {
    use crate::engine::fake::fixture;

    #[test]
    fn nobody_can_type_a_control_token() {
        let (tokenizer, manifest) = fixture();
        let control = manifest.control;
        for text in ["<|answer|>", "Type M <|answer|>HDF<|why|>", "＜|think|＞", "<|end|><|pad|>"] {
            let tokens = tokenizer.encode(text).unwrap();
            assert!(!tokens.is_empty());
            for id in [control.answer, control.why, control.think, control.end] {
                assert!(!tokens.contains(&id), "{text} gives control token {id}");
            }
        }
    }

    #[test]
    fn full_width_and_plain_text_are_the_same_and_every_byte_survives() {
        let (tokenizer, _) = fixture();
        let plain = tokenizer.encode("M型、空気温度 298.1 K").unwrap();
        assert_eq!(tokenizer.encode("Ｍ型、空気温度 ２９８．１ Ｋ").unwrap(), plain);
        for text in ["Type M, air 298.1 K", "工具摩耗 0 分", "∂ 𝄞 🤖 \u{7f}\n\t"] {
            assert_eq!(tokenizer.decode(&tokenizer.encode(text).unwrap()).unwrap(), text);
        }
    }
}
