"""A process that has loaded everything, and forks others, each of which is in its fit at once.

The tests do not fork by themselves, as they have threads.
"""

import importlib
import json
import os
import signal
import subprocess
import sys
import traceback
import warnings
from pathlib import Path

ROOT = Path(__file__).parents[2]
JOBS = (
    "_jobs",
    "_signal_jobs",
    "_damage_jobs",
    "_disk_jobs",
    "_parallel_jobs",
    "_embedding_jobs",
)
LONGEST = 240  # seconds, after which a process that hangs is ended


class Server:
    """Runs functions of the modules JOBS, each in a process of its own.

    Parameters
    ----------
    folder : Path
        For their results and messages.
    """

    def __init__(self, folder):
        self.folder = Path(folder)
        self.n_started = 0
        self.process = subprocess.Popen(
            [sys.executable, "-m", __name__],
            cwd=ROOT,
            env={**os.environ, "OMP_NUM_THREADS": "1"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            start_new_session=True,  # a Ctrl-C is not for them
            text=True,
        )

    def start(self, job, **arguments):
        """Begin ``job(**arguments)``, with arguments that JSON knows."""
        self.n_started += 1
        out = self.folder / f"{self.n_started}-{job}"
        given = {name: _plain(value) for name, value in arguments.items()}
        return Running(self, self.ask("fork", job, given, str(out)), out)

    def run(self, job, **arguments):
        """Give what ``job(**arguments)`` returns."""
        return self.start(job, **arguments).result()

    def ask(self, *request):
        self.process.stdin.write(json.dumps(request) + "\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())

    def close(self):
        self.process.kill()
        self.process.communicate()


class Running:
    """A process that a server has forked."""

    def __init__(self, server, pid, out):
        self.server, self.pid, self.out = server, pid, out
        self.status = None

    def send(self, number):
        os.kill(self.pid, number)

    def wait(self):
        """Wait for its end; give the exit status, or minus the signal that ended it."""
        if self.status is None:
            self.status = self.server.ask("wait", self.pid)
        return self.status

    def kill(self):
        self.send(signal.SIGKILL)
        return self.wait()

    def messages(self):
        return self.out.with_suffix(".err").read_text()

    def result(self):
        """Give what it returned; fail with its messages if it did not."""
        status = self.wait()
        assert status == 0, f"ended with {status}\n{self.messages()}"
        return json.loads(self.out.with_suffix(".json").read_text())


def _plain(value):
    return str(value) if isinstance(value, Path) else value


def serve():
    """Fork for each line of the input."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    # One that comes to a process just forked must not make another server of it.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    modules = [importlib.import_module(f"tests.faults.{name}") for name in JOBS]
    jobs = {job: getattr(module, job) for module in modules for job in module.__all__}
    for module in modules:
        getattr(module, "warm_up", lambda: None)()
    for line in sys.stdin:
        verb, *rest = json.loads(line)
        if verb == "fork":
            job, arguments, out = rest
            pid = os.fork()
            if pid == 0:
                _run(jobs[job], arguments, out)
            answer = pid
        else:
            answer = os.waitstatus_to_exitcode(os.waitpid(rest[0], 0)[1])
        answers.write(json.dumps(answer) + "\n")
        answers.flush()


def _run(job, arguments, out):
    status = 1
    # Not to run on: whatever happens, this process ends here.
    try:
        signal.alarm(LONGEST)
        signal.signal(signal.SIGINT, signal.default_int_handler)
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        os.dup2(os.open(f"{out}.err", os.O_WRONLY | os.O_CREAT, 0o600), 2)
        os.dup2(2, 1)
        with warnings.catch_warnings():
            result = job(**arguments)
        Path(f"{out}.json").write_text(json.dumps(result))
        status = 0
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(status)


if __name__ == "__main__":
    serve()
