//! What only dumb-init does: it stops itself.

use super::support::*;

/// Writes down what it hears of: 10, CONT, and a marker. It naps rather than pauses: a signal that comes just before
/// `pause()` leaves its handler waiting for the next signal.
const CHILD: &str = "\
import signal, time
for number in (10, 18, 34): signal.signal(number, lambda number, frame: print(number, flush=True))
print('up', flush=True)
while True: time.sleep(0.01)
";

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
            let what = format!("{options:?}, signal {signal}");
            pair.same_at(Place::Below, &what, |program, place| {
                let words = [options, &["--", "python3", "-c", CHILD]].concat();
                let run = start(place, command(place, program, &words));
                run.wait_for_lines(|lines| !lines.is_empty());
                let (init, child) = (run.init(), run.child());
                send(init, signal);
                wait_until("a stopped init", || state(init) == Some('T'));
                // a stop is acted upon before a marker that comes after it: either the child stops or it hears the marker
                send(child, 34);
                let mut stopped = false;
                wait_until("a stop or the marker", || {
                    stopped = state(child) == Some('T');
                    stopped || run.stdout().contains("34\n")
                });
                send(init, 18);
                let mut lines = run.wait_for_lines(|lines| {
                    ["18", "34"]
                        .iter()
                        .all(|line| lines.contains(&(*line).to_owned()))
                });
                lines.sort();
                send(init, 15);
                (stopped, lines, run.finish().code)
            });
        }
    }
}
