//! Which matrix products of a model this CPU computes in int8, read from the graph as ONNX Runtime has rewritten it for
//! this CPU. Lists each weight that is unpacked to floats, at load or at every call. Runs nothing and refuses nothing.

use std::collections::HashMap;
use std::{fs, io};

use prost::Message as _;
use thiserror::Error;

use super::ModelError;
use super::library::Library;
use super::session::{self, Kernels};

/// Elements of a weight; a smaller one in floats, such as a gate's single column, costs nothing.
const FLOATS_MAX: i64 = 16_384;
/// What `MatMulNBits` calls int8 activations; any other level computes in floats.
const ACCURACY_INT8: i64 = 4;
/// ONNX's number for the type.
const FLOAT: i32 = 1;

/// How the matrix products of a model are computed on this CPU.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MatMulCoverage {
    /// Number of products that multiply in int8, with the weights as they are stored.
    pub packed: usize,
    /// The others: name of the weight, and how it is computed instead.
    pub unpacked: Vec<String>,
}

/// The rewritten graph cannot be read.
#[derive(Debug, Error)]
pub enum MatMulCoverageError {
    /// No temporary file.
    #[error("failed to keep the rewritten graph in {} for a moment", std::env::temp_dir().display())]
    Scratch(#[from] io::Error),
    /// ONNX Runtime cannot load the graph.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// It is not an ONNX file.
    #[error("the rewritten graph cannot be read as ONNX")]
    Onnx(#[from] prost::DecodeError),
}

impl MatMulCoverage {
    /// Over all of a model's verified graphs.
    pub fn of<'g>(
        library: &Library,
        graphs: impl IntoIterator<Item = &'g Vec<u8>>,
    ) -> Result<Self, MatMulCoverageError> {
        let scratch = tempfile::tempdir()?;
        let file = scratch.path().join("optimised.onnx");
        let mut all = Self { packed: 0, unpacked: Vec::new() };
        for graph in graphs {
            session::optimise(library, graph, &file)?;
            let Self { packed, unpacked } = Self::read(&fs::read(&file)?, Kernels::of_this_cpu())?;
            all.packed += packed;
            all.unpacked.extend(unpacked);
        }
        Ok(all)
    }

    fn read(optimised: &[u8], kernels: Kernels) -> Result<Self, prost::DecodeError> {
        let graph = onnx::Model::decode(optimised)?.graph.unwrap_or_default();
        let weights: HashMap<_, _> = graph.initializer.iter().map(|weight| (weight.name.as_str(), weight)).collect();
        let mut coverage = Self { packed: 0, unpacked: Vec::new() };
        for node in &graph.node {
            let Some(weight) = node.input.iter().find_map(|input| weights.get(input.as_str())) else { continue };
            let number = |name| node.attribute.iter().find(|at| at.name == name).map_or(0, |at| at.i);
            let unpacked = match node.op_type.as_str() {
                "DynamicQuantizeMatMul" | "MatMulIntegerToFloat" | "MatMulInteger" | "QGemm" | "QLinearMatMul" => None,
                "MatMulNBits" if number("accuracy_level") != ACCURACY_INT8 => Some("is multiplied in floats"),
                "MatMulNBits" => match kernels {
                    Kernels::X86Saturating | Kernels::X86Vnni | Kernels::ArmDotProduct => None,
                    // No dot product: 8 bits have no kernel at all, 4 bits one for a single token only.
                    Kernels::ArmPlain | Kernels::Other => Some("is unpacked at every call on this CPU"),
                },
                "DequantizeLinear" => Some("is unpacked at every call"),
                // What was a DequantizeLinear of a weight is floats for good after loading.
                "MatMul" | "Gemm" | "FusedMatMul" | "FusedGemm" => {
                    let floats = weight.data_type == FLOAT && weight.dims.iter().product::<i64>() > FLOATS_MAX;
                    floats.then_some("is held and multiplied in floats")
                }
                _ => continue,
            };
            match unpacked {
                Some(how) => coverage.unpacked.push(format!("{} {how}", weight.name)),
                None => coverage.packed += 1,
            }
        }
        Ok(coverage)
    }
}

/// As much of ONNX's messages as is read here; the numbers are those of onnx.proto.
mod onnx {
    use prost::Message;

    #[derive(Message)]
    pub struct Model {
        #[prost(message, optional, tag = "7")]
        pub graph: Option<Graph>,
    }

    #[derive(Message)]
    pub struct Graph {
        #[prost(message, repeated, tag = "1")]
        pub node: Vec<Node>,
        #[prost(message, repeated, tag = "5")]
        pub initializer: Vec<Tensor>,
    }

    #[derive(Message)]
    pub struct Node {
        #[prost(string, repeated, tag = "1")]
        pub input: Vec<String>,
        #[prost(string, tag = "4")]
        pub op_type: String,
        #[prost(message, repeated, tag = "5")]
        pub attribute: Vec<Attribute>,
    }

    #[derive(Message)]
    pub struct Attribute {
        #[prost(string, tag = "1")]
        pub name: String,
        #[prost(int64, tag = "3")]
        pub i: i64,
    }

    #[derive(Message)]
    pub struct Tensor {
        #[prost(int64, repeated, tag = "1")]
        pub dims: Vec<i64>,
        #[prost(int32, tag = "2")]
        pub data_type: i32,
        #[prost(string, tag = "8")]
        pub name: String,
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::DEFAULT_BUNDLE;
    use crate::bundle::Bundle;

    const ALL: [Kernels; 5] =
        [Kernels::X86Saturating, Kernels::X86Vnni, Kernels::ArmDotProduct, Kernels::ArmPlain, Kernels::Other];

    /// A graph of one node over activations and a weight.
    fn one(op: &str, attributes: &[(&str, i64)], data_type: i32, dims: &[i64]) -> Vec<u8> {
        let attribute =
            attributes.iter().map(|&(name, i)| onnx::Attribute { name: name.to_owned(), i }).collect::<Vec<_>>();
        let node = onnx::Node { input: vec!["x".to_owned(), "w".to_owned()], op_type: op.to_owned(), attribute };
        let weight = onnx::Tensor { dims: dims.to_vec(), data_type, name: "w".to_owned() };
        onnx::Model { graph: Some(onnx::Graph { node: vec![node], initializer: vec![weight] }) }.encode_to_vec()
    }

    /// The classes of CPU on which the weight is unpacked.
    fn unpacked_on(onnx: &[u8]) -> Vec<Kernels> {
        ALL.into_iter().filter(|&kernels| !MatMulCoverage::read(onnx, kernels).unwrap().unpacked.is_empty()).collect()
    }

    #[test]
    fn which_products_unpack_depends_on_operator_and_cpu() {
        let (int8, wide) = (3, [192, 384]);
        assert!(unpacked_on(&one("DynamicQuantizeMatMul", &[], int8, &wide)).is_empty());
        assert!(unpacked_on(&one("MatMulIntegerToFloat", &[], int8, &wide)).is_empty());
        let plain = [Kernels::ArmPlain, Kernels::Other];
        assert_eq!(unpacked_on(&one("MatMulNBits", &[("bits", 8), ("accuracy_level", 4)], 2, &wide)), plain);
        assert_eq!(unpacked_on(&one("MatMulNBits", &[("bits", 4), ("accuracy_level", 4)], 2, &wide)), plain);
        assert_eq!(unpacked_on(&one("MatMulNBits", &[("bits", 8)], 2, &wide)), ALL);
        assert_eq!(unpacked_on(&one("DequantizeLinear", &[], int8, &wide)), ALL);
        assert_eq!(unpacked_on(&one("MatMul", &[], FLOAT, &wide)), ALL);
        assert!(unpacked_on(&one("MatMul", &[], FLOAT, &[192, 1])).is_empty(), "a gate");
        assert_eq!(
            MatMulCoverage::read(&one("MatMul", &[], FLOAT, &wide), ALL[0]).unwrap().unpacked,
            ["w is held and multiplied in floats"]
        );
        assert!(MatMulCoverage::read(b"not a graph", ALL[0]).is_err());
    }

    /// One int8 graph is right on every class; CI runs this on x86-64, and emulated with and without dot products.
    #[test]
    fn the_shipped_model_unpacks_nothing_on_this_cpu() {
        let bundle = Bundle::open(&Path::new(env!("CARGO_MANIFEST_DIR")).join(DEFAULT_BUNDLE)).unwrap();
        let coverage = MatMulCoverage::of(&Library::load().unwrap(), bundle.graphs.values()).unwrap();
        let of_a_graph = 4 * bundle.manifest.graph.layers + 1; // qkv, out, gate|up, down; the head
        assert_eq!(coverage, MatMulCoverage { packed: bundle.graphs.len() * of_a_graph, unpacked: Vec::new() });
    }
}
