//! Files, their imports, and the circles among them.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// The file that imports, and the imported one.
pub type Edge = (String, String);

/// Which file imports which, and on which lines.
#[derive(Default)]
pub struct Graph {
    pub edges: BTreeMap<String, BTreeMap<String, Vec<(usize, String)>>>,
    /// The module path of each file, its crate's folder first.
    pub modules: BTreeMap<String, Vec<String>>,
}

impl Graph {
    /// A shortest circle in each group of files that is a circle, without the edges in `removed`.
    pub fn circles(&self, removed: &BTreeSet<Edge>) -> Vec<Vec<Edge>> {
        let mut found = Vec::new();
        let mut groups = self.groups(&self.modules.keys().map(String::as_str).collect(), removed);
        while let Some(group) = groups.pop() {
            let paths: Vec<&[String]> = group.iter().map(|file| &self.modules[*file][..]).collect();
            let above = common_prefix(&paths);
            let companion = group.iter().find(|file| self.modules[**file] == above).copied();
            if let Some(companion) = companion {
                let mut rest = group;
                rest.remove(companion);
                groups.extend(self.groups(&rest, removed));
            } else {
                found.extend(self.shortest(&group, &above, removed));
            }
        }
        found.sort();
        found
    }

    /// The groups of two or more files in `files` that reach each other within `files`.
    fn groups<'a>(
        &'a self,
        files: &BTreeSet<&'a str>,
        removed: &BTreeSet<Edge>,
    ) -> Vec<BTreeSet<&'a str>> {
        let reach: BTreeMap<&str, BTreeSet<&str>> =
            files.iter().map(|from| (*from, self.reach(from, files, removed))).collect();
        let mut seen = BTreeSet::new();
        let mut groups = Vec::new();
        for file in files {
            if seen.contains(file) {
                continue;
            }
            let group: BTreeSet<&str> =
                reach[file].iter().copied().filter(|other| reach[other].contains(file)).collect();
            seen.extend(group.iter().copied());
            if group.len() > 1 {
                groups.push(group);
            }
        }
        groups
    }

    fn next<'a>(
        &'a self,
        from: &str,
        files: &BTreeSet<&str>,
        removed: &BTreeSet<Edge>,
    ) -> Vec<&'a str> {
        let targets = self.edges.get(from).into_iter().flat_map(BTreeMap::keys);
        targets
            .filter(|to| files.contains(to.as_str()))
            .filter(|to| !removed.contains(&(from.to_owned(), (*to).clone())))
            .map(String::as_str)
            .collect()
    }

    fn reach<'a>(
        &'a self,
        from: &str,
        files: &BTreeSet<&str>,
        removed: &BTreeSet<Edge>,
    ) -> BTreeSet<&'a str> {
        let mut reached = BTreeSet::new();
        let mut open = self.next(from, files, removed);
        while let Some(file) = open.pop() {
            if reached.insert(file) {
                open.extend(self.next(file, files, removed));
            }
        }
        reached
    }

    /// A shortest circle in `group` that does not stay within one module below `above`.
    fn shortest(
        &self,
        group: &BTreeSet<&str>,
        above: &[String],
        removed: &BTreeSet<Edge>,
    ) -> Option<Vec<Edge>> {
        let part = |file: &str| self.modules[file].get(above.len()).cloned();
        let crossing = group.iter().flat_map(|from| {
            let targets = self.next(from, group, removed).into_iter();
            targets.map(move |to| (*from, to)).filter(|(from, to)| part(from) != part(to))
        });
        crossing
            .filter_map(|(from, to)| {
                let mut circle = self.way(to, from, group, removed)?;
                circle.insert(0, (from.to_owned(), to.to_owned()));
                Some(circle)
            })
            .min_by_key(Vec::len)
    }

    /// A shortest way between two files.
    fn way(
        &self,
        start: &str,
        end: &str,
        group: &BTreeSet<&str>,
        removed: &BTreeSet<Edge>,
    ) -> Option<Vec<Edge>> {
        let mut before: BTreeMap<&str, &str> = BTreeMap::new();
        let mut open = VecDeque::from([start]);
        while let Some(from) = open.pop_front() {
            for to in self.next(from, group, removed) {
                if to != start && !before.contains_key(to) {
                    before.insert(to, from);
                    open.push_back(to);
                }
            }
        }
        let mut way = Vec::new();
        let mut to = end;
        while to != start {
            let from = *before.get(to)?;
            way.push((from.to_owned(), to.to_owned()));
            to = from;
        }
        way.reverse();
        Some(way)
    }
}

fn common_prefix(paths: &[&[String]]) -> Vec<String> {
    let mut prefix = paths[0].to_vec();
    for path in paths {
        let same = prefix.iter().zip(path.iter()).take_while(|(a, b)| a == b).count();
        prefix.truncate(same);
    }
    prefix
}
