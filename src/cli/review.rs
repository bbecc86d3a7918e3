//! `sokutou review`: what a person was asked, what they say to it, and the file from which the next student learns it. Labels are in
//! both languages of the floor; judges no answer.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use super::review_client::ReviewClient;
use clap::Subcommand;

use super::args::ConfigArgs;
use super::open::{BundleArg, open_bundle};
use super::output::{indented, print, print_json};
use super::{Error, Exit};
use crate::api::answer::{BandName, ModeName};
use crate::api::review::{Format, Resolve, ReviewCase, ReviewRecord, ReviewStateName, VerdictName, projects, written};
use crate::gateway::settings::Config;
use crate::store::Resolution;
use crate::transport::http::PAGE_MAX;

#[derive(Debug, Subcommand)]
pub enum ReviewCommand {
    /// List the cases that wait for a person, or those already reviewed; the oldest first. 一覧
    List {
        #[command(flatten)]
        config: ConfigArgs,
        /// Waiting for a person, or already reviewed.
        #[arg(long, value_enum, default_value = "open")]
        state: ReviewStateName,
        /// Largest number of cases to list.
        #[arg(long, value_name = "N", default_value = "50", value_parser = clap::value_parser!(u32).range(1..))]
        limit: u32,
        /// Print one JSON list instead of text.
        #[arg(long)]
        json: bool,
    },
    /// Show one case. 表示
    Show {
        #[command(flatten)]
        config: ConfigArgs,
        /// Number of the case, from `review list`.
        case: i64,
        /// Print one JSON object instead of text.
        #[arg(long)]
        json: bool,
    },
    /// Say whether the model was right; the asker gets your decision as the next revision of the answer. 判定する
    Resolve {
        #[command(flatten)]
        config: ConfigArgs,
        /// Number of the case, from `review list`.
        case: i64,
        /// Was the model's answer, or its best guess, right?
        #[arg(value_enum)]
        verdict: VerdictName,
        /// The right answer, if the verdict is "wrong"; for a task with choices, one of them. 正しい答え
        #[arg(long, value_name = "ANSWER")]
        correction: Option<String>,
        /// Name of the person who decided, kept with the review. 確認者
        #[arg(long, value_name = "NAME")]
        reviewer: Option<String>,
        /// Print one JSON object instead of text.
        #[arg(long)]
        json: bool,
    },
    /// Write the reviews that were not exported yet to a file, and mark them as exported. 書き出す
    Export {
        #[command(flatten)]
        config: ConfigArgs,
        /// jsonl: lines for the training toolkit. labelstudio: for each task TASK.json with the reviews to import, and
        /// TASK.xml, the labelling interface of its project.
        #[arg(long, value_enum, default_value = "jsonl")]
        format: Format,
        /// The file to write; for labelstudio a folder.
        #[arg(long, value_name = "PATH")]
        out: PathBuf,
        /// Write all reviews, also those exported before.
        #[arg(long)]
        all: bool,
    },
}

impl ReviewCommand {
    pub fn run(self) -> Result<Exit, Error> {
        match self {
            Self::List { config, state, limit, json } => list(&config, state, limit as usize, json),
            Self::Show { config, case, json } => show(&config, case, json),
            Self::Resolve { config, case, verdict, correction, reviewer, json } => {
                resolve(&config, case, &Resolve { verdict, correction, reviewer }, json)
            }
            Self::Export { config, format, out, all } => export(&config, format, &out, all),
        }
    }
}

fn list(args: &ConfigArgs, state: ReviewStateName, limit: usize, json: bool) -> Result<Exit, Error> {
    let mut client = client(args)?;
    let mut cases = Vec::new();
    let mut after = None;
    loop {
        let page = client.list(state, after, (limit - cases.len()).min(PAGE_MAX))?;
        cases.extend(page.reviews);
        after = page.next;
        if after.is_none() || cases.len() == limit {
            break;
        }
    }
    if json {
        print_json(&cases)?;
        return Ok(Exit::Success);
    }
    if cases.is_empty() {
        print(match state {
            ReviewStateName::Open => "no case waits for a person. 確認待ちはありません",
            ReviewStateName::Resolved => "no case was reviewed yet. 確認済みはまだありません",
        })?;
    }
    for case in &cases {
        print(&line(case))?;
    }
    if after.is_some() {
        print(&format!("more follow: --limit {}. 続きがあります", limit.saturating_mul(2)))?;
    }
    Ok(Exit::Success)
}

fn show(args: &ConfigArgs, case: i64, json: bool) -> Result<Exit, Error> {
    let found = client(args)?.show(case)?;
    if json {
        print_json(&found)?
    } else {
        print(&in_words(&found))?
    }
    Ok(Exit::Success)
}

fn resolve(args: &ConfigArgs, case: i64, said: &Resolve, json: bool) -> Result<Exit, Error> {
    let resolved = client(args)?.resolve(case, said)?;
    if json {
        print_json(&resolved)?
    } else {
        print(&in_words(&resolved))?
    }
    Ok(Exit::Success)
}

/// Writes what no export took yet, or all; marks it as exported when it is safe on disk.
fn export(args: &ConfigArgs, format: Format, out: &Path, all: bool) -> Result<Exit, Error> {
    if !all && out.exists() {
        return Err(Error::Review(format!(
            "{} exists and may hold an earlier export, whose reviews are not written again; name another file, or take --all",
            out.display()
        )));
    }
    let config = Config::load(&args.sources())?.sections;
    let mut client = ReviewClient::open(&config)?;
    let mut lines = Vec::new();
    let mut after = all.then_some(0);
    let through = loop {
        let page = client.export(after)?;
        lines.extend(page.lines);
        after = Some(page.through.0);
        if !page.more {
            break page.through;
        }
    };
    if lines.is_empty() {
        print("no reviews to export. 書き出す確認結果はありません")?;
        return Ok(Exit::Success);
    }
    match format {
        Format::Jsonl => write(out, &written(&lines, format, None))?,
        Format::LabelStudio => {
            let bundle = open_bundle(&BundleArg { bundle: config.student.bundle.clone() })?.1;
            fs::create_dir_all(out).map_err(|source| Error::WriteFile { path: out.to_owned(), source })?;
            for project in projects(&lines, Some(&bundle)) {
                write(&out.join(format!("{}.json", project.task)), &project.json())?;
                write(&out.join(format!("{}.xml", project.task)), project.config.as_bytes())?;
            }
        }
    }
    client.mark_exported(Resolution(through.0))?;
    print(&format!("{} reviews written to {}. {} 件を書き出しました", lines.len(), out.display(), lines.len()))?;
    Ok(Exit::Success)
}

fn client(args: &ConfigArgs) -> Result<ReviewClient, Error> {
    ReviewClient::open(&Config::load(&args.sources())?.sections)
}

/// All of it under its name, or nothing.
fn write(path: &Path, bytes: &[u8]) -> Result<(), Error> {
    let failed = |source| Error::WriteFile { path: path.to_owned(), source };
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let name = path.file_name().ok_or_else(|| failed(io::ErrorKind::IsADirectory.into()))?;
    let mut beside = PathBuf::from(folder);
    beside.push(format!(".{}.{}", name.to_string_lossy(), std::process::id()));
    let written = || {
        let mut file = OpenOptions::new().write(true).create_new(true).open(&beside)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(&beside, path)?;
        File::open(folder)?.sync_all()
    };
    written().inspect_err(|_| drop(fs::remove_file(&beside))).map_err(failed)
}

fn line(case: &ReviewCase) -> String {
    let last = case.reviews.last();
    let state = last.map_or_else(String::new, state);
    let question: String = case.question.as_deref().unwrap_or("-").split_whitespace().collect::<Vec<_>>().join(" ");
    let short: String = question.chars().take(60).collect();
    let more = if question.chars().count() > 60 { "…" } else { "" };
    let answer = case.answer.as_ref().map_or("-", |answer| answer.answer.as_str());
    format!("{:>6}  {}\n        {} | {short}{more}", case.case, indented(&state), indented(answer))
}

fn in_words(case: &ReviewCase) -> String {
    let mut lines = vec![
        format!("case 案件: {}", case.case),
        format!("asked by 質問者: {}/{}", case.client, case.id),
        format!("task タスク: {}", case.task),
        format!(
            "question 質問: {}",
            case.question.as_deref().map_or_else(|| "(dropped to save space 容量のため削除)".to_owned(), indented)
        ),
    ];
    if let Some(answer) = &case.answer {
        lines.push(format!("model's answer モデルの答え: {}", indented(&answer.answer)));
    }
    if let (Some(confidence), Some(band), Some(mode)) = (case.confidence, case.band, case.mode) {
        let band = match band {
            BandName::High => "high 高",
            BandName::Medium => "medium 中",
            BandName::Low => "low 低",
        };
        let mode = match mode {
            ModeName::AnswerFirst => "answer first 即答",
            ModeName::ThinkFirst => "thought first 考えてから回答",
        };
        lines.push(format!("confidence 確信度: {:.1} % ({band}), {mode}", (confidence * 1000.0).floor() / 10.0));
    }
    lines.extend(case.rationale.iter().map(|why| format!("why 理由: {}", indented(why))));
    lines.extend(case.student.iter().map(|student| format!("model モデル: {student}")));
    if !case.choices.is_empty() {
        let choices = case.choices.iter().map(|choice| format!("{} ({})", choice.text, choice.ja));
        lines.push(format!("choices 選択肢: {}", choices.collect::<Vec<_>>().join(", ")));
    }
    let reviews = case.reviews.iter().map(|review| format!("review 確認 {}: {}", review.number, state(review)));
    lines.extend(reviews.map(|review| indented(&review)));
    lines.join("\n")
}

fn state(review: &ReviewRecord) -> String {
    let why = match review.why.as_str() {
        "out_of_scope" => "out of scope 範囲外",
        "unsure" => "unsure 確信不足",
        "thinking_failed" => "thinking failed 思考失敗",
        "no_answer" => "no answer 回答なし",
        "audit" => "audit 抜き取り",
        "disagreement" => "reasons disagree 理由不一致",
        _ => "asked for 依頼",
    };
    let said = match review.verdict {
        None => match &review.claimed_by {
            Some(by) => format!("open 要確認, taken by {by} 担当"),
            None => "open 要確認".to_owned(),
        },
        Some(VerdictName::Right) => "right 正しい".to_owned(),
        Some(VerdictName::Wrong) => format!("wrong 誤り → {}", review.correction.as_deref().unwrap_or("-")),
        Some(VerdictName::Unclear) => "unclear わからない".to_owned(),
    };
    let by = review.reviewer.as_ref().map_or_else(String::new, |by| format!(" ({by})"));
    format!("{said}{by} | {why} | {}", review.resolved_at.as_ref().unwrap_or(&review.opened_at))
}
