//! A scripted model for tests: for a given beginning it gives given logits, and it remembers what it was fed.

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::path::Path;

use super::{Model, ModelError, Tokenizer};
use crate::bundle::manifest::Manifest;
use crate::domain::TokenId;

pub(crate) struct FakeModel {
    vocabulary: usize,
    capacity: usize,
    script: HashMap<Vec<TokenId>, Vec<(TokenId, f32)>>,
    fed: Vec<TokenId>,
    logits: Vec<f32>,
    passes: usize,
}

impl FakeModel {
    pub(crate) fn new(vocabulary: usize, capacity: usize) -> Self {
        Self { vocabulary, capacity, script: HashMap::new(), fed: Vec::new(), logits: Vec::new(), passes: 0 }
    }

    /// After exactly `fed`, the named tokens have these logits and all others -50.
    pub(crate) fn script(&mut self, fed: &[TokenId], logits: &[(TokenId, f32)]) {
        self.script.insert(fed.to_vec(), logits.to_vec());
    }

    /// After `prompt`, the model writes `text`, token by token.
    pub(crate) fn writes(&mut self, prompt: &[TokenId], text: &[TokenId]) {
        let mut fed = prompt.to_vec();
        for &token in text {
            self.script(&fed, &[(token, 20.0)]);
            fed.push(token);
        }
    }

    pub(crate) fn fed(&self) -> &[TokenId] {
        &self.fed
    }

    pub(crate) fn passes(&self) -> usize {
        self.passes
    }
}

impl Model for FakeModel {
    fn feed(&mut self, tokens: &[TokenId]) -> Result<&[f32], ModelError> {
        let wanted = self.fed.len() + tokens.len();
        if wanted > self.capacity {
            return Err(ModelError::Full { capacity: self.capacity, wanted });
        }
        self.passes += 1;
        self.fed.extend(tokens);
        self.logits = vec![-50.0; self.vocabulary];
        for &(token, logit) in self.script.get(&self.fed).into_iter().flatten() {
            self.logits[token as usize] = logit;
        }
        Ok(&self.logits)
    }

    fn logits(&self) -> &[f32] {
        &self.logits
    }

    fn rewind(&mut self, len: usize) {
        self.fed.truncate(len);
    }

    fn len(&self) -> usize {
        self.fed.len()
    }

    fn capacity(&self) -> usize {
        self.capacity
    }
}

/// The model, by the file name of the first task's graph.
pub(crate) fn named(model: FakeModel, manifest: &Manifest) -> BTreeMap<String, FakeModel> {
    BTreeMap::from([(manifest.tasks[0].graph.clone(), model)])
}

/// The shipped tokenizer, and the manifest reduced to its first task.
pub(crate) fn fixture() -> (Tokenizer, Manifest) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(crate::DEFAULT_BUNDLE);
    let mut manifest: Manifest = serde_json::from_slice(&fs::read(folder.join("manifest.json")).unwrap()).unwrap();
    manifest.tasks.truncate(1);
    let tokenizer = Tokenizer::new(&fs::read(folder.join("tokenizer.json")).unwrap(), &manifest).unwrap();
    (tokenizer, manifest)
}
