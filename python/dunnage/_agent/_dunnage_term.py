"""`run --term exit`: SIGTERM raises SystemExit(143) in the application's main process, so that it can clean up.

The main process is the supervisor's own child; what it forks gets the default back. The handler is there before the
application's first line, so that whatever handler the application installs replaces it. SystemExit is not enough to end
every program: a thread that is waited for, an `except:` in a loop or a long call into C hold it up. So the default comes
back with the first SIGTERM, and a thread, started only then, sends the second after a quarter of the grace.
"""

import _signal
import _thread
import os
import time

_patience_ms = 0


def install(text):
    """`text` is PARENT:MILLISECONDS, see `dunnage run`."""
    global _patience_ms
    parent, _, patience = text.partition(":")
    if os.getppid() != int(parent) or _signal.getsignal(_signal.SIGTERM) != _signal.SIG_DFL:
        return
    _patience_ms = int(patience)
    _signal.signal(_signal.SIGTERM, _exit)
    os.register_at_fork(after_in_child=_give_back)


def _give_back():
    if _signal.getsignal(_signal.SIGTERM) is _exit:
        _signal.signal(_signal.SIGTERM, _signal.SIG_DFL)


def _exit(number, frame):
    _signal.signal(number, _signal.SIG_DFL)
    if _patience_ms:
        try:
            _thread.start_new_thread(_end, ())
        except RuntimeError:
            pass  # no thread to be had, or the interpreter is ending anyway
    raise SystemExit(128 + number)


def _end():
    time.sleep(_patience_ms / 1000)
    os.kill(os.getpid(), _signal.SIGTERM)


install(TERM_EXIT)  # noqa: F821  (given by who runs this file)
