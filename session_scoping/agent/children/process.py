"""
One child process in its parent's place: the parent's signals go to it, and its end is the parent's.

It stays in the parent's process group, as after an exec: the terminal's Ctrl-C and Ctrl-Z reach both, the child may
read the terminal, and a SIGKILL to the group ends both. POSIX only.
"""

import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

_KERNEL = 0x80
"""`si_code` of a signal from the terminal, which its whole group gets. Source: sigaction(2), SI_KERNEL."""

_KEYS = {signal.SIGINT, signal.SIGQUIT, signal.SIGHUP, signal.SIGWINCH}

_FORWARDED = signal.valid_signals() - {
    # They stop and continue the parent too, or cannot be caught.
    *(signal.SIGKILL, signal.SIGSTOP, signal.SIGTSTP, signal.SIGTTIN, signal.SIGTTOU, signal.SIGCONT),
    # They say something about the parent itself.
    *(signal.SIGCHLD, signal.SIGPIPE, signal.SIGPROF, signal.SIGXCPU, signal.SIGXFSZ),
    *(signal.SIGSEGV, signal.SIGBUS, signal.SIGFPE, signal.SIGILL, signal.SIGABRT, signal.SIGTRAP, signal.SIGSYS),
}
SignalMask = set[int | signal.Signals]
_AWAITED: SignalMask = _FORWARDED | {signal.SIGCHLD}


@contextmanager
def signals_held() -> Iterator[SignalMask]:
    """
    Keep signals for the child while the block runs; yield what was blocked before.

    Call it in the main thread, before any other is started: a thread takes its mask from the one that starts it, and a
    signal that reaches one without the mask never reaches the child.
    """
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)  # inherited as ignored, it would take the child's exit code away
    before = signal.pthread_sigmask(signal.SIG_BLOCK, _AWAITED)
    try:
        yield before
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def without_a_child(work: Callable[[], object], mask: SignalMask, seconds: float) -> bool:
    """
    Run `work` in a thread and wait for it, some seconds at most; return whether it has ended.

    Signals act on this process as usual: there is no child yet.
    """
    thread = threading.Thread(target=work, daemon=True, name="session-scoping-first")
    thread.start()
    signal.pthread_sigmask(signal.SIG_SETMASK, mask)
    try:
        thread.join(seconds)
        return not thread.is_alive()
    finally:
        signal.pthread_sigmask(signal.SIG_BLOCK, _AWAITED)


def run_child(command: list[str], environment: Mapping[str, str], mask: SignalMask) -> int:
    """
    Run a command to its end; return its exit code, or 128 and the number of the signal that ended it.

    Args:
        command: The program, looked for in PATH, and its arguments.
        environment: Its whole environment.
        mask: What `signals_held` yields, in whose block this is called.

    Raises:
        OSError: The command cannot be started.
    """
    # Python ignores these two; the command must not inherit that.
    reset = (signal.SIGPIPE, signal.SIGXFSZ)
    child = os.posix_spawnp(command[0], command, environment, setsigmask=mask, setsigdef=reset)
    while True:
        number, from_terminal = _next_signal()
        if number != signal.SIGCHLD:
            # The terminal's went to the group, and the child with it: a second Ctrl-C often means something else.
            None if from_terminal else os.kill(child, number)
            continue
        ended, status = os.waitpid(child, os.WNOHANG)
        if ended:
            code = os.waitstatus_to_exitcode(status)
            return code if code >= 0 else 128 - code


def _next_signal() -> tuple[int, bool]:
    """Wait for a signal; return it, and whether it is the terminal's."""
    if sys.platform == "darwin":  # it has no sigwaitinfo
        number = signal.sigwait(_AWAITED)
        return number, number in _KEYS and sys.stdin is not None and sys.stdin.isatty()
    found = signal.sigwaitinfo(_AWAITED)
    return found.si_signo, found.si_code == _KERNEL
