//! Recorded facts, changed in one place, and what is then said.

use std::path::Path;

use dunnage_cgroup::{Confidence, Pids, Sourced, Throttling};

use super::*;
use crate::commands::doctor::facts::tests::{facts, recorded};
use crate::commands::doctor::facts::{Folder, Init, Library, Named, Signals, Sockets};

fn verdict(facts: &Facts, name: &str) -> Verdict {
    let found = judge(facts)
        .into_iter()
        .find(|verdict| verdict.name == name);
    found.unwrap_or_else(|| panic!("no verdict is called {name}"))
}

/// The status and the rule of one verdict after a change.
fn after(name: &str, change: impl FnOnce(&mut Facts)) -> (Status, Option<&'static str>) {
    let mut facts = facts();
    change(&mut facts);
    let verdict = verdict(&facts, name);
    (verdict.status, verdict.rule)
}

const TERM: u64 = 1 << 14;

fn init(words: &str, caught: u64) -> Init {
    let words: Vec<_> = words.split(' ').map(str::to_owned).collect();
    let name = words.first().cloned().unwrap_or_default();
    Init {
        pid: 1,
        program: format!("/usr/bin/{name}"),
        name,
        words,
        signals: Some(Signals {
            caught,
            ..Signals::default()
        }),
    }
}

#[test]
fn each_verdict_has_a_name_of_its_own_and_evidence_or_a_reason() {
    for name in ["gunicorn-numpy-v1", "zombie-v1"] {
        let verdicts = judge(&recorded(name));
        let names: std::collections::BTreeSet<_> =
            verdicts.iter().map(|verdict| verdict.name).collect();
        assert_eq!(names.len(), verdicts.len());
        for verdict in verdicts {
            let is_bad = matches!(verdict.status, Status::Fail | Status::Warn | Status::Info);
            assert!(
                !is_bad || (!verdict.evidence.is_empty() && verdict.advice.is_some()),
                "{verdict:?}"
            );
            assert!(
                !verdict.message.is_empty() && !verdict.message.ends_with('.'),
                "{verdict:?}"
            );
        }
    }
}

#[test]
fn the_recorded_zombie_of_a_python_as_process_1_fails_both() {
    let facts = recorded("zombie-v1");
    let found = verdict(&facts, "pid-1");
    assert_eq!((found.status, found.rule), (Status::Fail, Some("LIFE001")));
    let found = verdict(&facts, "zombies");
    assert_eq!((found.status, found.rule), (Status::Fail, Some("PID004")));
}

#[test]
fn who_is_process_1_decides_what_becomes_of_sigterm() {
    let with = |init: Init| after("pid-1", |facts| facts.init = Some(init));
    assert_eq!(
        with(init("sh -c cd . && python app.py", 2)),
        (Status::Fail, Some("PID001"))
    );
    assert_eq!(with(init("bash entry.sh", 2 | TERM)).0, Status::Ok);
    assert_eq!(
        with(init("python3 app.py", 2)),
        (Status::Fail, Some("LIFE001"))
    );
    assert_eq!(with(init("python3 app.py", TERM)), (Status::Ok, None));
    assert_eq!(
        with(init("uv run app.py", TERM)),
        (Status::Warn, Some("PID008"))
    );
    assert_eq!(with(init("tini -- python3 app.py", 0)), (Status::Ok, None));
    // a program that waits for it with sigwait or a signalfd blocks it
    let mut waiting = init("server", 0);
    waiting.signals = Some(Signals {
        blocked: TERM,
        ..Signals::default()
    });
    assert_eq!(with(waiting).0, Status::Ok);
    assert_eq!(after("pid-1", |facts| facts.init = None).0, Status::Unknown);
}

#[test]
fn zombies_of_an_application_are_its_own_matter_whoever_is_process_1() {
    let zombies = |count, parent| {
        let mut facts = recorded("zombie-v1");
        facts.init = Some(init("tini -- python3 app.py", 0));
        facts.processes.zombie_count = count;
        facts.processes.zombies[0].parent.pid = parent;
        let verdict = verdict(&facts, "zombies");
        (verdict.status, verdict.rule)
    };
    assert_eq!(zombies(1, 7), (Status::Warn, Some("PID011")));
    assert_eq!(zombies(500, 7), (Status::Fail, Some("PID011")));
}

#[test]
fn orphans_are_killed_without_notice_but_below_dunnage() {
    let orphan = Named {
        pid: 9,
        command: "sleep 60".to_owned(),
    };
    let with = |init: Init| {
        after("orphans", |facts| {
            facts.init = Some(init);
            facts.processes.orphans = vec![orphan.clone()];
        })
        .0
    };
    assert_eq!(with(init("tini -- app", 0)), Status::Warn);
    assert_eq!(with(init("dunnage run -- app", 0)), Status::Ok);
}

fn throttling(periods: u64, throttled: u64) -> Option<Throttling> {
    Some(Throttling {
        periods,
        throttled,
        throttled_usec: throttled * 50_000,
    })
}

#[test]
fn throttling_fails_from_a_tenth_of_the_periods_on_and_few_tell_nothing() {
    let at = |periods, throttled| {
        let set =
            |facts: &mut Facts| facts.counted.throttling_later = throttling(periods, throttled);
        after("throttled", set).0
    };
    assert_eq!(at(13, 9), Status::Unknown, "a start is no verdict");
    assert_eq!(at(599, 599), Status::Unknown);
    assert_eq!(at(600, 60), Status::Fail);
    assert_eq!(at(13, 0), Status::Ok);
    assert_eq!(at(1000, 0), Status::Ok);
    assert_eq!(at(1000, 9), Status::Ok);
    assert_eq!(at(1000, 20), Status::Warn);
    assert_eq!(at(1000, 100), Status::Fail);
    let unlimited = after("throttled", |facts| facts.limits.cpu.limit = None);
    assert_eq!(unlimited.0, Status::Ok);
    let mut early = facts();
    early.counted.throttling = throttling(11, 7);
    early.counted.throttling_later = throttling(13, 9);
    let message = verdict(&early, "throttled").message;
    assert!(
        message.contains("too early to tell: 9 of 13 periods, 50 ms each on average; 2 of the last 2 while we looked"),
        "{message}"
    );
}

#[test]
fn a_pool_above_the_plan_fails_only_where_the_quota_did_stop_it() {
    let with = |threads, throttled| {
        after("pools", |facts| {
            let python = facts.python.as_mut().unwrap();
            python.libraries.as_mut().unwrap()[0].threads = threads;
            facts.counted.throttling_later = throttling(1000, throttled);
        })
    };
    assert_eq!(with(Some(1), 500).0, Status::Ok);
    assert_eq!(with(Some(8), 0), (Status::Warn, Some("CPU011")));
    assert_eq!(with(Some(8), 500).0, Status::Fail);
    let at_start = after("pools", |facts| {
        let python = facts.python.as_mut().unwrap();
        python.libraries.as_mut().unwrap()[0].threads = Some(8);
        facts.counted.throttling_later = throttling(13, 9);
    });
    assert_eq!(at_start.0, Status::Warn, "a start did not prove it");
    assert_eq!(with(None, 500).0, Status::Unknown);
    let alone = after("pools", |facts| facts.processes.workers = 1);
    assert_eq!(alone.1, Some("CPU001"));
    let refused = after("pools", |facts| {
        facts.python.as_mut().unwrap().libraries = None;
    });
    assert_eq!(refused.0, Status::Unknown);
}

#[test]
fn a_count_of_two_is_no_surprise_under_half_a_cpu_and_64_is_one() {
    let at = |cpus| after("cpu-count", |facts| facts.node.cpus = Some(cpus)).0;
    assert_eq!((at(2), at(64)), (Status::Ok, Status::Warn));
    let unlimited = after("cpu-count", |facts| facts.limits.cpu.limit = None);
    assert_eq!(unlimited.0, Status::Ok);
}

#[test]
fn threads_that_run_matter_where_most_looks_see_more_than_the_quota_lets_on() {
    let with = |looks: &[u32]| {
        after("runnable", |facts| {
            facts.processes.runnable = looks.to_vec();
        })
        .0
    };
    assert_eq!(with(&[0, 3, 0, 3, 1]), Status::Ok);
    assert_eq!(with(&[4, 3, 0, 3, 1]), Status::Warn);
}

#[test]
fn more_than_two_workers_for_each_cpu_are_told() {
    let with = |workers| after("workers", |facts| facts.processes.workers = workers);
    assert_eq!(with(2).0, Status::Ok);
    assert_eq!(with(64), (Status::Warn, Some("CPU006")));
}

fn memory(working_set: u64) -> impl FnOnce(&mut Facts) {
    move |facts| {
        let memory = facts.counted.memory.as_mut().unwrap();
        memory.limit = Some(1000);
        memory.working_set = Some(working_set);
    }
}

#[test]
fn headroom_fails_at_the_last_twentieth_and_pressure_is_a_warning() {
    assert_eq!(after("headroom", memory(500)).0, Status::Ok);
    assert_eq!(after("headroom", memory(900)).0, Status::Warn);
    assert_eq!(
        after("headroom", memory(960)),
        (Status::Fail, Some("MEM003"))
    );
    let pressed = |facts: &mut Facts| facts.counted.memory_pressure = Some(40.0);
    assert_eq!(after("headroom", pressed).0, Status::Warn);
}

#[test]
fn no_limit_is_told_apart_from_one_that_is_hidden() {
    let without = |confidence| {
        after("memory-limit", |facts| {
            facts.limits.memory.limit = None;
            facts.limits.memory.confidence = confidence;
        })
    };
    assert_eq!(without(Confidence::Leaf), (Status::Warn, Some("MEM001")));
    assert_eq!(without(Confidence::Unknown), (Status::Unknown, None));
}

#[test]
fn kills_high_group_and_swap_are_read_from_the_cgroup() {
    let killed = |facts: &mut Facts| facts.counted.events.as_mut().unwrap().oom_kill = Some(2);
    assert_eq!(after("oom-kills", killed), (Status::Fail, Some("MEM004")));
    let over_high = |facts: &mut Facts| facts.limits.memory.high = Some(1);
    assert_eq!(after("memory-high", over_high).0, Status::Fail);
    let far_from_high = |facts: &mut Facts| facts.limits.memory.high = Some(1 << 40);
    assert_eq!(after("memory-high", far_from_high).0, Status::Ok);
    let group = |workers| {
        after("oom-group", |facts| {
            facts.processes.workers = workers;
            facts.counted.beside.oom_group = Some(Sourced {
                value: true,
                source: "/sys/fs/cgroup/memory.oom.group".to_owned(),
                confidence: Confidence::Leaf,
            });
        })
        .0
    };
    assert_eq!((group(1), group(4)), (Status::Ok, Status::Warn));
    let swapped = |facts: &mut Facts| facts.counted.memory.as_mut().unwrap().swap = Some(1 << 20);
    assert_eq!(after("swap", swapped).0, Status::Warn);
}

#[test]
fn page_cache_that_was_used_twice_misleads_kubectl_top() {
    let cached = |active| {
        after("page-cache", |facts| {
            let memory = facts.counted.memory.as_mut().unwrap();
            memory.limit = Some(1000);
            memory.usage = Some(900);
            memory.inactive_file = Some(100);
            memory.active_file = Some(active);
        })
        .0
    };
    assert_eq!((cached(100), cached(400)), (Status::Ok, Status::Warn));
}

#[test]
fn psutil_is_told_only_where_it_is_loaded_and_the_node_is_larger() {
    assert_eq!(after("memory-believed", |_| {}).0, Status::Ok);
    let loaded = after("memory-believed", |facts| {
        let libraries = facts.python.as_mut().unwrap().libraries.as_mut();
        libraries.unwrap().push(library("psutil", "meter"));
    });
    assert_eq!(loaded, (Status::Warn, Some("MEM010")));
}

fn library(name: &str, kind: &str) -> Library {
    Library {
        name: name.to_owned(),
        kind: kind.to_owned(),
        path: format!("/v/{name}.so"),
        threads: None,
        how: String::new(),
    }
}

fn shm(facts: &mut Facts) -> &mut Folder {
    let mut folders = facts.folders.iter_mut();
    folders.find(|folder| folder.path == "/dev/shm").unwrap()
}

#[test]
fn shared_memory_is_judged_by_its_use_and_by_who_needs_it() {
    let used = |available| after("shm", |facts| shm(facts).available = available).0;
    assert_eq!(used(64 << 20), Status::Ok);
    assert_eq!(used(6 << 20), Status::Warn);
    assert_eq!(used(0), Status::Fail);
    let torch = after("shm", |facts| {
        let libraries = facts.python.as_mut().unwrap().libraries.as_mut();
        libraries.unwrap().push(library("PyTorch", "pool"));
    });
    assert_eq!(torch, (Status::Warn, Some("MEM007")));
    let gone = after("shm", |facts| shm(facts).file_system = None);
    assert_eq!(gone, (Status::Warn, Some("MEM007")));
}

#[test]
fn without_a_folder_for_temporary_files_it_fails_and_with_only_its_own_it_warns() {
    let writable = |paths: &[&str]| {
        after("tmp", |facts| {
            for folder in &mut facts.folders {
                folder.is_writable = paths.contains(&folder.path.as_str());
            }
        })
        .0
    };
    assert_eq!(writable(&["/tmp"]), Status::Ok);
    assert_eq!(writable(&["/dev/shm"]), Status::Fail);
    let own = facts().folders.iter().rev().nth(1).unwrap().path.clone();
    assert_eq!(writable(&[&own]), Status::Warn);
}

#[test]
fn a_heartbeat_on_a_disk_is_told_and_on_tmpfs_not() {
    let on = |kind: &str| {
        after("heartbeat", |facts| {
            let python = facts.python.as_mut().unwrap();
            python.heartbeat.as_mut().unwrap().file_system = Some(kind.to_owned());
        })
    };
    assert_eq!(on("tmpfs").0, Status::Ok);
    assert_eq!(on("overlay"), (Status::Info, Some("IMG003")));
}

#[test]
fn a_limit_that_is_nearly_met_warns_before_it_fails() {
    let at = |current| {
        after("pids", |facts| {
            facts.counted.beside.pids = Some(Pids {
                current: Some(current),
                limit: Some(Sourced {
                    value: 100,
                    source: "/sys/fs/cgroup/pids.max".to_owned(),
                    confidence: Confidence::Leaf,
                }),
            });
        })
        .0
    };
    assert_eq!(
        (at(10), at(80), at(95)),
        (Status::Ok, Status::Warn, Status::Fail)
    );
    let files = |open| {
        after("open-files", |facts| {
            facts.python.as_mut().unwrap().open_files = open;
        })
        .0
    };
    assert_eq!(
        (files(Some(19_900)), files(None)),
        (Status::Fail, Status::Unknown)
    );
}

#[test]
fn a_buffer_before_stdout_is_told_unless_somebody_switched_it_off() {
    let with = |words: &str, value: Option<&str>| {
        after("stdout", |facts| {
            let python = facts.python.as_mut().unwrap();
            python.words = words.split(' ').map(str::to_owned).collect();
            let variable = value.map(|value| ("PYTHONUNBUFFERED".to_owned(), value.to_owned()));
            python.environment.as_mut().unwrap().extend(variable);
        })
    };
    assert_eq!(with("python3 app.py", None), (Status::Info, Some("IMG002")));
    assert_eq!(with("python3 -u app.py", None).0, Status::Ok);
    assert_eq!(with("python3 app.py", Some("1")).0, Status::Ok);
    assert_eq!(with("python3 app.py", Some("")).0, Status::Info);
    assert_eq!(with("python3 -E app.py", Some("1")).0, Status::Info);
    let refused = after("stdout", |facts| {
        facts.python.as_mut().unwrap().environment = None;
    });
    assert_eq!(refused.0, Status::Unknown);
}

#[test]
fn a_server_for_developing_fails_by_its_command_or_by_its_reloaders_variable() {
    let by_command = after("dev-server", |facts| {
        facts.processes.pythons[0].command = "python3 -m flask run".to_owned();
    });
    assert_eq!(by_command, (Status::Fail, Some("IMG001")));
    let by_variable = after("dev-server", |facts| {
        let environment = facts.python.as_mut().unwrap().environment.as_mut().unwrap();
        environment.insert("WERKZEUG_RUN_MAIN".to_owned(), "true".to_owned());
    });
    assert_eq!(by_variable, (Status::Fail, Some("IMG001")));
}

#[test]
fn a_container_without_a_python_is_judged_all_the_same() {
    let mut facts = facts();
    facts.python = None;
    assert_eq!(verdict(&facts, "pools").status, Status::Unknown);
    assert_eq!(verdict(&facts, "headroom").status, Status::Ok);
}

#[test]
fn a_server_on_loopback_alone_is_a_warning_unless_a_neighbour_may_ask_it() {
    let listening = |words: &str, address: &str, own_outside, others_outside| {
        let (status, rule) = after("sockets", |facts| {
            let python = facts.python.as_mut().unwrap();
            python.words = words.split(' ').map(str::to_owned).collect();
            python.sockets = Some(Sockets {
                own: vec![address.to_owned()],
                own_outside,
                others_outside,
            });
        });
        (status, rule)
    };
    let uvicorn = "python3 -m uvicorn shop:app";
    let loopback = "127.0.0.1:8000";
    assert_eq!(
        listening(uvicorn, loopback, 0, 0),
        (Status::Warn, Some("NET001"))
    );
    assert_eq!(
        listening("python3 train.py", loopback, 0, 0),
        (Status::Info, Some("NET001"))
    );
    assert_eq!(listening(uvicorn, loopback, 0, 1), (Status::Ok, None));
    assert_eq!(listening(uvicorn, "0.0.0.0:8000", 1, 0), (Status::Ok, None));
    let mut facts = facts();
    facts.python.as_mut().unwrap().sockets = Some(Sockets::default());
    assert!(
        judge(&facts)
            .iter()
            .all(|verdict| verdict.name != "sockets")
    );
}

#[test]
fn a_verdict_is_as_bad_as_its_rule_or_says_why_not() {
    let pages = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/rules");
    for (id, status) in RULES {
        // the pages are generated from the rules, and one without a rule is removed
        let page = std::fs::read_to_string(pages.join(format!("{id}.md"))).unwrap();
        let line = page
            .lines()
            .find(|line| line.contains(" confidence, shown to"));
        let severity = line.and_then(|line| line.split(',').next()).unwrap();
        let of_rule = match severity {
            "Error" => Status::Fail,
            "Warning" => Status::Warn,
            "Info" => Status::Info,
            other => panic!("{id} has the severity {other}"),
        };
        assert_eq!(*status, of_rule, "{id}");
    }
    // `judge` asserts it of each verdict, so every test of this file does
    let mut worse = Verdict::by_rule("a", "IMG002", "");
    assert!(worse.is_accounted_for());
    worse.status = Status::Warn;
    assert!(!worse.is_accounted_for());
    assert!(worse.but(Status::Warn, "seen").is_accounted_for());
}
