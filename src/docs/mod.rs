//! The pages for those who use the gateway, connect it, answer for it or change it. They are the Markdown files in
//! `src/docs`, which README.md links. `tests/it/readme.rs` runs their blocks.

/// Includes one page. Markdown takes the first definition of a link: those before the page lead to modules, and those at
/// the page's end, which a forge sees alone, to files.
macro_rules! page {
    ($name:ident, $file:literal) => {
        #[doc = "[answer]: crate::docs::answer_json\n[answer_json]: crate::docs::answer_json"]
        #[doc = "[benchmarking]: crate::docs::benchmarking\n[commands]: crate::docs::commands"]
        #[doc = "[configuration]: crate::docs::configuration\n[glossary]: crate::docs::glossary"]
        #[doc = "[http]: crate::docs::http\n[mqtt]: crate::docs::mqtt\n[operations]: crate::docs::operations"]
        #[doc = "[questions]: crate::docs::questions"]
        #[doc = "[reviews]: crate::docs::reviews\n[security]: crate::docs::security\n[serial]: crate::docs::serial"]
        #[doc = "[keys]: ../../../../../cross/sokutou.toml\n[measurements]: ../../../../../benches/README.md"]
        #[doc = "[toolkit]: ../../../../../models/README.md\n"]
        #[doc = include_str!($file)]
        pub mod $name {}
    };
}

page!(glossary, "glossary.md");
page!(commands, "commands.md");
page!(questions, "questions.md");
page!(answer_json, "answer_json.md");
page!(mqtt, "mqtt.md");
page!(http, "http.md");
page!(serial, "serial.md");
page!(configuration, "configuration.md");
page!(reviews, "reviews.md");
page!(operations, "operations.md");
page!(benchmarking, "benchmarking.md");
page!(security, "security.md");
page!(change_it, "change_it.md");
