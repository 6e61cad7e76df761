//! The modules of a crate, and where their paths lead.

use std::collections::BTreeMap;
use std::path::Path;
use std::{fs, io};

use crate::graph::Graph;
use crate::scan::Scan;

/// The modules of one crate, each a file.
pub struct Tree {
    /// The crate's folder: keeps module paths of different crates apart.
    name: String,
    files: BTreeMap<Vec<String>, File>,
}

struct File {
    name: String,
    scan: Scan,
}

impl Tree {
    pub fn read(source: &Path) -> io::Result<Tree> {
        let mut files = BTreeMap::new();
        let mut folders = vec![(source.to_owned(), Vec::new())];
        while let Some((folder, module)) = folders.pop() {
            for entry in fs::read_dir(&folder)? {
                let path = entry?.path();
                let stem = stem(&path);
                let mut below = module.clone();
                if path.is_dir() {
                    below.push(stem);
                    folders.push((path, below));
                } else if path.extension().is_some_and(|extension| extension == "rs") {
                    if !(matches!(&stem[..], "mod") || module.is_empty() && stem == "lib") {
                        below.push(stem);
                    }
                    let scan = Scan::of(&fs::read_to_string(&path)?);
                    files.insert(below, File { name: path.display().to_string(), scan });
                }
            }
        }
        let tests: Vec<Vec<String>> = files
            .iter()
            .flat_map(|(path, file)| {
                file.scan.test_modules.iter().map(|module| [&path[..], &[module.clone()]].concat())
            })
            .collect();
        files.retain(|path, _| !tests.iter().any(|test| path.starts_with(test)));
        Ok(Tree { name: source.display().to_string(), files })
    }

    pub fn add_edges(&self, graph: &mut Graph) {
        for (module, file) in &self.files {
            let mut path = vec![self.name.clone()];
            path.extend(module.iter().cloned());
            graph.modules.insert(file.name.clone(), path);
            let edges = graph.edges.entry(file.name.clone()).or_default();
            for mention in &file.scan.mentions {
                let Some(target) = self.resolve(module, &mention.path) else { continue };
                let to = &self.files[&target.0];
                if (target.1 || mention.glob) && to.name != file.name {
                    let lines = edges.entry(to.name.clone()).or_default();
                    let line = (mention.line, mention.path.join("::"));
                    if !lines.contains(&line) {
                        lines.push(line);
                    }
                }
            }
        }
    }

    /// The module in which `path`, written in `module`, ends, and whether it names an item there.
    fn resolve(&self, module: &[String], path: &[String]) -> Option<(Vec<String>, bool)> {
        let mut at = module.to_vec();
        let mut rest = path;
        while let Some((first, after)) = rest.split_first() {
            match &first[..] {
                "crate" => at.clear(),
                "self" => {}
                "super" => drop(at.pop()?),
                _ => break,
            }
            rest = after;
        }
        let first = rest.first();
        let child = first.map(|first| [&at[..], &[first.clone()]].concat());
        if rest.len() < path.len() || child.is_some_and(|child| self.files.contains_key(&child)) {
            return self.below(at, rest);
        }
        // A name that `use` brought in, or one from outside of the crate.
        let import = self.files.get(&at)?.scan.aliases.get(first?).filter(|to| *to != path)?;
        let (target, item) = self.resolve(&at, import)?;
        if item { Some((target, true)) } else { self.below(target, &rest[1..]) }
    }

    /// The module in which a path ends that starts at `at`.
    fn below(&self, mut at: Vec<String>, path: &[String]) -> Option<(Vec<String>, bool)> {
        for segment in path {
            let child = [&at[..], &[segment.clone()]].concat();
            if !self.files.contains_key(&child) {
                return Some((at, true));
            }
            at = child;
        }
        Some((at, false))
    }
}

fn stem(path: &Path) -> String {
    path.file_stem().unwrap_or_default().to_string_lossy().into_owned()
}
