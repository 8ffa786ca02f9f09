"""What is shown of a training: in a terminal, a notebook, a file."""

import io
import os
import pty
import re
import struct
import sys
import termios
import threading
import types
from fcntl import ioctl
from types import SimpleNamespace

import pytest

from sklssl import (
    FineTuneClassifier,
    MultiScaleEmbedder,
    PatchDictionaryEmbedder,
    RotationDecouplingEmbedder,
    RotNetEmbedder,
    ScaleNetEmbedder,
    SemiSupervisedClassifier,
)
from sklssl._training import progress_line
from sklssl._training.config import Phase
from sklssl._training.progress_line import ProgressLine
from sklssl.callbacks import EarlyStopping
from sklssl.exceptions import StopTraining

END = "\x04"
LAST = r"loss [\d.]+ \| accuracy [01]\.\d\d \| [\d,.]+ images/s \| took 0:\d\d"


def quick(cls=RotNetEmbedder, **given):
    return cls(backbone="convnet", **{"random_state": 0, "verbose": 1, "max_epochs": 2, **given})


class Terminal:
    """A terminal in the place of stderr, and what was written to it."""

    def __init__(self, columns=80):
        self.columns = columns
        self.patch = pytest.MonkeyPatch()

    def __enter__(self):
        self.master, slave = pty.openpty()
        ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, self.columns, 0, 0))
        self.stream = open(slave, "w")
        self.reader = threading.Thread(target=self._read)
        self.reader.start()
        self.patch.setenv("TERM", "xterm")
        self.patch.setattr(sys, "stderr", self.stream)
        return self

    def __exit__(self, *error):
        self.patch.undo()
        self.stream.write(END)
        self.stream.close()
        self.reader.join()
        os.close(self.master)

    def _read(self):
        read = b""
        while not read.endswith(END.encode()):
            read += os.read(self.master, 4096)
        self.written = read.decode().removesuffix(END)

    @property
    def frames(self):
        """The lines as they were shown one after another."""
        return [frame.rstrip() for frame in re.split(r"[\r\n]+", self.written) if frame.strip()]

    @property
    def screen(self):
        """The lines that stand there in the end."""
        lines = []
        for line in self.written.split("\n"):
            shown = ""
            for part in line.split("\r"):
                shown = part + shown[len(part) :]
            lines.append(shown.rstrip())
        return [line for line in lines if line]


@pytest.fixture
def clock(monkeypatch):
    """A clock that the test moves."""
    clock = SimpleNamespace(now=1000.0)
    fake = SimpleNamespace(perf_counter=lambda: clock.now)
    monkeypatch.setattr(progress_line, "time", fake)
    return clock


def epochs_of(lines):
    return [re.search(r"epoch (\S+)", line)[1] for line in lines]


# In a file -------------------------------------------------------------------------------------


def test_a_file_has_one_plain_line_an_epoch(X, capsys):
    quick(max_epochs=3).fit(X)
    out, shown = capsys.readouterr()
    assert out == ""
    assert "\r" not in shown
    lines = shown.splitlines()
    assert epochs_of(lines) == ["1/3", "2/3", "3/3"]
    for line in lines[:2]:
        assert re.fullmatch(r"RotNetEmbedder \| epoch .*images/s \| 0:\d\d left", line)
    assert re.fullmatch(rf"RotNetEmbedder \| epoch 3/3 \| {LAST}", lines[2])


def test_silence(X, capsys):
    quick(verbose=0).fit(X)
    PatchDictionaryEmbedder(n_atoms=8, verbose=1, random_state=0).fit(X)  # it has no epochs
    assert capsys.readouterr().err == ""


def test_the_count_goes_on(X, capsys):
    embedder = quick(warm_start=True).fit(X)
    embedder.fit(X)
    assert epochs_of(capsys.readouterr().err.splitlines()) == ["1/2", "2/2", "3/4", "4/4"]
    for _ in range(2):
        embedder.partial_fit(X)
    assert epochs_of(capsys.readouterr().err.splitlines()) == ["5", "6"]


@pytest.mark.parametrize("every", ["epoch", 1e-9])
def test_the_count_goes_on_from_a_checkpoint(X, capsys, tmp_path, every):
    def interrupt(embedder, row):
        if row["epoch"] == 2:
            raise KeyboardInterrupt

    given = {"max_epochs": 4, "checkpoint_dir": tmp_path, "checkpoint_every": every}
    given["batch_size"] = 10
    with pytest.raises(KeyboardInterrupt):
        quick(callbacks=[interrupt], **given).fit(X)
    assert epochs_of(capsys.readouterr().err.splitlines()) == ["1/4", "2/4"]
    quick(**given).fit(X)
    lines = capsys.readouterr().err.splitlines()
    assert epochs_of(lines) == ["2/4", "3/4", "4/4"]
    quick(**given).fit(X)
    assert capsys.readouterr().err == ""  # all of it was done


def test_the_scale_is_told_where_there_are_several(X, capsys):
    MultiScaleEmbedder(quick(max_epochs=1), scales=(0.5, 0.75, 1.0), max_epochs=(1, 0, 1)).fit(X)
    first, second = capsys.readouterr().err.splitlines()
    assert "epoch 1/2 | scale 0.5 | loss" in first
    assert "epoch 2/2 | scale 1 | loss" in second
    MultiScaleEmbedder(quick(max_epochs=1), scales=(0.5, 1.0), max_epochs=(0, 1)).fit(X)
    assert "scale" not in capsys.readouterr().err


def test_a_scale_that_ends_early_is_not_waited_for(X, capsys):
    stop = EarlyStopping("loss", patience=1, min_delta=1e9)
    quick(ScaleNetEmbedder, max_epochs=5, callbacks=[stop]).fit(X)
    assert epochs_of(capsys.readouterr().err.splitlines()) == ["1/10", "2/10", "3/7", "4/7"]


def test_estimators_on_an_embedder(X, y, capsys):
    FineTuneClassifier(quick(), early_stopping=True, max_epochs=2, verbose=1, random_state=0).fit(
        X, y % 2
    )
    lines = capsys.readouterr().err.splitlines()
    assert epochs_of(lines) == ["1/2", "2/2"] * 2
    assert lines[1].startswith("RotNetEmbedder | ")
    assert lines[2].startswith("FineTuneClassifier | ")
    assert "| valid accuracy " in lines[3]
    SemiSupervisedClassifier(quick()).fit(X, y % 2)
    assert epochs_of(capsys.readouterr().err.splitlines()) == ["1/2", "2/2"]


def test_what_callbacks_add_is_shown_if_it_is_a_number(X, capsys):
    def add(embedder, row):
        row.update(knn_accuracy=0.5, note="a word", map=[1, 2])

    quick(callbacks=[add]).fit(X)
    for line in capsys.readouterr().err.splitlines():
        assert "| knn accuracy 0.50 |" in line
        assert "word" not in line
        assert "map" not in line


@pytest.mark.parametrize("stream", [None, "closed", "full"])
def test_a_training_goes_on_where_nothing_can_be_written(X, monkeypatch, stream):
    class Full(io.StringIO):
        def write(self, text):
            raise BrokenPipeError

    broken = {"closed": io.StringIO(), "full": Full()}.get(stream)
    if stream == "closed":
        broken.close()
        broken.isatty = lambda: False
    monkeypatch.setattr(sys, "stderr", broken)
    assert quick().fit(X).n_epochs_ == 2


# In a terminal ---------------------------------------------------------------------------------


def test_a_terminal_has_one_line_that_changes(X):
    with Terminal() as terminal:
        quick(max_epochs=3).fit(X)
    (line,) = terminal.screen
    assert re.fullmatch(rf"epoch 3/3 \| {LAST}", line)  # with the name it is too long for 80
    assert terminal.frames[0] == "RotNetEmbedder | epoch 0/3"
    assert max(map(len, terminal.frames)) < 80


def test_a_wide_terminal_has_the_name(X):
    with Terminal(120) as terminal:
        quick().fit(X)
    (line,) = terminal.screen
    assert line.startswith("RotNetEmbedder | epoch 2/2 | loss")


def test_verbose_2_leaves_a_line_an_epoch(X):
    with Terminal() as terminal:
        quick(max_epochs=3, verbose=2).fit(X)
    assert epochs_of(terminal.screen) == ["1/3", "2/3", "3/3"]


def test_what_callbacks_print_stands_on_lines_of_its_own(X):
    with Terminal() as terminal:

        def say(embedder, row):
            print("epoch", row["epoch"], "is over", file=sys.stderr)
            if row["epoch"] == 2:
                raise StopTraining

        quick(max_epochs=5, callbacks=[say]).fit(X)
    assert terminal.screen[:2] == ["epoch 1 is over", "epoch 2 is over"]
    assert re.fullmatch(rf"epoch 2/5 \| {LAST}", terminal.screen[2])


def test_an_error_begins_on_a_line_of_its_own(X):
    with Terminal() as terminal:

        def fail(embedder, row):
            raise RuntimeError

        with pytest.raises(RuntimeError):
            quick(callbacks=[fail]).fit(X)
        print("Traceback", file=sys.stderr)
    assert epochs_of(terminal.screen[:1]) == ["1/2"]
    assert terminal.screen[1:] == ["Traceback"]


def test_an_error_before_the_first_step_is_the_one_shown():
    phase = Phase(1.0, 0.1, 1)
    with Terminal() as terminal, ProgressLine("Me", 10, [phase], verbose=1) as line:
        line.begin(0, 0, 0)
    assert epochs_of(terminal.screen) == ["0"]


def test_many_terms_fit(X):
    with Terminal() as terminal:
        quick(RotationDecouplingEmbedder).fit(X)
    (line,) = terminal.screen
    assert re.fullmatch(rf"epoch 2/2 \| {LAST}", line)  # and not the parts of the loss


def test_a_terminal_that_cannot_go_back_is_written_to_like_a_file(X, monkeypatch):
    with Terminal() as terminal:
        monkeypatch.setenv("TERM", "dumb")
        quick().fit(X)
    assert [line.split(" | ")[:2] for line in terminal.frames] == [
        ["RotNetEmbedder", "epoch 1/2"],
        ["RotNetEmbedder", "epoch 2/2"],
    ]


def test_a_terminal_of_unknown_width_has_80_columns(X):
    with Terminal(0) as terminal:
        quick().fit(X)
    assert max(map(len, terminal.frames)) < 80
    assert "accuracy" in terminal.screen[0]


# In a notebook ---------------------------------------------------------------------------------


@pytest.fixture
def notebook(monkeypatch):
    """The outputs of a cell, in what looks like a notebook."""
    outputs = []

    class Handle:
        def __init__(self, data):
            self.number = len(outputs)
            outputs.append(data)

        def update(self, data, *, raw):
            assert raw
            outputs[self.number] = data

    def display(data, *, raw, display_id):
        assert raw
        assert display_id is True
        return Handle(data)

    ipython = types.ModuleType("IPython")
    ipython.get_ipython = lambda: SimpleNamespace(kernel=object())
    ipython.display = types.ModuleType("IPython.display")
    ipython.display.display = display
    monkeypatch.setitem(sys.modules, "IPython", ipython)
    monkeypatch.setitem(sys.modules, "IPython.display", ipython.display)
    return outputs


def test_a_notebook_keeps_the_last_state(X, notebook, capsys):
    quick(max_epochs=3).fit(X)
    (output,) = notebook
    assert list(output) == ["text/plain"]
    assert re.fullmatch(rf"RotNetEmbedder \| epoch 3/3 \| {LAST}", output["text/plain"])
    assert capsys.readouterr().err == ""


def test_verbose_2_leaves_an_output_an_epoch_in_a_notebook(X, notebook):
    quick(max_epochs=3, verbose=2).fit(X)
    assert epochs_of([output["text/plain"] for output in notebook]) == ["1/3", "2/3", "3/3"]


def test_ipython_in_a_terminal_is_a_terminal(X, notebook, monkeypatch):
    with Terminal() as terminal:
        monkeypatch.setattr(sys.modules["IPython"], "get_ipython", SimpleNamespace)  # has no kernel
        quick().fit(X)
    assert notebook == []
    assert len(terminal.screen) == 1


# The line alone --------------------------------------------------------------------------------


def test_speed_and_time(clock, capsys):
    line = ProgressLine("Some", 20_000, [Phase(1.0, 0.1, 30)], 1)
    line.begin(0, 0, 0)
    line.see(0.0)
    for epoch in 1, 2, 3:
        clock.now += 10.5
        line.end_epoch({"epoch": epoch, "loss": 0.2971, "accuracy": 0.876, "duration": 10.5})
    assert capsys.readouterr().err.splitlines()[-1] == (
        "Some | epoch 3/30 | loss 0.297 | accuracy 0.88 | 1,905 images/s | 4:44 left"
    )


def test_small_images_are_expected_to_be_fast(clock, capsys):
    line = ProgressLine("Some", 100, [Phase(0.5, 0.1, 2), Phase(1.0, 0.1, 10)], 1)
    line.begin(0, 0, 0)
    line.see(0.0)
    clock.now += 100
    line.end_epoch({"epoch": 1, "loss": 1.0})
    (shown,) = capsys.readouterr().err.splitlines()
    left = 100 + 10 * 4 * 100
    expected = f"1.0 images/s | {left // 3600}:{left % 3600 // 60:02}:{left % 60:02} left"
    assert shown == f"Some | epoch 1/12 | scale 0.5 | loss 1 | {expected}"


def test_an_epoch_taken_up_in_its_midst_does_not_look_fast(clock):
    with Terminal() as terminal:
        line = ProgressLine("Some", 1000, [Phase(1.0, 0.1, 4)], 1)
        line.begin(0, 2, 2)
        line.see(0.9)
        clock.now += 1
        line.see(0.95)
        line.close()
    assert terminal.frames[:2] == [
        "Some | epoch 2.9/4",
        "Some | epoch 2.9/4 | 50 images/s | 0:21 left",
    ]


def test_it_is_written_some_times_a_second_and_not_at_each_step(clock):
    with Terminal() as terminal:
        line = ProgressLine("Some", 1000, [Phase(1.0, 0.1, 100)], 1)
        line.begin(0, 0, 0)
        for epoch in range(100):
            for step in range(100):
                clock.now += 0.001  # 10 s in all
                line.see((step + 1) / 100)
            line.end_epoch({"epoch": epoch + 1, "loss": 1.0})
        line.close()
    assert 20 < len(terminal.frames) < 60


ROW = {
    "epoch": 123,
    "loss": 123456.789,
    "accuracy": 0.98765,
    "rotation_loss": 0.5,
    "valid_loss": 1.5,
    "valid_accuracy": 0.5,
    "mean_absolute_error": 1e-9,
}


@pytest.mark.parametrize("columns", [10, 20, 40, 60, 80, 100, 200])
@pytest.mark.parametrize("name", ["Short", "AClassWhoseNameIsAsLongAsTheLineIsWideAtItsBest" * 2])
def test_it_fits_whatever_the_width(clock, columns, name):
    with Terminal(columns) as terminal:
        line = ProgressLine(name, 1000, [Phase(0.5, 0.1, 200), Phase(1.0, 0.1, 1000)], 1)
        line.begin(0, 122, 122)
        line.see(0.5)
        clock.now += 1
        line.end_epoch(ROW)
        line.close()
    assert max(map(len, terminal.frames)) < columns
    last = terminal.screen[-1]
    assert "epoch 12" in last
    assert ("took" in last) == (columns >= 60)
    assert ("valid accuracy" in last) == (columns >= 100)
    assert ("rotation loss" in last) == (columns >= 200 and name == "Short")
