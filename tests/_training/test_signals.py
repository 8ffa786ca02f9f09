import os
import signal
import threading

import pytest

from sklssl._training.signals import DeferredSignals


@pytest.fixture
def delivered():
    """The signals that reach the handlers of the user."""
    seen = []
    numbers = (signal.SIGINT, signal.SIGTERM)
    before = [signal.signal(n, lambda number, frame: seen.append(number)) for n in numbers]
    yield seen
    for number, handler in zip(numbers, before, strict=True):
        signal.signal(number, handler)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_waits(delivered, number):
    with DeferredSignals() as held:
        signal.raise_signal(number)
        assert delivered == []
        assert held.pending == number
        held.release()
        assert delivered == [number]
        assert held.pending is None
        signal.raise_signal(number)  # the handler meant the work to go on: the next one waits too
        assert delivered == [number]
    assert delivered == [number, number]


def test_a_second_one_is_let_through(delivered):
    with DeferredSignals():
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGTERM)
        assert delivered == [signal.SIGTERM]


def test_the_handlers_are_put_back(delivered):
    before = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)
    with pytest.raises(ZeroDivisionError), DeferredSignals():
        raise ZeroDivisionError
    assert (signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)) == before


def test_an_error_does_not_hide_a_signal(delivered):
    def fail():
        with DeferredSignals():
            signal.raise_signal(signal.SIGINT)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert delivered == [signal.SIGINT]


def test_ignored_signals_stay_ignored():
    before = signal.signal(signal.SIGTERM, signal.SIG_IGN)
    try:
        with DeferredSignals() as held:
            signal.raise_signal(signal.SIGTERM)
            assert held.pending is None
    finally:
        signal.signal(signal.SIGTERM, before)


def test_other_threads_have_no_handlers():
    def work():
        with DeferredSignals():
            handlers.append(signal.getsignal(signal.SIGINT))

    before, handlers = signal.getsignal(signal.SIGINT), []
    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert handlers == [before]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there are no forks here")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of forks beside threads
def test_a_forked_process_ends_at_once():
    with DeferredSignals() as held:
        child = os.fork()
        if child == 0:
            signal.raise_signal(signal.SIGTERM)
            os._exit(0)
        _, status = os.waitpid(child, 0)
        assert os.WTERMSIG(status) == signal.SIGTERM
        assert held.pending is None
