//! The inference thread: one question after the other, answers before rationales as long as those come on too. Another bundle takes
//! over between two questions. Knows no transport and no journal.

use std::collections::VecDeque;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, TryRecvError, channel};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use crate::api::answer::NOT_LOADED;
use crate::bundle::Bundle;
use crate::domain::{Language, Verdict, chain};
use crate::engine::{AskError, Engine, Library, OrtModel};
use crate::pipeline::{self, Explained, Procedures, Think};

/// How often an idle thread shows that it lives.
const HEARTBEAT: Duration = Duration::from_secs(1);
/// A model that could not be loaded is tried again after this: a bundle may be on its way to the disk.
const RETRY: Duration = Duration::from_secs(30);
/// At the end the thread may compute for so long: the slowest device answers in a fraction of it.
const END_TIME_MAX: Duration = Duration::from_secs(10);
const END_POLL: Duration = Duration::from_millis(5);
/// So many answers, and a rationale that waits has its turn: a line that asks without a pause must not keep the reasons for ever.
const ANSWERS_IN_A_ROW_MAX: usize = 8;
/// A question that had to wait is begun while so many times what an answer usually takes are left to it: with the time that one
/// would waste which comes too late, another one comes in time.
const MARGIN: u32 = 2;
/// How slowly the usual follows: in so many answers.
const USUAL_OVER: u32 = 8;

/// A question for the model.
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
    /// The same for nobody, to see where it leads: only while nothing else is wanted.
    Check,
}

/// What the thread reports.
pub enum Report<C> {
    /// The model is loaded, or there is none, for this reason.
    Loaded(Result<Arc<Bundle>, String>),
    /// Another model was to take over and cannot, for this reason; the one before goes on.
    SwapFailed(String),
    /// An answer.
    Answered(Box<Answered<C>>),
    /// Its time had run out before the model was asked, or would have before it answered.
    Expired(C),
    /// No answer, for this reason; the model goes on.
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
    /// Tokens that the model wrote until then.
    pub tokens: usize,
    /// From the question's text to the verdict.
    pub time_to_answer: Duration,
    /// The rationale, where it was wanted and there is one.
    pub explained: Option<Explained>,
    /// The model that answered.
    pub bundle: Arc<Bundle>,
}

/// The thread's end that the daemon holds. Dropped, it ends the thread after the answer in hand, and waits for that: a library that is
/// unloaded under a thread that computes with it complains of its model.
pub struct Worker<C> {
    commands: Option<Sender<Command<C>>>,
    asked: Arc<Asked>,
    ending: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

/// What was asked for and is not begun: what others give way to.
#[derive(Default)]
struct Asked {
    answers: AtomicUsize,
    rationales: AtomicUsize,
}

impl Asked {
    fn of(&self, wanted: Wanted) -> Option<&AtomicUsize> {
        match wanted {
            Wanted::Answer => Some(&self.answers),
            Wanted::Rationale => Some(&self.rationales),
            Wanted::Check => None,
        }
    }

    fn add(&self, wanted: Wanted) {
        self.of(wanted).map(|count| count.fetch_add(1, Ordering::Relaxed));
    }

    fn begun(&self, wanted: Wanted) {
        self.of(wanted).map(|count| count.fetch_sub(1, Ordering::Relaxed));
    }

    /// Whether something is wanted before this.
    fn before(&self, wanted: Wanted) -> bool {
        let some = |count: &AtomicUsize| count.load(Ordering::Relaxed) > 0;
        match wanted {
            Wanted::Answer => false,
            Wanted::Rationale => some(&self.answers),
            Wanted::Check => some(&self.answers) || some(&self.rationales),
        }
    }
}

enum Command<C> {
    Question(Question<C>),
    Load(PathBuf),
}

impl<C: Clone + Send + 'static> Worker<C> {
    /// Starts the thread, which loads the student of a bundle's folder and tries again while it cannot. `report` is called from it.
    pub fn start(folder: PathBuf, report: impl FnMut(Report<C>) + Send + 'static) -> io::Result<Self> {
        let (commands, rx) = channel();
        let asked = Arc::<Asked>::default();
        let ending = Arc::new(AtomicBool::new(false));
        let waiting = Waiting::new(rx, asked.clone(), ending.clone());
        let thread = thread::Builder::new().name("student".to_owned()).spawn(move || serve(folder, waiting, report))?;
        Ok(Self { commands: Some(commands), asked, ending, thread: Some(thread) })
    }

    /// Hands a question over; answers go before rationales, but not for ever. The caller bounds how many wait.
    pub fn ask(&self, question: Question<C>) {
        self.asked.add(question.wanted);
        self.command(Command::Question(question));
    }

    /// Lets the model of this folder take over, if it is another one and can be loaded.
    pub fn load(&self, folder: PathBuf) {
        self.command(Command::Load(folder));
    }

    fn command(&self, command: Command<C>) {
        if let Some(commands) = &self.commands {
            drop(commands.send(command)); // a thread that ended has said why
        }
    }
}

impl<C> Drop for Worker<C> {
    fn drop(&mut self) {
        self.ending.store(true, Ordering::Relaxed);
        self.commands = None;
        let Some(thread) = self.thread.take() else { return };
        let until = Instant::now() + END_TIME_MAX;
        while !thread.is_finished() && Instant::now() < until {
            thread::sleep(END_POLL);
        }
        if !thread.is_finished() {
            log::warn!("the model still computes after {} s and is left behind", END_TIME_MAX.as_secs());
        }
    }
}

struct Waiting<C> {
    rx: Receiver<Command<C>>,
    /// Nobody waits for anything any more.
    ending: Arc<AtomicBool>,
    asked: Arc<Asked>,
    load: Option<PathBuf>,
    answers: VecDeque<Question<C>>,
    rationales: VecDeque<Question<C>>,
    checks: VecDeque<Question<C>>,
    in_a_row: usize,
}

enum Next<C> {
    Load(PathBuf),
    Question(Question<C>),
    Nothing,
    Ended,
}

impl<C> Waiting<C> {
    fn new(rx: Receiver<Command<C>>, asked: Arc<Asked>, ending: Arc<AtomicBool>) -> Self {
        Self {
            rx,
            ending,
            asked,
            load: None,
            answers: VecDeque::new(),
            rationales: VecDeque::new(),
            checks: VecDeque::new(),
            in_a_row: 0,
        }
    }

    /// Another model before all else, then an answer if one is wanted and no rationale has its turn, else a rationale, else
    /// whatever comes within a moment.
    fn next(&mut self) -> Next<C> {
        loop {
            match self.rx.try_recv() {
                Ok(command) => self.enqueue(command),
                Err(TryRecvError::Disconnected) => return Next::Ended,
                Err(TryRecvError::Empty) => break,
            }
        }
        if self.load.is_none() && self.answers.is_empty() && self.rationales.is_empty() && self.checks.is_empty() {
            match self.rx.recv_timeout(HEARTBEAT) {
                Ok(command) => self.enqueue(command),
                Err(RecvTimeoutError::Timeout) => return Next::Nothing,
                Err(RecvTimeoutError::Disconnected) => return Next::Ended,
            }
        }
        if let Some(folder) = self.load.take() {
            return Next::Load(folder);
        }
        if (self.answers.is_empty() || self.rationale_has_its_turn())
            && let Some(rationale) = self.rationales.pop_front()
        {
            self.asked.begun(Wanted::Rationale);
            return Next::Question(rationale);
        }
        let answer = self.answers.pop_front();
        if answer.is_some() {
            self.asked.begun(Wanted::Answer);
            self.in_a_row += 1;
        }
        answer.or_else(|| self.checks.pop_front()).map_or(Next::Nothing, Next::Question)
    }

    fn enqueue(&mut self, command: Command<C>) {
        match command {
            Command::Load(folder) => self.load = Some(folder),
            Command::Question(question) => match question.wanted {
                Wanted::Answer => self.answers.push_back(question),
                Wanted::Rationale => self.rationales.push_back(question),
                Wanted::Check => self.checks.push_back(question),
            },
        }
    }

    /// A question that gave way is the first of its kind again.
    fn put_back(&mut self, question: Question<C>) {
        self.asked.add(question.wanted);
        match question.wanted {
            Wanted::Answer => self.answers.push_front(question),
            Wanted::Rationale => self.rationales.push_front(question),
            Wanted::Check => self.checks.push_front(question),
        }
    }

    fn rationale_has_its_turn(&self) -> bool {
        self.in_a_row >= ANSWERS_IN_A_ROW_MAX
    }
}

struct Loaded {
    bundle: Arc<Bundle>,
    engine: Engine<OrtModel>,
    procedures: Procedures,
}

fn serve<C: Clone>(mut folder: PathBuf, mut waiting: Waiting<C>, mut report: impl FnMut(Report<C>)) {
    let mut loaded = loop {
        match read(&folder).and_then(load) {
            Ok(loaded) => break loaded,
            Err(why) => {
                report(Report::Loaded(Err(why)));
                let again = Instant::now() + RETRY;
                // Meanwhile every question is escalated: nothing waits for a model that may never come.
                while Instant::now() < again {
                    match waiting.next() {
                        Next::Load(other) => {
                            folder = other;
                            break;
                        }
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
    report(Report::Loaded(Ok(loaded.bundle.clone())));
    let mut usual = Duration::ZERO;
    loop {
        match waiting.next() {
            Next::Load(folder) => match read(&folder) {
                Ok(bundle) if bundle.manifest == loaded.bundle.manifest => {} // the same one, wherever it lies
                Ok(bundle) => match load(bundle) {
                    Ok(other) => {
                        (loaded, usual) = (other, Duration::ZERO);
                        report(Report::Loaded(Ok(loaded.bundle.clone())));
                    }
                    Err(why) => report(Report::SwapFailed(why)),
                },
                Err(why) => report(Report::SwapFailed(why)),
            },
            Next::Question(question) => {
                // What did not wait for more than one other has all the time that it can have, and is tried.
                let needed = if question.asked.elapsed() > usual { usual * MARGIN } else { Duration::ZERO };
                let wanted = question.wanted;
                let has_its_turn = wanted == Wanted::Rationale && waiting.rationale_has_its_turn();
                let (asked, ending) = (waiting.asked.clone(), waiting.ending.clone());
                loaded
                    .engine
                    .interrupt_when(move || ending.load(Ordering::Relaxed) || !has_its_turn && asked.before(wanted));
                match answer(&mut loaded, &question, needed) {
                    Ended::Answer(answered) => {
                        match question.wanted {
                            Wanted::Answer => usual = (usual * (USUAL_OVER - 1) + answered.time_to_answer) / USUAL_OVER,
                            Wanted::Rationale => waiting.in_a_row = 0,
                            Wanted::Check => {}
                        }
                        report(Report::Answered(Box::new(answered)));
                    }
                    Ended::TooLate => {
                        waiting.in_a_row = waiting.in_a_row.saturating_sub(1); // gone without work, it gives no rationale a turn
                        report(Report::Expired(question.case));
                    }
                    Ended::Interrupted => waiting.put_back(question),
                    Ended::Failed(why) => {
                        if question.wanted == Wanted::Rationale {
                            waiting.in_a_row = 0;
                        }
                        report(Report::Failed(question.case, question.wanted, why));
                    }
                }
            }
            Next::Nothing => report(Report::Alive),
            Next::Ended => return,
        }
    }
}

fn read(folder: &Path) -> Result<Bundle, String> {
    Bundle::open(folder).map_err(|error| chain(&error))
}

fn load(mut bundle: Bundle) -> Result<Loaded, String> {
    let library = Library::load().map_err(|error| chain(&error))?;
    let engine = Engine::open(&library, &bundle).map_err(|error| chain(&error))?;
    bundle.graphs.clear(); // the engine has its own copies, and these are tens of megabytes
    let procedures = Procedures::of(&bundle);
    Ok(Loaded { bundle: Arc::new(bundle), engine, procedures })
}

enum Ended<C> {
    Answer(Answered<C>),
    TooLate,
    Interrupted,
    Failed(String),
}

fn answer<C: Clone>(loaded: &mut Loaded, question: &Question<C>, needed: Duration) -> Ended<C> {
    let Loaded { bundle, engine, procedures } = loaded;
    let Question { case, task, question, expires, wanted, .. } = question;
    if expires.is_some_and(|expires| expires <= Instant::now() + needed) {
        return Ended::TooLate;
    }
    let mut asked = || -> Result<_, AskError> {
        let task = if task.is_empty() { bundle.default_task() } else { bundle.task(task)? };
        let answered = pipeline::answer(engine, procedures.get(task), Think::Auto, question)?;
        let (verdict, language) = (answered.verdict.clone(), answered.language);
        let (tokens, time_to_answer) = (answered.tokens, answered.time_to_answer);
        let explained = if *wanted == Wanted::Answer { None } else { answered.explain()? };
        Ok((task.id.clone(), verdict, language, tokens, time_to_answer, explained))
    };
    match asked() {
        Ok((task, verdict, language, tokens, time_to_answer, explained)) => Ended::Answer(Answered {
            case: case.clone(),
            wanted: *wanted,
            language,
            task,
            verdict,
            tokens,
            time_to_answer,
            explained,
            bundle: bundle.clone(),
        }),
        Err(AskError::Interrupted) => Ended::Interrupted,
        Err(error) => Ended::Failed(chain(&error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(case: usize, wanted: Wanted) -> Command<usize> {
        let (task, question) = (String::new(), String::new());
        Command::Question(Question { case, task, question, asked: Instant::now(), expires: None, wanted })
    }

    #[test]
    fn answers_go_first_and_a_rationale_has_its_turn_after_so_many() {
        let (commands, rx) = channel();
        let (count, answers) = (Arc::new(Asked { answers: 12.into(), rationales: 1.into() }), 12);
        let mut waiting = Waiting::new(rx, count.clone(), Arc::default());
        commands.send(asked(100, Wanted::Check)).unwrap();
        commands.send(asked(99, Wanted::Rationale)).unwrap();
        (0..answers).for_each(|case| commands.send(asked(case, Wanted::Answer)).unwrap());
        commands.send(Command::Load("next".into())).unwrap();
        assert!(matches!(waiting.next(), Next::Load(_)), "another student before all questions");
        let mut order = Vec::new();
        while let Next::Question(question) = waiting.next() {
            order.push(question.case);
            if question.wanted == Wanted::Rationale {
                assert!(waiting.rationale_has_its_turn(), "it is not interrupted");
                waiting.in_a_row = 0;
            }
            if order.len() > answers + 1 {
                break;
            }
        }
        let (before, after) = (0..ANSWERS_IN_A_ROW_MAX, ANSWERS_IN_A_ROW_MAX..answers);
        assert_eq!(order, before.chain([99]).chain(after).chain([100]).collect::<Vec<_>>());
        assert!(!count.before(Wanted::Check), "nothing more that a check would give way to");
        drop(commands);
        assert!(matches!(waiting.next(), Next::Ended));
    }
}
