//! Lists of CPUs: `0-3,8`, as in `cpuset.cpus.effective`, `/sys/devices/system/cpu/online` and `/proc/self/status`.

use super::number::parse_digits;

/// No Linux has more CPUs than this; a longer list is a mistake (kernel: `NR_CPUS` is at most 8192 on any architecture).
const MAX_CPU: u64 = 65_535;

/// Counts the CPUs of a list. `None` where it is empty, or not in the kernel's ascending form (`man 7 cpuset`, list format).
pub fn parse_cpu_list(bytes: &[u8]) -> Option<u32> {
    let mut count = 0;
    let mut next_allowed = 0;
    for range in bytes.trim_ascii().split(|byte| *byte == b',') {
        let mut ends = range.splitn(2, |byte| *byte == b'-');
        let first = parse_digits(ends.next()?)?;
        let last = ends.next().map_or(Some(first), parse_digits)?;
        if first < next_allowed || last < first || last > MAX_CPU {
            return None;
        }
        next_allowed = last + 1;
        count += last - first + 1;
    }
    u32::try_from(count).ok()
}

/// Counts the CPUs that the scheduler may use for this process: `Cpus_allowed_list` of `/proc/self/status` (`man 5 proc`).
pub fn parse_cpus_allowed(status: &[u8]) -> Option<u32> {
    status
        .split(|byte| *byte == b'\n')
        .find_map(|line| line.strip_prefix(b"Cpus_allowed_list:"))
        .and_then(parse_cpu_list)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_and_single_cpus_are_counted() {
        assert_eq!(parse_cpu_list(b"0-1\n"), Some(2));
        assert_eq!(parse_cpu_list(b"3"), Some(1));
        assert_eq!(parse_cpu_list(b"0-3,8,10-12\n"), Some(8));
        assert_eq!(parse_cpu_list(b"0-63"), Some(64));
    }

    #[test]
    fn what_no_kernel_writes_is_refused() {
        for text in [
            "",
            "\n",
            "3-1",
            "0-",
            "-3",
            "0,0",
            "0-3,2",
            "a",
            "0-99999999999",
            "0,,1",
            "1-2-3",
        ] {
            assert_eq!(parse_cpu_list(text.as_bytes()), None, "{text:?}");
        }
    }

    #[test]
    fn the_list_is_found_among_the_other_lines_of_status() {
        let status = b"Name:\tCpus_allowed_list:\nCpus_allowed:\tff\nCpus_allowed_list:\t2-3\nMems_allowed:\t1\n";
        assert_eq!(parse_cpus_allowed(status), Some(2));
        assert_eq!(parse_cpus_allowed(b"Name:\tx\n"), None);
    }
}
