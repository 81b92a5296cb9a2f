//! Paths of cgroups relative to a cgroup namespace, compared by their names alone.

/// Longest path that the kernel writes (`include/uapi/linux/limits.h`).
const PATH_MAX: usize = 4096;

/// A path as `/proc/self/cgroup` and field 4 of mountinfo give it: first so many steps up out of the namespace, then names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct CgroupPath<'a> {
    ups: usize,
    names: Vec<&'a [u8]>,
}

/// Where a process is below the top of a mount.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Below<'p, 'a> {
    /// Folders from the mount point down.
    pub names: &'p [&'a [u8]],
    /// Whether they lead to the process's own cgroup. They do not where the mount begins above the namespace: then the
    /// names in between are not told.
    pub is_whole: bool,
}

impl<'a> CgroupPath<'a> {
    /// `None` for what the kernel does not write: a relative path, one longer than `PATH_MAX`, or a `..` behind a name.
    pub fn parse(path: &'a [u8]) -> Option<Self> {
        if path.len() > PATH_MAX {
            return None;
        }
        let mut names = Vec::new();
        let mut ups = 0;
        for name in path.strip_prefix(b"/")?.split(|byte| *byte == b'/') {
            match name {
                b"" | b"." => {}
                b".." if names.is_empty() => ups += 1,
                b".." => return None,
                _ => names.push(name),
            }
        }
        Some(Self { ups, names })
    }

    pub fn is_outside(&self) -> bool {
        self.ups > 0
    }

    pub fn is_root(&self) -> bool {
        self.ups == 0 && self.names.is_empty()
    }

    /// This path relative to the top of a mount; `None` where it is not known to be below it.
    pub fn below<'p>(&'p self, top: &CgroupPath) -> Option<Below<'p, 'a>> {
        if self.ups == top.ups {
            let (above, names) = self.names.split_at_checked(top.names.len())?;
            if above != top.names {
                return None;
            }
            return Some(Below {
                names,
                is_whole: true,
            });
        }
        (top.ups > self.ups && top.names.is_empty()).then_some(Below {
            names: &[],
            is_whole: false,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn below(process: &str, top: &str) -> Option<(String, bool)> {
        let process = CgroupPath::parse(process.as_bytes())?;
        let top = CgroupPath::parse(top.as_bytes())?;
        let below = process.below(&top)?;
        Some((
            String::from_utf8(below.names.join(&b'/')).unwrap(),
            below.is_whole,
        ))
    }

    #[test]
    fn the_root_of_the_mount_is_taken_off_the_path() {
        assert_eq!(below("/", "/"), Some((String::new(), true)));
        assert_eq!(below("/a/b", "/"), Some(("a/b".into(), true)));
        assert_eq!(below("/a/b", "/a"), Some(("b".into(), true)));
        assert_eq!(
            below("/docker/abc", "/docker/abc"),
            Some((String::new(), true))
        );
        assert_eq!(below("/../b/c", "/../b"), Some(("c".into(), true)));
    }

    #[test]
    fn a_process_outside_of_the_mount_has_no_folder_there() {
        assert_eq!(below("/docker/abcd", "/docker/abc"), None);
        assert_eq!(below("/nomad/shared", "/system.slice/docker-x.scope"), None);
        assert_eq!(below("/../ctr2", "/"), None);
        assert_eq!(below("/", "/../sibling"), None);
    }

    #[test]
    fn a_mount_that_begins_above_the_namespace_shows_ancestors_but_not_the_leaf() {
        assert_eq!(below("/", "/.."), Some((String::new(), false)));
        assert_eq!(below("/a", "/../.."), Some((String::new(), false)));
    }

    #[test]
    fn no_path_climbs_out_of_the_mount() {
        assert_eq!(CgroupPath::parse(b"/a/../../etc"), None);
        assert_eq!(CgroupPath::parse(b"a"), None);
        assert_eq!(CgroupPath::parse(b""), None);
    }
}
