//! The student's thread: one question after the other, answers before rationales as long as those come on too. Knows no trigger
//! and no journal.

use std::collections::VecDeque;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, TryRecvError, channel};
use std::thread;
use std::time::{Duration, Instant};

use crate::bundle::Bundle;
use crate::domain::{Language, Verdict, chain};
use crate::engine::{AskError, Engine, Library, Model, OrtModel};
use crate::pipeline::{self, Explained, Think};
use crate::policy::Policy;

/// Why a question has no answer while there is no student.
pub const NOT_LOADED: &str = "the student is not loaded";
/// How often an idle thread shows that it lives.
const HEARTBEAT: Duration = Duration::from_secs(1);
/// A student that could not be loaded is tried again after this: a bundle may be on its way to the disk.
const RETRY: Duration = Duration::from_secs(30);
/// So many answers, and a rationale that waits has its turn: a line that asks without a pause must not keep the reasons for ever.
const ANSWERS_IN_A_ROW_MAX: usize = 8;
/// A question that had to wait is begun while so many times what an answer usually takes are left to it: with the time that one
/// would waste which comes too late, another one comes in time.
const MARGIN: u32 = 2;
/// How slowly the usual follows: in so many answers.
const USUAL_OVER: u32 = 8;

/// A question for the student.
#[derive(Debug)]
pub struct Question<C> {
    /// Whose question it is; comes back with what became of it.
    pub case: C,
    /// Which task; empty for the bundle's own choice.
    pub task: String,
    /// The question.
    pub question: String,
    /// When it was asked.
    pub asked: Instant,
    /// After this nobody needs an answer.
    pub expires: Option<Instant>,
    /// What is wanted.
    pub wanted: Wanted,
}

/// What a question is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// An answer, and nothing else until somebody asks.
    Answer,
    /// The rationale of an answer that was given before.
    Rationale,
}

/// What the thread reports.
pub enum Report<C> {
    /// The student is loaded, or is not, for this reason.
    Student(Result<Arc<Bundle>, String>),
    /// An answer.
    Answered(Box<Answered<C>>),
    /// Its time had run out before the student was asked, or would have before it answered.
    Expired(C),
    /// No answer, for this reason; the student goes on.
    Failed(C, Wanted, String),
    /// The thread lives; said at least every second while it does.
    Alive,
}

/// An answer as the thread hands it out.
pub struct Answered<C> {
    /// Whose.
    pub case: C,
    /// What was wanted.
    pub wanted: Wanted,
    /// Of the question.
    pub language: Language,
    /// Which task.
    pub task: String,
    /// The policy's word.
    pub verdict: Verdict,
    /// Tokens that the student wrote until then.
    pub tokens: usize,
    /// From the question's text to the verdict.
    pub time_to_answer: Duration,
    /// The rationale, where it was wanted and there is one.
    pub explained: Option<Explained>,
    /// The student that answered.
    pub bundle: Arc<Bundle>,
}

/// The thread's end that the daemon holds. Dropped, it ends the thread after the question in hand.
pub struct Student<C>(Sender<Question<C>>);

impl<C: Send + 'static> Student<C> {
    /// Starts the thread, which loads the student of a bundle's folder and tries again while it cannot. `report` is called from it.
    pub fn start(folder: PathBuf, report: impl FnMut(Report<C>) + Send + 'static) -> io::Result<Self> {
        let (asked, asking) = channel();
        let waiting = Waiting { asking, answers: VecDeque::new(), rationales: VecDeque::new(), in_a_row: 0 };
        thread::Builder::new().name("student".to_owned()).spawn(move || serve(&folder, waiting, report))?;
        Ok(Self(asked))
    }

    /// Hands a question over; answers go before rationales, but not for ever. The caller bounds how many wait.
    pub fn ask(&self, question: Question<C>) {
        drop(self.0.send(question)); // a thread that ended has said why
    }
}

struct Waiting<C> {
    asking: Receiver<Question<C>>,
    answers: VecDeque<Question<C>>,
    rationales: VecDeque<Question<C>>,
    in_a_row: usize,
}

enum Next<C> {
    Question(Question<C>),
    Nothing,
    Ended,
}

impl<C> Waiting<C> {
    /// An answer if one is wanted and no rationale has its turn, else a rationale, else whatever comes within a moment.
    fn next(&mut self) -> Next<C> {
        loop {
            match self.asking.try_recv() {
                Ok(question) => self.keep(question),
                Err(TryRecvError::Disconnected) => return Next::Ended,
                Err(TryRecvError::Empty) => break,
            }
        }
        if self.answers.is_empty() && self.rationales.is_empty() {
            match self.asking.recv_timeout(HEARTBEAT) {
                Ok(question) => self.keep(question),
                Err(RecvTimeoutError::Timeout) => return Next::Nothing,
                Err(RecvTimeoutError::Disconnected) => return Next::Ended,
            }
        }
        let turn = self.answers.is_empty() || self.in_a_row >= ANSWERS_IN_A_ROW_MAX;
        let rationale = if turn { self.rationales.pop_front() } else { None };
        self.in_a_row = if rationale.is_some() { 0 } else { self.in_a_row + 1 };
        rationale.or_else(|| self.answers.pop_front()).map_or(Next::Nothing, Next::Question)
    }

    fn keep(&mut self, question: Question<C>) {
        match question.wanted {
            Wanted::Answer => self.answers.push_back(question),
            Wanted::Rationale => self.rationales.push_back(question),
        }
    }
}

fn serve<C>(folder: &Path, mut waiting: Waiting<C>, mut report: impl FnMut(Report<C>)) {
    let (bundle, mut engine) = loop {
        match load(folder) {
            Ok(loaded) => break loaded,
            Err(why) => {
                report(Report::Student(Err(why)));
                let again = Instant::now() + RETRY;
                // Meanwhile every question is a person's: nothing waits for a student that may never come.
                while Instant::now() < again {
                    match waiting.next() {
                        Next::Question(Question { case, wanted, .. }) => {
                            report(Report::Failed(case, wanted, NOT_LOADED.to_owned()));
                        }
                        Next::Nothing => report(Report::Alive),
                        Next::Ended => return,
                    }
                }
            }
        }
    };
    report(Report::Student(Ok(bundle.clone())));
    let mut usual = Duration::ZERO;
    loop {
        match waiting.next() {
            Next::Question(question) => {
                // What did not wait for more than one other has all the time that it can have, and is tried.
                let needed = if question.asked.elapsed() > usual { usual * MARGIN } else { Duration::ZERO };
                let answered = answer(&mut engine, &bundle, question, needed);
                match &answered {
                    Report::Answered(answered) if answered.wanted == Wanted::Answer => {
                        usual = (usual * (USUAL_OVER - 1) + answered.time_to_answer) / USUAL_OVER;
                    }
                    // Gone without work, it gives no rationale a turn.
                    Report::Expired(_) => waiting.in_a_row = waiting.in_a_row.saturating_sub(1),
                    _ => {}
                }
                report(answered);
            }
            Next::Nothing => report(Report::Alive),
            Next::Ended => return,
        }
    }
}

fn load(folder: &Path) -> Result<(Arc<Bundle>, Engine<OrtModel>), String> {
    let bundle = Bundle::open(folder).map_err(|error| chain(&error))?;
    let library = Library::load().map_err(|error| chain(&error))?;
    let engine = Engine::open(&library, &bundle).map_err(|error| chain(&error))?;
    Ok((Arc::new(bundle), engine))
}

fn answer<C, M: Model>(
    engine: &mut Engine<M>,
    bundle: &Arc<Bundle>,
    question: Question<C>,
    needed: Duration,
) -> Report<C> {
    let Question { case, task, question, expires, wanted, .. } = question;
    if expires.is_some_and(|expires| expires <= Instant::now() + needed) {
        return Report::Expired(case);
    }
    let mut asked = || -> Result<_, AskError> {
        let task = if task.is_empty() { bundle.default_task() } else { bundle.task(&task)? };
        let policy = Policy::of(task);
        let answered = pipeline::answer(engine, &policy, Think::Auto, &question)?;
        let (verdict, language) = (answered.verdict.clone(), answered.language);
        let (tokens, time_to_answer) = (answered.tokens, answered.time_to_answer);
        let explained = if wanted == Wanted::Answer { None } else { answered.explain()? };
        Ok((task.id.clone(), verdict, language, tokens, time_to_answer, explained))
    };
    match asked() {
        Ok((task, verdict, language, tokens, time_to_answer, explained)) => Report::Answered(Box::new(Answered {
            case,
            wanted,
            language,
            task,
            verdict,
            tokens,
            time_to_answer,
            explained,
            bundle: bundle.clone(),
        })),
        Err(error) => Report::Failed(case, wanted, chain(&error)),
    }
}
