//! The decoder in ONNX Runtime, by graph contract v1. Beside `library`, the only file that names `ort`.
//!
//! The key-value cache stands in place: one tensor a layer and side, bound as past input and as present output, so that a
//! pass appends to it and copies nothing. To rewind is to say a smaller length; no row is ever erased.

use std::path::Path;

use ndarray::Array;
use ort::logging::LogLevel;
use ort::memory::Allocator;
use ort::session::builder::SessionBuilder;
use ort::session::{IoBinding, Session};
use ort::value::{Tensor, ValueType};

use super::library::Library;
use super::{Model, ModelError};
use crate::bundle::manifest::Geometry;
use crate::domain::TokenId;

const LOGITS: &str = "logits";

/// Threads that compute a pass. Passes of a few milliseconds lose more by waking a second one than it brings, and the box's other work
/// keeps its cores.
pub const THREADS: usize = 1;

/// A student's graph with its cache.
pub struct OrtModel {
    session: Session,
    binding: IoBinding,
    logits: Tensor<f32>, // (1, vocabulary), written in place
    len: usize,
    capacity: usize,
}

impl OrtModel {
    /// Builds the session from verified bytes and holds the graph's inputs and outputs against `geometry`.
    pub fn new(library: &Library, graph: &[u8], geometry: &Geometry) -> Result<Self, ModelError> {
        let session = builder(library)?.commit_from_memory(graph)?;
        let Geometry { layers, kv_heads, head_dim, max_len, vocabulary, .. } = *geometry;
        let cache_shape = [1, kv_heads, max_len, head_dim];
        let mut binding = session.create_binding()?;
        for layer in 0..layers {
            for side in ["key", "value"] {
                let past = format!("past_key_values.{layer}.{side}");
                let present = format!("present.{layer}.{side}");
                expect_input(&session, &past, &cache_shape)?;
                expect_output(&session, &present, &cache_shape)?;
                let mut rows = Tensor::<f32>::new(&Allocator::default(), cache_shape)?;
                rows.extract_array_mut().fill(0.0); // it comes uninitialised
                binding.bind_input(past, &rows)?;
                binding.bind_output(present, &mut rows)?;
            }
        }
        expect_output(&session, LOGITS, &[1, vocabulary])?;
        let mut logits = Tensor::<f32>::new(&Allocator::default(), [1, vocabulary])?;
        logits.extract_array_mut().fill(0.0);
        binding.bind_output(LOGITS, &mut logits)?;
        Ok(Self { session, binding, logits, len: 0, capacity: max_len })
    }
}

impl Model for OrtModel {
    fn feed(&mut self, tokens: &[TokenId]) -> Result<&[f32], ModelError> {
        let total = self.len + tokens.len();
        if total > self.capacity {
            return Err(ModelError::Full { capacity: self.capacity, wanted: total });
        }
        let as_i32 = |len: usize| i32::try_from(len).expect("the cache is far shorter than 2^31");
        let ids = Array::from_shape_fn((1, tokens.len()), |(_, at)| i64::from(tokens[at])); // (1, S)
        let positions = Array::from_shape_fn((1, tokens.len()), |(_, at)| (self.len + at) as i64); // (1, S)
        self.binding.bind_input("input_ids", &Tensor::from_array(ids)?)?;
        self.binding.bind_input("position_ids", &Tensor::from_array(positions)?)?;
        self.binding.bind_input("seqlens_k", &Tensor::from_array(([1_usize], vec![as_i32(total - 1)]))?)?;
        let empty: [usize; 0] = [];
        self.binding.bind_input("total_sequence_length", &Tensor::from_array((empty, vec![as_i32(total)]))?)?;
        self.session.run_binding(&self.binding)?;
        self.len = total;
        Ok(self.logits())
    }

    fn logits(&self) -> &[f32] {
        self.logits.extract_tensor().1
    }

    fn rewind(&mut self, len: usize) {
        self.len = self.len.min(len);
    }

    fn len(&self) -> usize {
        self.len
    }

    fn capacity(&self) -> usize {
        self.capacity
    }
}

impl From<ort::Error> for ModelError {
    fn from(error: ort::Error) -> Self {
        Self::Runtime(Box::new(error))
    }
}

/// Writes the graph as ONNX Runtime has rewritten it for this CPU, with the options that a student runs with.
pub(super) fn optimise(library: &Library, graph: &[u8], into: &Path) -> Result<(), ModelError> {
    // Quieter: it warns that the file fits this CPU only, which is what it is for.
    let builder = builder(library)?.with_log_level(LogLevel::Error).map_err(ort::Error::from)?;
    builder.with_optimized_model_path(into).map_err(ort::Error::from)?.commit_from_memory(graph)?;
    Ok(())
}

fn builder(library: &Library) -> Result<SessionBuilder, ort::Error> {
    let mut builder = Session::builder(&library.environment)?.with_intra_threads(THREADS)?;
    if Kernels::of_this_cpu() == Kernels::X86Saturating {
        builder = builder.with_precise_qmm()?;
    }
    Ok(builder)
}

/// Which int8 kernels this CPU gets, as far as it changes what we ask of ONNX Runtime.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kernels {
    /// x86-64 without VNNI: the fast multiply saturates silently, so the precise one is asked for.
    X86Saturating,
    /// x86-64 with VNNI.
    X86Vnni,
    /// ARM with 8-bit dot products.
    ArmDotProduct,
    /// ARM without them: Cortex-A53, A72.
    ArmPlain,
    /// Another CPU.
    Other,
}

impl Kernels {
    /// By the CPU's own word.
    pub fn of_this_cpu() -> Self {
        #[cfg(target_arch = "x86_64")]
        {
            let vnni =
                std::arch::is_x86_feature_detected!("avx512vnni") || std::arch::is_x86_feature_detected!("avxvnni");
            if vnni { Self::X86Vnni } else { Self::X86Saturating }
        }
        #[cfg(target_arch = "aarch64")]
        {
            if std::arch::is_aarch64_feature_detected!("dotprod") { Self::ArmDotProduct } else { Self::ArmPlain }
        }
        #[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
        {
            Self::Other
        }
    }
}

fn expect_input(session: &Session, name: &str, shape: &[usize]) -> Result<(), ModelError> {
    let found = session.inputs().iter().find(|input| input.name() == name).map(|input| input.dtype());
    expect("input", name, shape, found)
}

fn expect_output(session: &Session, name: &str, shape: &[usize]) -> Result<(), ModelError> {
    let found = session.outputs().iter().find(|output| output.name() == name).map(|output| output.dtype());
    expect("output", name, shape, found)
}

/// A dimension that the graph leaves open (-1) fits every size.
fn expect(kind: &str, name: &str, shape: &[usize], found: Option<&ValueType>) -> Result<(), ModelError> {
    let fits = found.and_then(|found| found.tensor_shape()).is_some_and(|found| {
        found.len() == shape.len()
            && found.iter().zip(shape).all(|(&found, &wanted)| found == -1 || found == wanted as i64)
    });
    if fits {
        return Ok(());
    }
    Err(ModelError::Contract {
        expected: format!("{kind} {name} of shape {shape:?}"),
        found: found.map_or("none".to_owned(), ToString::to_string),
    })
}
