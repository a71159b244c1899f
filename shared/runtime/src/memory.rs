//! The memory that this process may use.

use std::path::{Path, PathBuf};

/// Bytes that are assumed without `/proc` and control groups.
const UNKNOWN: usize = 2 << 30;

/// Returns the bytes that this process may use: the memory of the machine, or the lowest limit of its control groups (version 2,
/// `memory.max`; or version 1, `memory.limit_in_bytes`) where that is less.
#[must_use]
pub fn limit() -> usize {
    let read = |path: &Path| std::fs::read_to_string(path).ok();
    let machine = read(Path::new("/proc/meminfo")).and_then(|text| machine_memory(&text));
    let groups = read(Path::new("/proc/self/cgroup")).unwrap_or_default();
    let limits = limit_files(&groups).into_iter().filter_map(|file| read(&file)?.trim().parse().ok());
    limits.chain(machine).min().unwrap_or(UNKNOWN)
}

/// Returns the bytes of `MemTotal` of `/proc/meminfo`, which is in KiB.
fn machine_memory(text: &str) -> Option<usize> {
    let total = text.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
    let kib: usize = total.trim().strip_suffix("kB")?.trim().parse().ok()?;
    kib.checked_mul(1024)
}

/// The files that may hold limits, by `/proc/self/cgroup`: lines of `number:controllers:/path`. In a container the path may be that of
/// the host, and the root is the container's own.
fn limit_files(groups: &str) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for line in groups.lines() {
        let mut parts = line.splitn(3, ':').skip(1);
        let (Some(controllers), Some(path)) = (parts.next(), parts.next()) else { continue };
        let (root, name) = match controllers {
            "" => ("/sys/fs/cgroup", "memory.max"),
            controllers if controllers.split(',').any(|controller| controller == "memory") => {
                ("/sys/fs/cgroup/memory", "memory.limit_in_bytes")
            }
            _ => continue,
        };
        for folder in Path::new(path.trim_start_matches('/')).ancestors() {
            files.push(Path::new(root).join(folder).join(name));
        }
    }
    files
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_memory_of_the_machine_is_read_in_bytes() {
        assert_eq!(machine_memory("MemTotal:        2048 kB\nMemFree: 1 kB\n"), Some(2048 * 1024));
        assert_eq!(machine_memory("MemFree: 1 kB\n"), None);
    }

    #[test]
    fn every_control_group_above_the_process_is_asked() {
        let paths = |text: &str| limit_files(text).into_iter().map(|file| file.to_str().unwrap().to_owned()).collect::<Vec<_>>();
        assert_eq!(
            paths("0::/system.slice/forebay.service\n"),
            [
                "/sys/fs/cgroup/system.slice/forebay.service/memory.max",
                "/sys/fs/cgroup/system.slice/memory.max",
                "/sys/fs/cgroup/memory.max"
            ]
        );
        assert_eq!(paths("0::/\n"), ["/sys/fs/cgroup/memory.max"]);
        assert_eq!(
            paths("5:cpu,cpuacct:/x\n4:memory:/docker/1\n"),
            [
                "/sys/fs/cgroup/memory/docker/1/memory.limit_in_bytes",
                "/sys/fs/cgroup/memory/docker/memory.limit_in_bytes",
                "/sys/fs/cgroup/memory/memory.limit_in_bytes"
            ]
        );
    }

    #[test]
    fn a_process_may_use_some_memory() {
        assert!(limit() > 64 << 20);
    }
}
