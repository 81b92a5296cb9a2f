//! `/proc/self/mountinfo`: where file systems are mounted, and which folder of theirs is the root of that mount.

use std::borrow::Cow;

/// One mounted file system (`man 5 proc_pid_mountinfo`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mount<'a> {
    /// Folder of the file system that is mounted (field 4); for cgroups the cgroup that the mount shows as its top.
    pub root: Cow<'a, [u8]>,
    /// Where it is mounted (field 5).
    pub mount_point: Cow<'a, [u8]>,
    /// `cgroup`, `cgroup2` or another.
    pub fs_type: Cow<'a, [u8]>,
    /// Options of the superblock, separated by commas: a v1 mount names its controllers here.
    pub super_options: Cow<'a, [u8]>,
}

impl Mount<'_> {
    /// Whether this shows a hierarchy of cgroups.
    pub fn is_cgroup(&self) -> bool {
        self.is_v2() || *self.fs_type == *b"cgroup"
    }

    /// Whether this shows the unified hierarchy.
    pub fn is_v2(&self) -> bool {
        *self.fs_type == *b"cgroup2"
    }

    fn options(&self) -> impl Iterator<Item = &[u8]> {
        self.super_options.split(|byte| *byte == b',')
    }

    /// Whether this shows a v1 hierarchy with a name instead of controllers (systemd's).
    pub fn is_named(&self) -> bool {
        self.options().any(|option| option.starts_with(b"name="))
    }

    /// Whether this shows the v1 hierarchy of a controller. Folder names do not tell: `cpu,cpuacct`, `cpuacct,cpu` and
    /// links to either are all in use.
    pub fn has_v1_controller(&self, name: &str) -> bool {
        *self.fs_type == *b"cgroup" && self.options().any(|option| option == name.as_bytes())
    }

    /// The same, independent of the file's bytes.
    pub fn into_owned(self) -> Mount<'static> {
        let own = |bytes: Cow<[u8]>| Cow::Owned(bytes.into_owned());
        Mount {
            root: own(self.root),
            mount_point: own(self.mount_point),
            fs_type: own(self.fs_type),
            super_options: own(self.super_options),
        }
    }
}

/// Parses the file; lines of another form are left out. There is no limit on a line's length.
pub fn parse_mountinfo(bytes: &[u8]) -> impl Iterator<Item = Mount<'_>> {
    bytes.split(|byte| *byte == b'\n').filter_map(parse_line)
}

fn parse_line(line: &[u8]) -> Option<Mount<'_>> {
    // 36 35 98:0 /root /mount/point rw,noatime [optional fields…] - type source super-options
    let mut fields = line.split(|byte| *byte == b' ');
    let root = fields.nth(3)?;
    let mount_point = fields.next()?;
    fields.next()?;
    fields.find(|field| *field == b"-")?;
    let fs_type = fields.next()?;
    fields.next()?;
    let super_options = fields.next().unwrap_or_default();
    if root.is_empty() || !mount_point.starts_with(b"/") {
        return None;
    }
    Some(Mount {
        root: unescape_octal(root),
        mount_point: unescape_octal(mount_point),
        fs_type: Cow::Borrowed(fs_type),
        super_options: Cow::Borrowed(super_options),
    })
}

/// Turns `\040` back into a blank: the kernel writes blank, tab, newline and backslash as three octal digits
/// (kernel: `mangle_path` in `fs/seq_file.c`). A backslash with anything else behind it stands for itself.
pub fn unescape_octal(text: &[u8]) -> Cow<'_, [u8]> {
    if !text.contains(&b'\\') {
        return Cow::Borrowed(text);
    }
    let mut plain = Vec::with_capacity(text.len());
    let mut rest = text;
    while let [first, behind @ ..] = rest {
        let octal = |digit: &u8| (b'0'..=b'7').contains(digit).then(|| digit - b'0');
        let escaped = match behind {
            [a @ b'0'..=b'3', b, c, left @ ..] if *first == b'\\' => octal(b)
                .zip(octal(c))
                .map(|(b, c)| (((a - b'0') << 6) | (b << 3) | c, left)),
            _ => None,
        };
        let (byte, left) = escaped.unwrap_or((*first, behind));
        plain.push(byte);
        rest = left;
    }
    Cow::Owned(plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_found_behind_any_number_of_optional_ones() {
        let text = b"1 0 0:1 / /a rw - tmpfs tmpfs rw\n\
            32 31 0:29 /docker/abc /sys/fs/cgroup/cpu,cpuacct ro,nosuid shared:9 master:4 - cgroup cgroup rw,cpu,cpuacct\n\
            33 31 0:30 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw,nsdelegate\n";
        let mounts: Vec<_> = parse_mountinfo(text).collect();
        assert_eq!(mounts.len(), 3);
        assert_eq!(mounts[1].root.as_ref(), b"/docker/abc");
        assert_eq!(
            mounts[1].mount_point.as_ref(),
            b"/sys/fs/cgroup/cpu,cpuacct"
        );
        assert!(mounts[1].has_v1_controller("cpu") && !mounts[1].has_v1_controller("cpuset"));
        assert!(mounts[2].is_v2() && !mounts[1].is_v2());
    }

    #[test]
    fn octal_escapes_are_undone_and_other_backslashes_stay() {
        assert_eq!(unescape_octal(br"/a\040b\134c").as_ref(), br"/a b\c");
        assert_eq!(unescape_octal(br"\777\9\04").as_ref(), br"\777\9\04");
        assert_eq!(unescape_octal(b"/plain").as_ref(), b"/plain");
    }

    #[test]
    fn half_a_line_is_no_mount() {
        for text in [
            "",
            "1 2 3",
            "1 2 3 / /m rw",
            "1 2 3 / /m rw -",
            "1 2 3 / m rw - cgroup cgroup rw",
        ] {
            assert_eq!(parse_mountinfo(text.as_bytes()).count(), 0, "{text:?}");
        }
    }
}
