//! Promises of the parsers over any bytes, and over all that the kernel may write.

use dunnage_cgroup::parse::{
    Size, parse_cfs_quota, parse_cgroup_file, parse_cpu_list, parse_cpu_max, parse_cpus_allowed,
    parse_flat_keyed, parse_mountinfo, parse_pressure, parse_size, parse_u64, unescape_octal,
};
use dunnage_cgroup::{Overrides, Reader, Root, read_limits};
use proptest::prelude::*;
use std::fs;

/// Bytes of any kind, and bytes that look like the kernel's, so that parsers are reached behind their first check.
fn bytes() -> impl Strategy<Value = Vec<u8>> {
    let alike = "[0-9a-z_ :,/.=\\\\\n\t-]{0,200}".prop_map(String::into_bytes);
    prop_oneof![proptest::collection::vec(any::<u8>(), 0..300), alike]
}

/// A name of a folder as the kernel lets one be made: no slash, no newline, not `.` or `..`.
fn name() -> impl Strategy<Value = String> {
    "[a-z0-9:\\\\ @._-]{1,12}".prop_filter("a name", |name| name != "." && name != "..")
}

/// As the kernel writes a path into mountinfo.
fn escape(path: &str) -> String {
    path.replace('\\', "\\134").replace(' ', "\\040")
}

proptest! {
    #[test]
    fn no_bytes_make_a_parser_panic(bytes in bytes()) {
        let _ = parse_u64(&bytes);
        let _ = parse_size(&bytes);
        let _ = parse_cpu_list(&bytes);
        let _ = parse_cpus_allowed(&bytes);
        let _ = parse_pressure(&bytes);
        for line in parse_cgroup_file(&bytes) {
            let _ = (line.is_v2(), line.has_controller("cpu"));
        }
        for mount in parse_mountinfo(&bytes) {
            let _ = (mount.is_v2(), mount.has_v1_controller("cpu"));
        }
        prop_assert!(parse_flat_keyed(&bytes).count() <= bytes.len());
        prop_assert!(unescape_octal(&bytes).len() <= bytes.len());
    }

    #[test]
    fn a_quota_that_is_read_is_above_zero(bytes in bytes()) {
        for found in [parse_cpu_max(&bytes), parse_cfs_quota(&bytes, None), parse_cfs_quota(b"1", Some(&bytes))] {
            if let Ok(Some(bandwidth)) = found {
                prop_assert!(bandwidth.cpus() > 0.0 && bandwidth.cpus().is_finite());
            }
        }
    }

    #[test]
    fn every_quota_that_the_kernel_writes_is_read(quota in 1..=u64::MAX, period in 1..=u64::MAX) {
        let v2 = parse_cpu_max(format!("{quota} {period}\n").as_bytes()).unwrap().unwrap();
        prop_assert_eq!((v2.quota_usec, v2.period_usec), (quota, period));
        let v1 = parse_cfs_quota(format!("{quota}\n").as_bytes(), Some(format!("{period}\n").as_bytes()));
        prop_assert_eq!(v1, Ok(Some(v2)));
    }

    #[test]
    fn every_number_is_read_and_those_of_v1_s_unlimited_range_are_none(value: u64) {
        let text = format!("{value}\n");
        prop_assert_eq!(parse_u64(text.as_bytes()), Some(value));
        match parse_size(text.as_bytes()) {
            Some(Size::Limit(limit)) => prop_assert!(limit == value && value < 0x7fff_ffff_ffff_0000),
            Some(Size::Max) => prop_assert!(value >= 0x7fff_ffff_ffff_0000),
            None => prop_assert!(false, "{} was refused", value),
        }
    }

    #[test]
    fn a_list_counts_as_many_cpus_as_were_written(cpus in proptest::collection::btree_set(0_u32..4096, 1..64)) {
        let singles: Vec<_> = cpus.iter().map(u32::to_string).collect();
        prop_assert_eq!(parse_cpu_list(singles.join(",").as_bytes()), Some(u32::try_from(cpus.len()).unwrap()));
        let (first, last) = (*cpus.first().unwrap(), *cpus.last().unwrap());
        let range = format!("{first}-{last}\n");
        prop_assert_eq!(parse_cpu_list(range.as_bytes()), Some(last - first + 1));
    }

    #[test]
    fn a_mounted_path_comes_back_as_it_was(root in name(), point in name()) {
        let (root, point) = (format!("/{root}"), format!("/mnt/{point}"));
        let text = format!("36 35 0:32 {} {} rw shared:1 - cgroup cgroup rw,cpu\n", escape(&root), escape(&point));
        let mounts: Vec<_> = parse_mountinfo(text.as_bytes()).collect();
        prop_assert_eq!(mounts.len(), 1);
        prop_assert_eq!(mounts[0].root.as_ref(), root.as_bytes());
        prop_assert_eq!(mounts[0].mount_point.as_ref(), point.as_bytes());
    }

    #[test]
    fn a_cgroup_s_path_comes_back_as_it_was(id in 1_u64..20, names in proptest::collection::vec(name(), 1..5)) {
        let path = format!("/{}", names.join("/"));
        let text = format!("{id}:cpu,cpuacct:{path}\n");
        let lines: Vec<_> = parse_cgroup_file(text.as_bytes()).collect();
        prop_assert_eq!(lines.len(), 1);
        prop_assert_eq!(lines[0].path, path.as_bytes());
        prop_assert!(lines[0].has_controller("cpuacct"));
    }

    #[test]
    fn pairs_come_back_as_they_were(pairs in proptest::collection::vec(("[a-z_]{1,20}", any::<u64>()), 0..40)) {
        let lines: Vec<_> = pairs.iter().map(|(key, value)| format!("{key} {value}
")).collect();
        let text = lines.concat();
        let found: Vec<_> = parse_flat_keyed(text.as_bytes())
            .map(|(key, value)| (String::from_utf8(key.to_vec()).unwrap(), value))
            .collect();
        prop_assert_eq!(found, pairs);
    }

    #[test]
    fn pressure_comes_back_as_it_was(hundredths in 0_u32..=10_000, total: u64) {
        let percent = f64::from(hundredths) / 100.0;
        let text = format!("some avg10={percent:.2} avg60=0.00 avg300={percent:.2} total={total}\n");
        let some = parse_pressure(text.as_bytes()).some.unwrap();
        prop_assert!((some.avg10 - percent).abs() < 1e-9 && (some.avg300 - percent).abs() < 1e-9);
        prop_assert_eq!(some.total_usec, total);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn whatever_the_files_hold_there_is_an_answer_within_affinity(
        cgroup in bytes(), mountinfo in bytes(), status in bytes(), cpu_max in bytes(), memory_max in bytes(), stat in bytes(),
        affinity in prop_oneof![Just(None), (1_u32..128).prop_map(Some)],
        is_found: bool,
    ) {
        let folder = tempfile::tempdir().unwrap();
        let put = |path: &str, bytes: &[u8]| {
            let path = folder.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, bytes).unwrap();
        };
        if is_found {
            put("proc/self/cgroup", b"0::/\n");
            put("proc/self/mountinfo", b"30 23 0:26 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n");
        } else {
            put("proc/self/cgroup", &cgroup);
            put("proc/self/mountinfo", &mountinfo);
        }
        put("proc/self/status", &status);
        put("sys/fs/cgroup/cpu.max", &cpu_max);
        put("sys/fs/cgroup/memory.max", &memory_max);
        for file in ["memory.stat", "cpu.stat", "memory.events", "memory.current", "memory.pressure"] {
            put(&format!("sys/fs/cgroup/{file}"), &stat);
        }
        let root = Root::at(folder.path());
        let limits = read_limits(&root, &Overrides::default(), affinity);
        let effective = limits.cpu.effective.value;
        prop_assert!(effective > 0.0 && effective <= f64::from(limits.cpu.affinity));
        let mut reader = Reader::open(&root);
        let _ = (reader.cpu_limit(), reader.throttling(), reader.memory_usage(), reader.memory_events());
        if let Ok(memory) = reader.memory() {
            prop_assert!(memory.working_set <= memory.usage);
        }
    }
}
