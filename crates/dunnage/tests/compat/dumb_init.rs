//! What only dumb-init does: it stops itself.

use super::support::*;

#[test]
fn it_stops_with_the_program_and_goes_on_with_it() {
    let Some(pair) = Pair::of("dumb-init") else {
        return;
    };
    for options in [
        &[] as &[&str],
        &["-c"],
        &["-r", "20:0"],
        &["-r", "20:10"],
        &["-r", "20:20"],
    ] {
        for signal in [20, 21, 22] {
            pair.same_at(Place::Below, &format!("{options:?}, signal {signal}"), |program, place| {
                let child = "import signal\nfor n in (10, 18): signal.signal(n, lambda n, f: print(n, flush=True))\nprint('up', flush=True)\nwhile True: signal.pause()";
                let words: Vec<&str> = options.iter().copied().chain(["--", "python3", "-c", child]).collect();
                let run = start(place, command(place, program, &words));
                run.wait_for_lines(|lines| !lines.is_empty());
                let (init, child) = (run.init(), run.child());
                send(init, signal);
                wait_until("a stopped init", || state(init) == Some('T'));
                let rewritten = signal == 20 && options.contains(&"20:10");
                if rewritten {
                    run.wait_for_lines(|lines| lines.len() > 1);
                }
                let stopped = state(child) == Some('T');
                send(init, 18);
                let lines = run.wait_for_lines(|lines| lines.last().is_some_and(|line| line == "18"));
                send(init, 15);
                (stopped, lines, run.finish().code)
            });
        }
    }
}
