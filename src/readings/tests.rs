//! The reader against shared cases and against what people really send.
