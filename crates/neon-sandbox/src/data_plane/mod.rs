//! The data plane: branches as data directories of PostgreSQL, computes as its processes.
//!
//! ```text
//! goal      what the control plane's state asks for, read as a whole after every change
//! work      one task for each project: makes, fills, starts, stops and removes, one thing after the other
//! timeline  data directories and archives: copies, recoveries, and where they came off one another
//! server    one postgres process
//! doors     the ports that clients connect to: a connection wakes a compute
//! ```
//!
//! Beside them: `place` and `keeper` (folders, and that nothing outlives us), `template` (the empty
//! cluster), `contents` (roles and databases), `dump` (schemas), `masking` (anonymized branches), `wal` and `copy`.

mod base;
mod contents;
mod control;
mod copy;
mod desired_state;
mod directories;
mod dump;
mod error;
mod masking;
mod proxy;
mod server;
mod target;
mod template;
mod timeline;
mod wal;
mod watchdog;
mod work;

use std::{
    collections::{BTreeSet, HashMap},
    fmt,
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, Weak,
        atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering},
    },
};

use tokio::{
    sync::{mpsc, oneshot, watch},
    task::JoinHandle,
};

use super::{clock::Timestamp, ports::Ports, state::State};
use base::Base;
pub(crate) use control::Control;
use desired_state::DesiredState;
pub(crate) use directories::Leftovers;
pub(crate) use dump::{Schema, Wanted};
pub(crate) use error::DataPlaneError;
use proxy::Proxy;
pub(crate) use server::SUPERUSER;
pub(crate) use target::Target;
use work::{Before, Work};

/// The PostgreSQL of this machine: its version, and the folder of its programs.
pub(crate) fn find_postgres(given: Option<&Path>) -> Result<(String, PathBuf), String> {
    let install = local_postgres::find(given).map_err(|error| error.to_string())?;
    let folder = install
        .program("postgres")
        .parent()
        .map(Path::to_owned)
        .unwrap_or_default();
    Ok((install.version.clone(), folder))
}

/// What a project's task is told.
enum Command {
    DesiredState(u64, Arc<DesiredState>),
    Schema(Wanted, oneshot::Sender<Result<Schema, DataPlaneError>>),
    Positions(oneshot::Sender<()>),
}

/// A project's task.
struct Project {
    sender: mpsc::UnboundedSender<Command>,
    /// The last goal that it was given.
    goal: Arc<DesiredState>,
    number: u64,
    /// The number of the last goal that it has done.
    done: watch::Receiver<(u64, Option<String>)>,
    task: JoinHandle<()>,
}

/// The data plane.
pub(crate) struct DataPlane {
    base: Arc<Base>,
    projects: Mutex<HashMap<String, Project>>,
    doors: Mutex<Proxy>,
    activity: Mutex<HashMap<String, Arc<AtomicI64>>>,
    numbers: AtomicU64,
    orderly: bool,
    stopped: AtomicBool,
}

impl fmt::Debug for DataPlane {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Plane")
            .field("version", &self.base.common.install.version)
            .finish_non_exhaustive()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl DataPlane {
    /// Finds PostgreSQL and makes the folders. Nothing is started yet.
    ///
    /// # Errors
    ///
    /// When there is no PostgreSQL that can be run, or no folder can be made.
    pub(crate) fn open(
        bin: Option<&Path>,
        temporary: Option<&Path>,
        kept: Option<&Path>,
    ) -> Result<(Self, Leftovers), DataPlaneError> {
        let (base, left) = Base::open(bin, temporary, kept)?;
        let plane = Self {
            base: Arc::new(base),
            projects: Mutex::default(),
            doors: Mutex::default(),
            activity: Mutex::default(),
            numbers: AtomicU64::new(1),
            orderly: kept.is_some(),
            stopped: AtomicBool::new(false),
        };
        Ok((plane, left))
    }

    /// The version of PostgreSQL, such as `15.18`.
    pub(crate) fn version(&self) -> &str {
        &self.base.common.install.version
    }

    /// PostgreSQL's programs, and whom they run as.
    pub(crate) fn install(&self) -> &local_postgres::Install {
        &self.base.common.install
    }

    /// Removes data of before that nobody asks for.
    pub(crate) fn keep_only(&self, timelines: &BTreeSet<String>) {
        self.base.keep_only(timelines);
    }

    /// Why a compute can't run, if it can't.
    pub(crate) fn refused(&self, compute: &str) -> Option<String> {
        self.base.refused(compute)
    }

    /// Compares the state with what was last asked for, and asks for the difference. What lies ahead of a project with
    /// operations that are open is held back until the work is done.
    pub(crate) fn reconcile(&self, control: &Weak<dyn Control>, state: &mut State, now: Timestamp) {
        if self.stopped.load(Ordering::Acquire) {
            return;
        }
        let opened = state.ports.as_mut().map(Ports::take).unwrap_or_default();
        let mut doors = lock(&self.doors);
        for (port, listener) in opened {
            doors.serve(control, port, listener);
        }
        let mut projects = lock(&self.projects);
        let mut used = Vec::new();
        for project in &mut state.projects {
            used.extend(project.endpoints.iter().filter_map(|endpoint| endpoint.port));
            let goal = DesiredState::of(project, &state.clock);
            if projects.get(&project.id).is_some_and(|known| *known.goal == goal) {
                continue;
            }
            let before = Before {
                made: project.made.clone(),
                interrupted: project.held.is_some(),
            };
            let number = self.submit(&mut projects, control, &project.id, goal, before);
            project.hold(number, now);
        }
        doors.keep_only(&used);
        let gone: Vec<String> = projects
            .iter()
            .filter(|(id, known)| {
                *known.goal != DesiredState::default() && !state.projects.iter().any(|project| project.id == **id)
            })
            .map(|(id, _)| id.clone())
            .collect();
        for id in gone {
            self.submit(&mut projects, control, &id, DesiredState::default(), Before::default());
        }
    }

    fn submit(
        &self,
        projects: &mut HashMap<String, Project>,
        control: &Weak<dyn Control>,
        id: &str,
        goal: DesiredState,
        before: Before,
    ) -> u64 {
        let number = self.numbers.fetch_add(1, Ordering::Relaxed);
        let goal = Arc::new(goal);
        let project = projects
            .entry(id.to_owned())
            .or_insert_with(|| start(Arc::clone(&self.base), Weak::clone(control), id.to_owned(), before));
        project.goal = Arc::clone(&goal);
        project.number = number;
        // A task that has ended has been told to stop.
        let _ = project.sender.send(Command::DesiredState(number, goal));
        number
    }

    /// Waits until what was last asked for a project has been tried.
    /// Returns why it failed, if it did.
    pub(crate) async fn settled(&self, project_id: &str) -> Option<String> {
        let waiting = lock(&self.projects)
            .get(project_id)
            .map(|project| (project.done.clone(), project.number));
        let (mut done, number) = waiting?;
        let done = done.wait_for(|(done, _)| *done >= number).await.ok()?;
        done.1.clone()
    }

    /// Where a compute's server is, if it runs.
    pub(crate) fn target(&self, compute: &str) -> Option<Target> {
        self.base.target(compute)
    }

    /// A compute's server doesn't answer: it is looked at again.
    pub(crate) fn lost(&self, compute: &str) {
        self.base.forget_target(compute);
        for project in lock(&self.projects).values_mut() {
            if project.goal.computes.contains_key(compute) {
                project.number = self.numbers.fetch_add(1, Ordering::Relaxed);
                let _ = project
                    .sender
                    .send(Command::DesiredState(project.number, Arc::clone(&project.goal)));
            }
        }
    }

    /// When a compute's clients last sent something: milliseconds of the machine's clock.
    pub(crate) fn activity(&self, compute: &str) -> Arc<AtomicI64> {
        let now = chrono::Utc::now().timestamp_millis();
        let seen = Arc::clone(
            lock(&self.activity)
                .entry(compute.to_owned())
                .or_insert_with(|| Arc::new(AtomicI64::new(now))),
        );
        seen.store(now, Ordering::Relaxed);
        seen
    }

    /// All that is known of clients' last signs of life, and forgets it.
    pub(crate) fn take_activity(&self) -> Vec<(String, i64)> {
        let mut activity = lock(&self.activity);
        let seen = activity
            .iter()
            .map(|(compute, seen)| (compute.clone(), seen.swap(0, Ordering::Relaxed)))
            .filter(|(_, seen)| *seen > 0)
            .collect();
        activity.retain(|_, seen| Arc::strong_count(seen) > 1);
        seen
    }

    /// The schema of a database at a place.
    pub(crate) async fn schema(&self, project_id: &str, wanted: Wanted) -> Result<Schema, DataPlaneError> {
        let (sender, answer) = oneshot::channel();
        self.tell(project_id, Command::Schema(wanted, sender));
        answer
            .await
            .unwrap_or_else(|_| Err(DataPlaneError::new("the sandbox is stopping")))
    }

    /// Notes how far the logs of a project have come.
    pub(crate) async fn look(&self, project_id: &str) {
        let (sender, answer) = oneshot::channel();
        self.tell(project_id, Command::Positions(sender));
        let _ = answer.await;
    }

    fn tell(&self, project_id: &str, command: Command) {
        if let Some(project) = lock(&self.projects).get(project_id) {
            let _ = project.sender.send(command);
        }
    }

    /// Stops everything and waits until it has stopped.
    pub(crate) async fn stop(&self) {
        for task in self.let_go() {
            let _ = task.await;
        }
        self.base.common.dying.wait().await;
        self.base.place.close();
    }

    /// Takes no more work and no more connections, and tells what runs to stop.
    pub(crate) fn let_go(&self) -> Vec<JoinHandle<()>> {
        self.stopped.store(true, Ordering::Release);
        lock(&self.doors).close();
        let projects: Vec<Project> = lock(&self.projects).drain().map(|(_, project)| project).collect();
        projects
            .into_iter()
            .map(|project| {
                if !self.orderly {
                    // What is being made is thrown away with the folder.
                    project.task.abort();
                }
                project.task
            })
            .collect()
    }
}

/// Starts the task of a project.
fn start(base: Arc<Base>, control: Weak<dyn Control>, id: String, before: Before) -> Project {
    let (sender, mut commands) = mpsc::unbounded_channel();
    let (done_sender, done) = watch::channel((0, None));
    let task = tokio::spawn(async move {
        let mut work = Work::new(base, before);
        let mut goal = Arc::new(DesiredState::default());
        while let Some(command) = commands.recv().await {
            match command {
                Command::DesiredState(number, next) => {
                    goal = next;
                    let result = work.reconcile(&goal).await;
                    let control = control.upgrade();
                    // Where something failed, the state may go back to the data that it had.
                    if result.failure.is_none() {
                        if let Some(control) = &control {
                            // Whoever reads the state after a crash must not look for data that is gone.
                            control.saved().await;
                        }
                        work.forget_timelines(&goal).await;
                    }
                    if let Some(control) = control {
                        control.work_done(&id, number, &result);
                    }
                    let _ = done_sender.send((number, result.failure));
                }
                Command::Schema(wanted, answer) => {
                    let _ = answer.send(work.schema(&goal, &wanted).await);
                }
                Command::Positions(answer) => {
                    let reached = work.positions().await;
                    if let Some(control) = control.upgrade() {
                        control.positions(&id, reached);
                    }
                    let _ = answer.send(());
                }
            }
        }
        work.stop(true).await;
    });
    Project {
        sender,
        goal: Arc::new(DesiredState::default()),
        number: 0,
        done,
        task,
    }
}
