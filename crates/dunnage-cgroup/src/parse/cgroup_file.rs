//! `/proc/self/cgroup`: which cgroup the process is in, one line a hierarchy (`man 7 cgroups`).

use super::number::parse_digits;

/// One line: `ID:CONTROLLERS:PATH`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CgroupLine<'a> {
    /// Number of the hierarchy; 0 is the unified one (v2).
    pub hierarchy: u64,
    /// Controllers of a v1 hierarchy, separated by commas, or `name=…`; empty for v2.
    pub controllers: &'a [u8],
    /// Path of the cgroup below the root of the reader's cgroup namespace; begins with `/..` where it lies outside.
    pub path: &'a [u8],
}

impl CgroupLine<'_> {
    /// Whether this is the line of the unified hierarchy. It stands there on every kernel with cgroup v2 built in, even
    /// where no v2 file system is mounted and all controllers are on v1.
    pub fn is_v2(&self) -> bool {
        self.hierarchy == 0 && self.controllers.is_empty()
    }

    /// Whether a v1 hierarchy holds this controller.
    pub fn has_controller(&self, name: &str) -> bool {
        self.controllers
            .split(|byte| *byte == b',')
            .any(|controller| controller == name.as_bytes())
    }
}

/// Parses the file; lines of another form are left out.
///
/// Only the first two colons separate: a path may hold more (containerd's `…slice:cri-containerd:ID`).
pub fn parse_cgroup_file(bytes: &[u8]) -> impl Iterator<Item = CgroupLine<'_>> {
    bytes.split(|byte| *byte == b'\n').filter_map(parse_line)
}

fn parse_line(line: &[u8]) -> Option<CgroupLine<'_>> {
    let mut fields = line.splitn(3, |byte| *byte == b':');
    let hierarchy = parse_digits(fields.next()?)?;
    let controllers = fields.next()?;
    let path = fields.next()?;
    path.starts_with(b"/").then_some(CgroupLine {
        hierarchy,
        controllers,
        path,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colons_after_the_second_belong_to_the_path() {
        let lines: Vec<_> =
            parse_cgroup_file(b"13:cpuset:/a.slice:cri-containerd:b\n5:cpu,cpuacct:/x\n0::/\n")
                .collect();
        assert_eq!(lines[0].path, b"/a.slice:cri-containerd:b");
        assert!(lines[0].has_controller("cpuset") && !lines[0].has_controller("cpu"));
        assert!(lines[1].has_controller("cpu") && lines[1].has_controller("cpuacct"));
        assert!(lines[2].is_v2() && !lines[1].is_v2());
        assert_eq!(lines.len(), 3);
    }

    #[test]
    fn lines_of_another_form_are_left_out() {
        assert_eq!(
            parse_cgroup_file(b"\n1:cpu\nx:cpu:/\n1:cpu:relative\n").count(),
            0
        );
    }
}
