//! The journal's steps, queries, budget and exports, on the real database. What crashes leave is in `crash.rs`.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::{Duration, SystemTime};

use sokutou::api::label_studio::{label_studio, labelling_config};
use sokutou::domain::{
    Agreement, Band, CaseId, Confidence, Decision, DeliveryKind, Mode, Reason, ReviewState, ReviewVerdict,
};
use sokutou::store::{
    Batch, Error, Journal, Limits, NewCase, Opened, Outcome, Received, RecordedAnswer, RecordedRationale, Refusal,
    Resolution, ReviewLine, ReviewReason, Student, Tidied, Writer,
};
use tempfile::TempDir;

pub const LIMITS: Limits = Limits { disk_bytes_max: 64 << 20 };

pub fn at(seconds: u64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(1_772_352_000 + seconds)
}

pub fn open(folder: &Path) -> (Journal, Opened) {
    Journal::open(folder, LIMITS).unwrap()
}

pub fn asked(request: &str) -> NewCase {
    NewCase {
        client: "press 3".to_owned(),
        request: request.to_owned(),
        task: "failure".to_owned(),
        question: format!("type=M air=298.1 torque=42.8 wear={request}"),
        wants_rationale: false,
        route: b"sokutou/answer/press3".to_vec(),
        source: "mqtt".to_owned(),
        expires_after: Some(Duration::from_millis(30_500)),
        received_at: at(0),
    }
}

pub fn sure(answer: &str) -> RecordedAnswer {
    RecordedAnswer {
        task: "failure".to_owned(),
        answer: answer.to_owned(),
        label: format!("{answer} 故障"),
        code: Some(3),
        confidence: Confidence::new(0.9981).unwrap(),
        band: Band::High,
        decision: Decision::Answered,
        detail: None,
        mode: Mode::AnswerFirst,
        rationale: None,
        student: Student {
            name: "machine-failure".to_owned(),
            version: "0.2.0".to_owned(),
            serial: 7,
            sha256: "ab".repeat(32),
        },
        tokens: 1,
        time_to_answer: Duration::from_micros(8_250),
        answered_at: at(1),
    }
}

fn unsure(answer: &str) -> RecordedAnswer {
    RecordedAnswer {
        decision: Decision::Escalated(Reason::Unsure),
        detail: None,
        mode: Mode::ThinkFirst,
        band: Band::Low,
        ..sure(answer)
    }
}

fn reasons(agrees: bool) -> RecordedRationale {
    let agreement = Agreement { agrees, strength: Confidence::new(0.25).unwrap() };
    RecordedRationale { text: "308.6-298.1=10.5".to_owned(), agreement: Some(agreement) }
}

/// A folder, its journal, and one step at a time.
struct Bench {
    folder: TempDir,
    journal: Option<Journal>,
}

impl Bench {
    fn new() -> Self {
        let folder = TempDir::new().unwrap();
        let (journal, opened) = open(folder.path());
        assert_eq!(opened, Opened::New);
        Self { folder, journal: Some(journal) }
    }

    fn step<T>(&mut self, steps: impl FnOnce(&mut Batch<'_>) -> Result<T, Error>) -> Result<T, Refusal> {
        self.journal.as_mut().unwrap().batch(steps).map_err(|error| match error {
            Error::Refused(refusal) => refusal,
            error => panic!("{error:?}"),
        })
    }

    fn new_case(&mut self, new: &NewCase) -> CaseId {
        match self.step(|batch| batch.receive(new)).unwrap() {
            Received::New(case) => case,
            Received::Known(case) => panic!("known: {case:?}"),
        }
    }

    fn answered(&mut self, request: &str, recorded: &RecordedAnswer) -> CaseId {
        let case = self.new_case(&asked(request));
        self.step(|batch| batch.answered(case, recorded)).unwrap();
        case
    }

    fn case(&mut self, case: CaseId) -> sokutou::store::Case {
        self.step(|batch| batch.case(case)).unwrap().unwrap()
    }

    fn outbox(&mut self) -> Vec<(CaseId, DeliveryKind)> {
        self.step(|batch| batch.undelivered(None, 100)).unwrap()
    }

    /// As after a crash between two batches: nothing that memory held is left.
    fn reopen(&mut self) {
        self.journal.take().unwrap().close().unwrap();
        let (journal, opened) = open(self.folder.path());
        assert_eq!(opened, Opened::Clean);
        self.journal = Some(journal);
    }
}

#[test]
fn a_case_goes_its_way_and_recovery_goes_on_from_every_step() {
    let mut bench = Bench::new();
    let new = NewCase { wants_rationale: true, ..asked("1") };
    let case = bench.new_case(&new);
    bench.reopen();
    assert_eq!(bench.step(|batch| batch.unanswered(None, 9)), Ok(vec![case]));
    let known = bench.case(case);
    assert_eq!((&known.asked, known.question_kept, known.revision(), known.delivered), (&new, true, None, false));

    let recorded = unsure("HDF");
    bench.step(|batch| batch.answered(case, &recorded)).unwrap();
    bench.reopen();
    assert_eq!(bench.step(|batch| batch.unanswered(None, 9)), Ok(vec![]));
    assert_eq!(bench.outbox(), [(case, DeliveryKind::Reply(0))]);
    assert_eq!(bench.step(|batch| batch.unexplained(None, 9)), Ok(vec![case]));
    assert_eq!(bench.case(case).outcome, Some(Outcome::Answered(Box::new(recorded.clone()))));
    let open = bench.step(|batch| batch.reviews(ReviewState::Open, None, 9)).unwrap();
    assert_eq!((open[0].id, open[0].reviews[0].why), (case, ReviewReason::Escalated(Reason::Unsure)));

    bench.step(|batch| batch.rationale(case, Some(&reasons(true)), at(2))).unwrap();
    bench.step(|batch| batch.delivered(case, DeliveryKind::Reply(0))).unwrap();
    bench.reopen();
    assert_eq!(bench.outbox(), [(case, DeliveryKind::Rationale)]);
    assert_eq!(bench.case(case).rationale(), Some(&reasons(true)));
    bench.step(|batch| batch.delivered(case, DeliveryKind::Rationale)).unwrap();
    assert!(bench.outbox().is_empty() && bench.case(case).delivered);

    bench.step(|batch| batch.claim(case, "line 2", at(60))).unwrap();
    let claimed = bench.step(|batch| batch.claim(case, "shift lead", at(61)));
    assert_eq!(claimed, Err(Refusal::Claimed { case, by: "line 2".to_owned() }));
    bench.step(|batch| batch.claim(case, "shift lead", at(60 + 15 * 60))).unwrap();
    let wrong = ReviewVerdict::Wrong(" PWF\n".to_owned());
    let revision = bench.step(|batch| batch.resolve(case, &wrong, Some("shift lead"), at(90))).unwrap();
    bench.reopen();
    assert_eq!((revision, bench.outbox()), (1, vec![(case, DeliveryKind::Reply(1))]));
    assert!(!bench.case(case).delivered);
    // The reply of the student that was still on its way does not stand for the person's.
    bench.step(|batch| batch.delivered(case, DeliveryKind::Reply(0))).unwrap();
    assert_eq!(bench.outbox(), [(case, DeliveryKind::Reply(1))]);
    bench.step(|batch| batch.delivered(case, DeliveryKind::Reply(1))).unwrap();

    // A later person overrules.
    let revision = bench.step(|batch| batch.resolve(case, &ReviewVerdict::Unclear, None, at(95))).unwrap();
    assert_eq!((revision, bench.case(case).revision()), (2, Some(2)));
    let page = bench.step(|batch| batch.export(batch.exported_through()?, 9)).unwrap();
    assert_eq!(page.iter().map(|one| one.resolution).collect::<Vec<_>>(), [Resolution(1), Resolution(2)]);
    bench.step(|batch| batch.mark_exported(Resolution(1), at(99))).unwrap();
    bench.reopen();
    let page = bench.step(|batch| batch.export(batch.exported_through()?, 9)).unwrap();
    assert_eq!(page.len(), 1);
    assert!(page[0].line.id.ends_with("-1-2"), "{}", page[0].line.id);
}

#[test]
fn the_same_request_again_is_the_case_it_was() {
    let mut bench = Bench::new();
    let case = bench.new_case(&asked("1"));
    for outcome in [None, Some(Outcome::Answered(Box::new(sure("HDF"))))] {
        if outcome.is_some() {
            bench.step(|batch| batch.answered(case, &sure("HDF"))).unwrap();
        }
        let again = NewCase { received_at: at(500), route: vec![9], ..asked("1") };
        let Received::Known(known) = bench.step(|batch| batch.receive(&again)).unwrap() else { panic!("twice") };
        assert_eq!((known.id, known.outcome), (case, outcome));
        bench.reopen();
    }
    assert_eq!(bench.step(|batch| batch.counts()).unwrap().received, 1);
    // An id that a machine began to count again from: its old answer would be wrong.
    for other in
        [NewCase { question: "wear=9".to_owned(), ..asked("1") }, NewCase { task: "name".to_owned(), ..asked("1") }]
    {
        let refused = bench.step(|batch| batch.receive(&other)).unwrap_err();
        assert!(matches!(refused, Refusal::OtherQuestion { case: of, .. } if of == case), "{refused}");
    }
    assert_ne!(bench.new_case(&NewCase { client: "press 4".to_owned(), ..asked("1") }), case);
}

#[test]
fn reasons_that_lead_elsewhere_open_a_review_where_no_person_was_asked() {
    let mut bench = Bench::new();
    let open = |bench: &mut Bench| -> Vec<(CaseId, ReviewReason)> {
        let cases = bench.step(|batch| batch.reviews(ReviewState::Open, None, 9)).unwrap();
        cases.iter().map(|case| (case.id, case.reviews.last().unwrap().why)).collect()
    };
    let wrote = |bench: &mut Bench, case, agrees| {
        bench.step(|batch| batch.rationale(case, Some(&reasons(agrees)), at(5))).unwrap();
    };

    let agreed = bench.answered("agreed", &sure("HDF"));
    wrote(&mut bench, agreed, true);
    let torn = bench.answered("torn", &sure("HDF"));
    wrote(&mut bench, torn, false);
    let thought = RecordedAnswer { rationale: Some(reasons(false)), ..sure("HDF") };
    let thought = bench.answered("thought", &thought);
    assert_eq!(open(&mut bench), [(torn, ReviewReason::Disagreement), (thought, ReviewReason::Disagreement)]);

    // A person looks already, or has looked: nobody is asked twice.
    let hard = bench.answered("hard", &unsure("HDF"));
    let seen = bench.answered("seen", &sure("HDF"));
    bench.step(|batch| batch.resolve(seen, &ReviewVerdict::Right, None, at(4))).unwrap();
    for case in [hard, seen] {
        wrote(&mut bench, case, false);
    }
    let escalated = ReviewReason::Escalated(Reason::Unsure);
    assert_eq!(
        open(&mut bench),
        [(torn, ReviewReason::Disagreement), (thought, ReviewReason::Disagreement), (hard, escalated)]
    );
    bench.reopen();
    bench.step(|batch| batch.resolve(torn, &ReviewVerdict::Wrong("PWF".to_owned()), Some("line 2"), at(6))).unwrap();
    assert_eq!(bench.case(torn).revision(), Some(1), "whoever asked hears it");
    let page = bench.step(|batch| batch.export(Resolution(1), 9)).unwrap();
    assert_eq!((&*page[0].line.decision, page[0].line.reason.as_deref()), ("answered", Some("disagreement")));
}

#[test]
fn cases_without_an_answer_are_told_and_never_reviewed() {
    let mut bench = Bench::new();
    let expired = bench.new_case(&asked("1"));
    let failed = bench.new_case(&asked("2"));
    bench.step(|batch| batch.expired(expired, at(3))).unwrap();
    bench.step(|batch| batch.failed_to_answer(failed, "the question is longer than the student reads", at(3))).unwrap();
    assert_eq!(bench.outbox(), [(expired, DeliveryKind::Reply(0)), (failed, DeliveryKind::Reply(0))]);
    assert_eq!(bench.case(expired).outcome, Some(Outcome::Expired));
    assert!(matches!(bench.case(failed).outcome, Some(Outcome::Failed(why)) if why.contains("longer")));
    for case in [expired, failed] {
        assert_eq!(bench.step(|batch| batch.answered(case, &sure("HDF"))), Err(Refusal::HasOutcome(case)));
        assert_eq!(
            bench.step(|batch| batch.open_review(case, ReviewReason::Audit, at(4))),
            Err(Refusal::NoAnswer(case))
        );
    }
    bench.step(|batch| batch.abandon(expired, at(5))).unwrap();
    assert_eq!(bench.outbox(), [(failed, DeliveryKind::Reply(0))]);
    let dropped = bench.step(|batch| batch.dropped_so_far()).unwrap();
    assert_eq!((dropped[0].why.as_str(), dropped[0].count), ("undelivered", 1));
}

#[test]
fn a_refused_step_writes_nothing_and_the_journal_goes_on() {
    let mut bench = Bench::new();
    let case = bench.answered("1", &sure("HDF"));
    let nobody = CaseId(99);
    let long = "x".repeat(20_000);
    let empty = RecordedAnswer { answer: " ".to_owned(), ..sure("HDF") };
    let wrong = |correction: &str| ReviewVerdict::Wrong(correction.to_owned());
    type Step<'a> = Box<dyn FnOnce(&mut Batch<'_>) -> Result<(), Error> + 'a>;
    let steps: Vec<Step<'_>> = vec![
        Box::new(|batch| batch.receive(&NewCase { question: " \u{3000}".to_owned(), ..asked("2") }).map(drop)),
        Box::new(|batch| batch.receive(&NewCase { question: long.clone(), ..asked("2") }).map(drop)),
        Box::new(|batch| batch.receive(&NewCase { route: vec![0; 5000], ..asked("2") }).map(drop)),
        Box::new(|batch| batch.receive(&NewCase { client: String::new(), ..asked("2") }).map(drop)),
        Box::new(|batch| batch.answered(nobody, &sure("HDF"))),
        Box::new(|batch| batch.answered(case, &sure("HDF"))),
        Box::new(|batch| batch.answered(case, &empty)),
        Box::new(|batch| batch.delivered(case, DeliveryKind::Reply(1))),
        Box::new(|batch| batch.claim(case, "line 2", at(1))),
        Box::new(|batch| batch.resolve(case, &wrong(" HDF "), None, at(1)).map(drop)),
        Box::new(|batch| batch.resolve(case, &wrong(" "), None, at(1)).map(drop)),
        Box::new(|batch| batch.resolve(case, &ReviewVerdict::Right, Some(" "), at(1)).map(drop)),
        Box::new(|batch| {
            batch.rationale(case, Some(&RecordedRationale { text: "\n".to_owned(), agreement: None }), at(2))
        }),
        Box::new(|batch| batch.mark_exported(Resolution(1), at(1))),
    ];
    for (number, step) in steps.into_iter().enumerate() {
        assert!(bench.step(step).is_err(), "step {number}");
    }
    // A refusal takes back what its own steps wrote, and no more.
    bench
        .step(|batch| {
            batch.together(|batch| batch.receive(&asked("3")))?;
            let refused = batch.together(|batch| {
                batch.receive(&asked("4"))?;
                batch.answered(nobody, &sure("HDF"))
            });
            assert!(refused.is_err());
            batch.together(|batch| batch.receive(&asked("5")))
        })
        .unwrap();
    bench.reopen();
    let waiting = bench.step(|batch| batch.unanswered(None, 9)).unwrap();
    let requests: Vec<String> = waiting.into_iter().map(|case| bench.case(case).asked.request).collect();
    assert_eq!(requests, ["3", "5"]);
    let silent = RecordedAnswer { answer: String::new(), decision: Decision::Escalated(Reason::NoAnswer), ..sure("") };
    let silent = bench.answered("6", &silent);
    let right = bench.step(|batch| batch.resolve(silent, &ReviewVerdict::Right, None, at(1)));
    assert!(matches!(right, Err(Refusal::Contradiction(_))), "{right:?}");
}

#[test]
fn pages_of_the_outbox_hold_whole_cases_or_begin_with_their_reply() {
    let mut bench = Bench::new();
    for request in 1..=5 {
        let new = NewCase { wants_rationale: request % 2 == 1, ..asked(&request.to_string()) };
        let case = bench.new_case(&new);
        let recorded = RecordedAnswer { rationale: Some(reasons(true)), ..sure("HDF") };
        bench.step(|batch| batch.answered(case, &recorded)).unwrap();
    }
    let all = bench.outbox();
    assert_eq!(all.len(), 8);
    for limit in 1..=6 {
        let (mut paged, mut after) = (Vec::new(), None);
        loop {
            let page = bench.step(|batch| batch.undelivered(after, limit)).unwrap();
            let Some((last, _)) = page.last() else { break };
            after = Some(*last);
            paged.extend(page);
        }
        assert_eq!(paged, all, "pages of {limit}");
    }
}

#[test]
fn two_daemons_do_not_share_a_journal() {
    let bench = Bench::new();
    let error = Journal::open(bench.folder.path(), LIMITS).err().unwrap();
    let words = error.to_string();
    assert!(words.contains(&format!("by process {}", std::process::id())), "{words}");
    // And another program is kept out by SQLite itself, whatever its age.
    let other = rusqlite::Connection::open(bench.folder.path().join("journal.db")).unwrap();
    assert!(other.query_row("SELECT count(*) FROM cases", [], |row| row.get::<_, i64>(0)).is_err());
}

/// Cases answered with `recorded` and delivered, several a batch, until tidying did what is looked for.
fn fill(
    bench: &mut Bench,
    from: &mut u32,
    until: impl Fn(&Tidied) -> bool,
    recorded: &RecordedAnswer,
) -> Result<(), Refusal> {
    for _ in 0..1000 {
        let refused = bench.step(|batch| {
            for _ in 0..20 {
                let request = from.to_string();
                *from += 1;
                let new = NewCase { question: format!("{request} {}", "トルク ".repeat(120)), ..asked(&request) };
                let received = match batch.receive(&new) {
                    Err(Error::Refused(refusal)) => return Ok(Some(refusal)),
                    received => received?,
                };
                let Received::New(case) = received else { panic!("known") };
                batch.answered(case, recorded)?;
                batch.delivered(case, DeliveryKind::Reply(0))?;
            }
            Ok(None)
        })?;
        if let Some(refusal) = refused {
            return Err(refusal);
        }
        let tidied = bench.journal.as_mut().unwrap().tidy(at(7)).unwrap();
        if until(&tidied) {
            return Ok(());
        }
    }
    panic!("the journal never filled");
}

#[test]
fn the_disk_budget_is_walked_from_texts_to_cases_to_refusal_and_hard_cases_stay() {
    let folder = TempDir::new().unwrap();
    let limits = Limits { disk_bytes_max: 9 << 20 };
    let (journal, _) = Journal::open(folder.path(), limits).unwrap();
    let mut bench = Bench { folder, journal: Some(journal) };
    let used = |bench: &mut Bench| bench.step(|batch| batch.counts()).unwrap().used_bytes;
    let budget = 1 << 20;
    let hard = bench.answered("hard", &unsure("HDF"));
    bench.step(|batch| batch.delivered(hard, DeliveryKind::Reply(0))).unwrap();
    let waiting = bench.new_case(&asked("waiting"));
    let mut from = 0;
    let with_reasons = RecordedAnswer { rationale: Some(reasons(true)), ..sure("HDF") };

    fill(&mut bench, &mut from, |tidied| tidied.texts > 0, &with_reasons).unwrap();
    let left = used(&mut bench);
    assert!(left < budget / 100 * 82, "texts went before more came: {left} of {budget}");
    let first = bench.case(CaseId(waiting.0 + 1));
    assert!(!first.question_kept && first.rationale().is_none() && first.outcome.is_some());
    let audit = bench.step(|batch| batch.open_review(first.id, ReviewReason::Audit, at(8)));
    assert_eq!(audit, Err(Refusal::Evicted(first.id)));

    fill(&mut bench, &mut from, |tidied| tidied.easy > 0, &with_reasons).unwrap();
    assert!(bench.step(|batch| batch.case(first.id)).unwrap().is_none(), "the oldest goes first");
    for kept in [hard, waiting] {
        assert!(bench.case(kept).question_kept);
    }
    // Easy cases never fill the journal: it goes on with the newest for ever.
    for _ in 0..5 {
        fill(&mut bench, &mut from, |tidied| tidied.easy > 0, &with_reasons).unwrap();
    }

    // Hard ones do.
    let refused = fill(&mut bench, &mut from, |_| false, &unsure("HDF")).unwrap_err();
    assert!(matches!(refused, Refusal::Full { .. }), "{refused}");
    assert!(used(&mut bench) < budget);
    let open = bench.step(|batch| batch.counts()).unwrap().reviews_open;
    let refused = bench.step(|batch| batch.receive(&asked("more"))).unwrap_err();
    assert!(matches!(refused, Refusal::Full { .. }), "{refused}");
    let Received::Known(_) = bench.step(|batch| batch.receive(&asked("waiting"))).unwrap() else { panic!("forgot") };

    // What is resolved but not exported stays too; what is exported may go, and then questions are taken again.
    let mut after = None;
    loop {
        let page = bench.step(|batch| batch.reviews(ReviewState::Open, after, 50)).unwrap();
        let Some(last) = page.last() else { break };
        after = Some(last.id);
        bench
            .step(|batch| {
                page.iter().try_for_each(|case| {
                    let revision = batch.resolve(case.id, &ReviewVerdict::Right, None, at(9))?;
                    batch.delivered(case.id, DeliveryKind::Reply(revision))
                })
            })
            .unwrap();
    }
    for _ in 0..200 {
        assert_eq!(bench.journal.as_mut().unwrap().tidy(at(9)).unwrap().exported, 0);
    }
    assert_eq!(bench.step(|batch| batch.counts()).unwrap().unexported, open);
    bench.step(|batch| batch.mark_exported(batch.resolved_through()?, at(10))).unwrap();
    let rounds = (0..400).map(|_| bench.journal.as_mut().unwrap().tidy(at(10)).unwrap());
    assert!(rounds.map(|tidied| tidied.exported).sum::<usize>() > 0);
    bench.new_case(&asked("more"));

    let dropped = bench.step(|batch| batch.dropped_so_far()).unwrap();
    let whys: BTreeSet<&str> = dropped.iter().map(|line| line.why.as_str()).collect();
    assert_eq!(whys, BTreeSet::from(["easy", "exported", "texts"]));

    // Space goes back to the file system: what is free is cut off, and the log is empty.
    let bytes = |name: &str| std::fs::metadata(bench.folder.path().join(name)).map_or(0, |file| file.len());
    let used = bench.journal.as_mut().unwrap().batch(|batch| batch.counts()).unwrap().used_bytes;
    bench.journal.as_mut().unwrap().idle().unwrap();
    bench.journal.take().unwrap().close().unwrap();
    assert_eq!((bytes("journal.db"), bytes("journal.db-wal")), (used, 0));
}

#[test]
fn the_log_stays_short_under_load() {
    let mut bench = Bench::new();
    let log = bench.folder.path().join("journal.db-wal");
    let mut longest = 0;
    for request in 0..600 {
        bench.new_case(&asked(&request.to_string()));
        longest = longest.max(std::fs::metadata(&log).unwrap().len());
    }
    assert!(longest < 1200 << 10, "{longest} bytes");
}

#[test]
fn an_export_is_what_the_workshop_reads() {
    let mut bench = Bench::new();
    bench.answered("1", &sure("HDF"));
    let ja = NewCase { question: "トルク 42.8、故障は？".to_owned(), ..asked("2") };
    let ja = bench.new_case(&ja);
    let thought = RecordedAnswer { rationale: Some(reasons(true)), ..unsure("HDF") };
    bench.step(|batch| batch.answered(ja, &thought)).unwrap();
    let silent = RecordedAnswer { answer: String::new(), decision: Decision::Escalated(Reason::NoAnswer), ..sure("") };
    let silent = bench.answered("3", &silent);
    bench
        .step(|batch| {
            batch.open_review(CaseId(1), ReviewReason::Audit, at(10))?;
            batch.resolve(CaseId(1), &ReviewVerdict::Right, Some("line 2"), at(11))?;
            batch.resolve(
                ja,
                &ReviewVerdict::Wrong("PWF".to_owned()),
                Some("班長"),
                at(12) + Duration::from_millis(250),
            )?;
            batch.resolve(silent, &ReviewVerdict::Unclear, None, at(13))?;
            batch.resolve(CaseId(1), &ReviewVerdict::Wrong("OSF".to_owned()), None, at(14))
        })
        .unwrap();
    let journal = bench.step(|batch| batch.journal_id()).unwrap();
    let lines: Vec<ReviewLine> =
        bench.step(|batch| batch.export(Resolution(0), 99)).unwrap().into_iter().map(|one| one.line).collect();
    let second = serde_json::to_string(&lines[1]).unwrap();
    assert_eq!(
        second,
        format!(r#"{{"id":"{journal}-2-1","task":"failure","question":"トルク 42.8、故障は？","answer":"HDF","#)
            + r#""rationale":"308.6-298.1=10.5","lang":"ja","student":{"name":"machine-failure","version":"0.2.0","serial":7},"#
            + r#""decision":"escalated","reason":"unsure","mode":"think_first","confidence":0.9981,"verdict":"wrong","#
            + r#""correction":"PWF","reviewer":"班長","reviewed_at":"2026-03-01T08:00:12.25Z"}"#
    );
    let said: Vec<_> = lines.iter().map(|line| (line.verdict.as_str(), line.reason.as_deref())).collect();
    let expected =
        [("right", Some("audit")), ("wrong", Some("unsure")), ("unclear", Some("no_answer")), ("wrong", Some("audit"))];
    assert_eq!(said, expected);

    // The committed sample of the workshop parses as these records, with the same keys and nothing else.
    let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/reviews.jsonl");
    let keys = |value: &serde_json::Value| value.as_object().unwrap().keys().cloned().collect::<BTreeSet<_>>();
    let ours = keys(&serde_json::to_value(&lines[0]).unwrap());
    for line in std::fs::read_to_string(data).unwrap().lines() {
        let value: serde_json::Value = serde_json::from_str(line).unwrap();
        let parsed: ReviewLine = serde_json::from_value(value.clone()).unwrap();
        assert_eq!(keys(&value), ours);
        assert_eq!(serde_json::to_value(parsed).unwrap(), value);
    }

    let choices = ["HDF", "PWF", "OSF", "A \"<b>\" & c"];
    let tasks = serde_json::to_value(label_studio(&lines, &choices)).unwrap();
    assert_eq!(tasks.as_array().unwrap().len(), 3, "one a case");
    assert_eq!(tasks[0]["annotations"].as_array().unwrap().len(), 2);
    assert_eq!(tasks[1]["predictions"][0]["result"][0]["value"]["choices"][0], "HDF");
    assert_eq!(tasks[1]["annotations"][0]["result"][1]["value"]["choices"][0], "PWF");
    assert_eq!(tasks[2]["predictions"].as_array().unwrap().len(), 0);
    let mut ids = Vec::new();
    let config = labelling_config(&choices);
    let mut regions = |of: &serde_json::Value| {
        for region in of.as_array().unwrap().iter().flat_map(|one| one["result"].as_array().unwrap()) {
            ids.push(region["id"].clone());
            for key in ["from_name", "to_name"] {
                let name = region[key].as_str().unwrap();
                assert!(config.contains(&format!(" name=\"{name}\"")), "{name} is no part of\n{config}");
            }
        }
    };
    for task in tasks.as_array().unwrap() {
        regions(&task["predictions"]);
        regions(&task["annotations"]);
    }
    let unique: BTreeSet<String> = ids.iter().map(ToString::to_string).collect();
    assert_eq!(unique.len(), ids.len());
    assert!(config.contains("A &quot;&lt;b&gt;&quot; &amp; c"));
    assert!(labelling_config(&[]).contains("<TextArea name=\"answer\""));
    let free = serde_json::to_value(label_studio(&lines, &[])).unwrap();
    assert_eq!(free[1]["annotations"][0]["result"][1]["value"]["text"][0], "PWF");
}

#[test]
fn the_writer_answers_each_step_when_it_is_on_disk_and_closes_clean() {
    let folder = TempDir::new().unwrap();
    let (writer, running) = Writer::start(open(folder.path()).0, || at(0)).unwrap();
    let askers: Vec<_> = (0..8)
        .map(|asker| {
            let writer = writer.clone();
            std::thread::spawn(move || {
                for request in 0..25 {
                    let new = asked(&format!("{asker}-{request}"));
                    let received = writer.step_blocking(move |batch| batch.receive(&new)).unwrap();
                    let Received::New(case) = received else { panic!("known") };
                    writer.step_blocking(move |batch| batch.answered(case, &sure("HDF"))).unwrap();
                    let refused = writer.step_blocking(move |batch| batch.answered(case, &sure("HDF"))).unwrap_err();
                    assert_eq!(refused.refusal(), Some(&Refusal::HasOutcome(case)));
                }
            })
        })
        .collect();
    for asker in askers {
        asker.join().unwrap();
    }
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let first = CaseId(1);
    runtime.block_on(writer.step_lazily(move |batch| batch.delivered(first, DeliveryKind::Reply(0)))).unwrap();
    drop(writer);
    running.join().unwrap();
    let (mut journal, opened) = open(folder.path());
    assert_eq!(opened, Opened::Clean);
    let counts = journal.batch(|batch| batch.counts()).unwrap();
    assert_eq!((counts.received, counts.unanswered, counts.undelivered), (200, 0, 199));
}
