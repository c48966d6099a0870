//! A repository at hand, and how to read it.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use bulkhead_diagnostics::Diagnostic;
use bulkhead_eval::{Mount, World};
use bulkhead_fleet::{
    CONFIG_FILE, Config, EvaluationLimits, Fleet, LoadError, LoadOptions, NixError, NixEvaluator, NixOptions,
};
use bulkhead_source::{FileTree, GitError, GitTree, WorkTree, find_git_root, refuse_sparse_checkout};

use crate::check::accepted;
use crate::sources::TreeSources;

/// Which files of a repository are read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Source {
    /// Those on disk.
    #[default]
    WorkingTree,
    /// Those in the git index: what would be committed.
    Index,
    /// Those of a git revision.
    Revision(String),
}

/// What evaluates the repository's Nix files.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Evaluator {
    /// Bulkhead's own evaluator: no processes, no network, no environment.
    #[default]
    Embedded,
    /// The installed `nix-instantiate`. It runs whatever the files make Nix do.
    Nix,
}

/// How to open a repository.
#[derive(Clone, Debug, Default)]
pub struct OpenOptions {
    /// The folder that the fleet lies in.
    pub root: PathBuf,
    /// Which files are read.
    pub source: Source,
    /// What evaluates them.
    pub evaluator: Evaluator,
    /// Further trees for `<name>`: the name (empty for every name) and a folder.
    pub search_path: Vec<(String, PathBuf)>,
}

/// Why a repository can't be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The folder can't be read.
    #[error(transparent)]
    Folder(#[from] bulkhead_source::OpenError),
    /// Git can't show the index or revision.
    #[error(transparent)]
    Git(#[from] GitError),
    /// The installed Nix sees only files on disk.
    #[error("`--evaluator nix` reads the files on disk; leave out `--staged` and `--rev`")]
    NixNeedsFiles,
    /// The installed Nix can't be used.
    #[error(transparent)]
    Nix(#[from] NixError),
}

/// Why a fleet can't be loaded.
#[derive(Debug, thiserror::Error)]
pub enum FleetError {
    /// Its files can't be read.
    #[error(transparent)]
    Load(#[from] LoadError),
    /// The installed Nix can't be used.
    #[error(transparent)]
    Nix(#[from] NixError),
}

/// What the installed Nix needs to evaluate files.
struct Nix {
    tree: Arc<WorkTree>,
    options: NixOptions,
}

/// A repository at hand.
pub struct Project {
    tree: Arc<dyn FileTree>,
    world: World,
    nix: Option<Nix>,
    search_path: Vec<(String, PathBuf)>,
    config: Config,
    config_findings: Vec<Diagnostic>,
}

impl Project {
    /// Open the repository as `options` say. Reads `bulkhead.toml` if there is one; what is wrong with it is found by
    /// [`crate::check`].
    pub fn open(options: &OpenOptions) -> Result<Project, OpenError> {
        let tree: Arc<dyn FileTree> = match &options.source {
            Source::WorkingTree => {
                let tree = WorkTree::open(&options.root)?;
                refuse_sparse_checkout(&options.root)?;
                Arc::new(tree)
            }
            Source::Index => Arc::new(GitTree::index(&options.root)?),
            Source::Revision(revision) => Arc::new(GitTree::revision(&options.root, revision)?),
        };
        let mut project = Project::of_tree(tree);
        for (name, folder) in &options.search_path {
            project.add_search_path(name, folder)?;
        }
        if options.evaluator == Evaluator::Nix {
            if options.source != Source::WorkingTree {
                return Err(OpenError::NixNeedsFiles);
            }
            let tree = Arc::new(WorkTree::open(&options.root)?);
            let include = options.search_path.iter().map(|(name, path)| match name.as_str() {
                "" => path.display().to_string(),
                name => format!("{name}={}", path.display()),
            });
            let nix = NixOptions { include: include.collect(), ..NixOptions::default() };
            NixEvaluator::new(&project.world, &tree, nix.clone())?;
            project.nix = Some(Nix { tree, options: nix });
        }
        Ok(project)
    }

    /// A repository that is any tree of files.
    pub fn of_tree(tree: Arc<dyn FileTree>) -> Project {
        let mut config_findings = Vec::new();
        let config = Config::load(&*tree, &mut config_findings);
        let mut world = World::new(tree.clone(), config.toml.limits.limits());
        // A fleet that has them is built by a Nix that takes them.
        world.allow_pipe_operators();
        config.toml.mappings.iter().for_each(|(usual, name)| world.rename_option(name, usual));
        Project { tree, world, nix: None, search_path: Vec::new(), config, config_findings }
    }

    /// Another tree in the place of this repository's, as after a change that is not made yet. The further trees for
    /// `<name>` are the same. It is always the embedded evaluator that reads it, since the installed Nix sees only files
    /// on disk.
    ///
    /// # Errors
    /// A folder of the search path is no longer there.
    pub fn with_tree(&self, tree: Arc<dyn FileTree>) -> Result<Project, OpenError> {
        let mut project = Project::of_tree(tree);
        for (name, folder) in &self.search_path {
            project.add_search_path(name, folder)?;
        }
        Ok(project)
    }

    /// Make a folder known as `<name>`, and readable for evaluated code.
    fn add_search_path(&mut self, name: &str, folder: &Path) -> Result<(), OpenError> {
        let tree = WorkTree::open(folder)?;
        let Some(at) = tree.root().and_then(Path::to_str).map(str::to_owned) else { return Ok(()) };
        self.world.add_search_path(name, &at);
        let shown = if name.is_empty() { at.clone() } else { format!("<{name}>") };
        self.world.mount(Mount {
            at: Arc::from(at.trim_end_matches('/')),
            name: Arc::from(shown),
            tree: Arc::new(tree),
        });
        self.search_path.push((name.to_owned(), folder.to_owned()));
        Ok(())
    }

    /// Let evaluations use at least so much, unless `bulkhead.toml` has limits of its own.
    pub fn allow(&mut self, steps: u64, memory: u64) {
        if self.config.toml.limits == EvaluationLimits::default() {
            self.world.allow(steps, memory);
        }
    }

    /// The files.
    pub fn tree(&self) -> &dyn FileTree {
        &*self.tree
    }

    /// The files, shared.
    pub fn shared_tree(&self) -> Arc<dyn FileTree> {
        self.tree.clone()
    }

    /// The embedded evaluator's view of the files; also parses them.
    pub fn world(&self) -> &World {
        &self.world
    }

    /// The configuration.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// What is wrong with the configuration.
    pub fn config_findings(&self) -> &[Diagnostic] {
        &self.config_findings
    }

    /// The texts of files, for showing findings.
    pub fn sources(&self) -> TreeSources<'_> {
        TreeSources::new(self)
    }

    /// Load the fleet. `options.config` need not be given. Errors that comments in its files allow are in
    /// [`Fleet::accepted`].
    pub fn fleet(&self, options: &LoadOptions<'_>) -> Result<Fleet, FleetError> {
        let options = LoadOptions { config: Some(self.config.clone()), ..options.clone() };
        let mut fleet = match &self.nix {
            None => Fleet::load(&*self.tree, &self.world, &options)?,
            Some(nix) => {
                let evaluator = NixEvaluator::new(&self.world, &nix.tree, nix.options.clone())?;
                Fleet::load(&*self.tree, &evaluator, &options)?
            }
        };
        fleet.findings.splice(0..0, self.config_findings.iter().cloned());
        fleet.accepted = accepted(self, &fleet);
        Ok(fleet)
    }
}

/// The root of the fleet that holds `folder`: the nearest folder upwards with a `bulkhead.toml`, else with a
/// `flake.nix` or a `machines` folder, else the git repository, else `folder` itself.
pub fn find_root(folder: &Path) -> PathBuf {
    let folder = std::path::absolute(folder).unwrap_or_else(|_| folder.to_owned());
    let git_root = find_git_root(&folder);
    let within: Vec<&Path> = folder
        .ancestors()
        .take_while(|ancestor| git_root.as_ref().is_none_or(|root| ancestor.starts_with(root)))
        .collect();
    let nearest = |names: &[&str]| {
        within
            .iter()
            .find(|ancestor| names.iter().any(|name| ancestor.join(name).exists()))
            .map(|found| found.to_path_buf())
    };
    nearest(&[CONFIG_FILE]).or_else(|| nearest(&["flake.nix", "machines"])).or(git_root).unwrap_or(folder)
}
