"""Fits that get signals within a step. Arguments and results are what JSON knows."""

import os
import signal
import threading

from sklssl._training import loop
from tests._determinism import digest
from tests.faults._jobs import X, Y, make, note_checkpoints

__all__ = ["fit_in_a_thread", "fit_interrupted", "fit_with_a_handler", "fit_with_a_signal"]


def _send_at_step(at, *numbers):
    """Let this process get signals when so many steps have begun."""
    train_step, n_steps = loop._PretextNet.train_step_single, 0

    def train_step_and_send(net, batch, **params):
        nonlocal n_steps
        n_steps += 1
        if n_steps == at:
            for number in numbers:
                os.kill(os.getpid(), number)
        return train_step(net, batch, **params)

    loop._PretextNet.train_step_single = train_step_and_send


def fit_with_a_signal(number, at, notes, **given):
    note_checkpoints(notes)
    _send_at_step(at, number)
    make("RotNet", every="epoch", **given).fit(X, Y)


def fit_with_a_handler(number, at, notes, **given):
    """Give how often a handler that lets the training go on was called, and the digest."""
    calls = []
    signal.signal(number, lambda *args: calls.append(args))
    note_checkpoints(notes)
    _send_at_step(at, number)
    estimator = make("RotNet", every="epoch", **given).fit(X, Y)
    return {"calls": len(calls), "digest": digest(estimator)}


def fit_interrupted(at, notes, n_times=1, **given):
    """Press Ctrl-C, look at what is there, and fit again."""
    note_checkpoints(notes)
    _send_at_step(at, *n_times * [signal.SIGINT])
    estimator = make("RotNet", every="epoch", **given)
    before = dict(vars(estimator))
    try:
        estimator.fit(X, Y)
    except KeyboardInterrupt:
        as_it_was = vars(estimator) == before
        handler = signal.getsignal(signal.SIGINT) is signal.default_int_handler
        return {"as_it_was": as_it_was, "handler": handler, "digest": digest(estimator.fit(X, Y))}
    return None


def fit_in_a_thread(number, at, notes, **given):
    note_checkpoints(notes)
    _send_at_step(at, number)
    estimator = make("RotNet", every="epoch", **given)
    done = threading.Event()
    threading.Thread(target=lambda: (estimator.fit(X, Y), done.set()), daemon=True).start()
    try:
        done.wait()
    except KeyboardInterrupt:
        done.wait()
    return {"digest": digest(estimator)}
