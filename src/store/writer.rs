//! The one thread that owns the journal. Steps that come while it syncs share the next sync; each is answered when it is on disk.
//! Knows no case.

use std::cell::RefCell;
use std::io;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant, SystemTime};

use tokio::runtime::{Builder, Runtime};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::timeout;

use super::batch::Batch;
use super::{Error, Journal, Refusal, Tidied};

/// Steps that wait for the writer; who brings more waits himself.
const QUEUE_LEN: usize = 64;
/// Steps with one sync: what waits while a slow card syncs, few enough that a batch of the longest texts keeps the log short.
const BATCH_STEPS_MAX: usize = 32;
/// How long a batch is filled at most.
const BATCH_TIME_MAX: Duration = Duration::from_millis(20);
/// How long a step that nobody waits for may wait for one to share its sync.
const LAZY_TIME_MAX: Duration = Duration::from_millis(500);
/// Quiet for so long, and the journal does what can wait.
const IDLE_AFTER: Duration = Duration::from_secs(2);
const _: () = assert!(BATCH_STEPS_MAX <= QUEUE_LEN);

/// Tells who brought a step what became of it, once it is known whether it is on disk.
type Tell = Box<dyn FnOnce(Result<(), Refusal>) + Send>;

struct Job {
    run: Box<dyn FnOnce(&mut Batch<'_>) -> Tell + Send>,
    lazy: bool,
}

/// Brings steps to the writer. When the last one is dropped, the journal is closed.
#[derive(Clone)]
pub struct Writer {
    jobs: mpsc::Sender<Job>,
    disk_full: watch::Receiver<bool>,
}

/// The writer's thread.
pub struct Running {
    thread: JoinHandle<Result<(), Error>>,
}

impl Writer {
    /// Starts the thread. `clock` dates what is dropped, and orders nothing.
    pub fn start(journal: Journal, clock: impl Fn() -> SystemTime + Send + 'static) -> Result<(Self, Running), Error> {
        let runtime = Builder::new_current_thread().enable_time().build().map_err(Error::Thread)?;
        let (jobs, queue) = mpsc::channel(QUEUE_LEN);
        let (disk, disk_full) = watch::channel(false);
        let write = move || write(journal, queue, &runtime, clock, &disk);
        let thread = thread::Builder::new().name("journal".to_owned()).spawn(write).map_err(Error::Thread)?;
        Ok((Self { jobs, disk_full }, Running { thread }))
    }

    /// Whether the disk is full, from now on.
    pub fn disk_full(&self) -> watch::Receiver<bool> {
        self.disk_full.clone()
    }

    /// Runs `steps`, all or none of them; they are on disk when it is ready.
    pub async fn step<T: Send + 'static>(
        &self,
        steps: impl FnOnce(&mut Batch<'_>) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Error> {
        self.bring(steps, false).await
    }

    /// As `step`, for what may be lost and done again, as a delivery is: it waits a little for a step to share its sync.
    pub async fn step_lazily<T: Send + 'static>(
        &self,
        steps: impl FnOnce(&mut Batch<'_>) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Error> {
        self.bring(steps, true).await
    }

    /// As `step`, for a thread that knows no async. Not to be called in a task.
    pub fn step_blocking<T: Send + 'static>(
        &self,
        steps: impl FnOnce(&mut Batch<'_>) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Error> {
        let (job, reply) = job(steps, false);
        self.jobs.blocking_send(job).map_err(|_| Error::Stopped)?;
        reply.blocking_recv().unwrap_or(Err(Error::Stopped))
    }

    async fn bring<T: Send + 'static>(
        &self,
        steps: impl FnOnce(&mut Batch<'_>) -> Result<T, Error> + Send + 'static,
        lazy: bool,
    ) -> Result<T, Error> {
        let (job, reply) = job(steps, lazy);
        self.jobs.send(job).await.map_err(|_| Error::Stopped)?;
        reply.await.unwrap_or(Err(Error::Stopped))
    }
}

impl Running {
    /// The thread has ended.
    pub fn is_finished(&self) -> bool {
        self.thread.is_finished()
    }

    /// Waits until the thread ends: after the last [`Writer`] is dropped, or when the journal fails.
    pub fn join(self) -> Result<(), Error> {
        let panicked = |_| Error::Thread(io::Error::other("it panicked"));
        self.thread.join().map_err(panicked)?
    }
}

fn job<T: Send + 'static>(
    steps: impl FnOnce(&mut Batch<'_>) -> Result<T, Error> + Send + 'static,
    lazy: bool,
) -> (Job, oneshot::Receiver<Result<T, Error>>) {
    let (reply, receiver) = oneshot::channel();
    let run = Box::new(move |batch: &mut Batch<'_>| -> Tell {
        let done = batch.together(steps);
        // Who asked may be gone.
        Box::new(move |kept| drop(reply.send(kept.map_err(Error::from).and(done))))
    });
    (Job { run, lazy }, receiver)
}

fn write(
    journal: Journal,
    mut queue: mpsc::Receiver<Job>,
    runtime: &Runtime,
    clock: impl Fn() -> SystemTime,
    disk_full: &watch::Sender<bool>,
) -> Result<(), Error> {
    let done = serve(journal, &mut queue, runtime, clock, disk_full);
    // After a failure steps may still be on their way. Dropping the queue alone would leave one that comes at that very moment in it,
    // with the reply that somebody waits for, for ever.
    queue.close();
    while runtime.block_on(queue.recv()).is_some() {}
    done
}

fn serve(
    mut journal: Journal,
    queue: &mut mpsc::Receiver<Job>,
    runtime: &Runtime,
    clock: impl Fn() -> SystemTime,
    disk_full: &watch::Sender<bool>,
) -> Result<(), Error> {
    let mut rested = true;
    loop {
        let full = journal.disk_is_full();
        if disk_full.send_if_modified(|was| std::mem::replace(was, full) != full) {
            say_disk(full);
        }
        let next = match queue.try_recv() {
            Ok(job) => Some(job),
            Err(_) if rested && !full => runtime.block_on(queue.recv()),
            Err(_) => match within(runtime, IDLE_AFTER, queue) {
                Ok(next) => next,
                Err(Quiet) => {
                    rested = true;
                    unless_full(journal.idle())?;
                    continue;
                }
            },
        };
        let Some(first) = next else { return journal.close() };
        rested = false;
        let told = RefCell::new(Vec::new());
        // One by one while the disk is full, so that a step which only reads fails with no other.
        let most = if full { 1 } else { BATCH_STEPS_MAX };
        let kept = journal.batch_then(
            |batch| {
                fill(batch, first, queue, runtime, most, &mut told.borrow_mut());
                Ok(())
            },
            |()| told.take().into_iter().for_each(|tell| tell(Ok(()))),
        );
        // Who asked in a batch that fails otherwise hears that from the end of the channel.
        if unless_full(kept)?.is_none() {
            told.take().into_iter().for_each(|tell| tell(Err(Refusal::DiskFull)));
            continue;
        }
        let Tidied { texts, easy, exported } = unless_full(journal.tidy(clock()))?.unwrap_or_default();
        if texts + easy + exported > 0 {
            log::info!(
                "to keep the journal's budget: the texts of {texts} cases went, {easy} cases that no person was asked about, and \
                 {exported} whose reviews are exported"
            );
        }
    }
}

fn say_disk(full: bool) {
    if full {
        log::error!(
            "the disk of the journal is full: what is asked is refused, and what was acknowledged waits. Free space; the gateway \
             then goes on by itself"
        );
    } else {
        log::info!("the disk of the journal has room again");
    }
}

/// `None` where the disk is full, after which the journal goes on.
fn unless_full<T>(done: Result<T, Error>) -> Result<Option<T>, Error> {
    match done {
        Err(Error::Refused(Refusal::DiskFull)) => Ok(None),
        done => done.map(Some),
    }
}

/// Runs the jobs that wait, and those that come while only lazy ones do.
fn fill(
    batch: &mut Batch<'_>,
    first: Job,
    queue: &mut mpsc::Receiver<Job>,
    runtime: &Runtime,
    most: usize,
    told: &mut Vec<Tell>,
) {
    let began = Instant::now();
    let mut lazy = true;
    let mut next = Some(first);
    while let Some(job) = next {
        lazy &= job.lazy;
        told.push((job.run)(batch));
        let limit = if lazy { LAZY_TIME_MAX } else { BATCH_TIME_MAX };
        let left = limit.saturating_sub(began.elapsed());
        if batch.failure().is_some() || told.len() == most || left.is_zero() {
            break;
        }
        next = match queue.try_recv() {
            Ok(job) => Some(job),
            Err(_) if lazy => within(runtime, left, queue).unwrap_or(None),
            Err(_) => None,
        };
    }
}

struct Quiet;

fn within(runtime: &Runtime, time: Duration, queue: &mut mpsc::Receiver<Job>) -> Result<Option<Job>, Quiet> {
    // `timeout` looks for its clock when it is called, so it is called inside.
    runtime.block_on(async { timeout(time, queue.recv()).await }).map_err(|_| Quiet)
}
