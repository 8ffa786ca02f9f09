"""Kills of fits until the fit is done, and what came of it: for tests and benchmarks."""

import random
import re
import signal
import time

import numpy as np

from tests.faults._jobs import EVERY_STEP

__all__ = [
    "embed_and_kill",
    "features_in",
    "kill_again_and_again",
    "leftovers",
    "saved_and_lost",
]


def kill_again_and_again(server, case, folder, n_kills, seed, signals=(signal.SIGKILL,)):
    """Fit and kill at random moments until the fit is done, over again until that many are killed.

    Parameters
    ----------
    server : Server

    case : str
        What is fitted.

    folder : Path
        For the checkpoints.

    n_kills : int
        The least number of kills.

    seed : int
        For the moments, and which of `signals` kills.

    signals : sequence of int
        What may kill.

    Returns
    -------
    tally : dict
        Of kills; of those that were followed by an end like that without any; of trainings that
        came to their end; of checkpoints that were written, and of those that were lost.
    """
    rng = np.random.default_rng(seed)
    undisturbed = server.run("fit", case=case)
    tally = {"kills": 0, "identical": 0, "trainings": 0, "saved": 0, "lost": 0}
    while tally["kills"] < n_kills:
        every = (EVERY_STEP, "epoch")[tally["trainings"] % 2]
        place = folder / f"{case}-{tally['trainings']}"
        usual = server.run("fit", case=case, folder=place / "undisturbed", every=every)
        assert usual["digest"] == undisturbed["digest"]
        job = {"case": case, "folder": place, "every": every, "notes": place / "notes"}
        kills, end = _kill_until_done(server, job, rng, usual["seconds"], signals)
        saved, lost = saved_and_lost(place / "notes")
        tally["kills"] += kills
        tally["identical"] += kills if end["digest"] == undisturbed["digest"] else 0
        tally["trainings"] += 1
        tally["saved"] += saved
        tally["lost"] += lost
        assert not leftovers(place)
        assert set(end["warnings"]) <= set(undisturbed["warnings"])
    return tally


def _kill_until_done(server, job, rng, seconds, signals):
    """Kill at moments that are spread over the fit."""
    kills = 0
    while True:
        running = server.start("fit", **job)
        time.sleep(rng.uniform(0, seconds))
        number = int(rng.choice(signals))
        running.send(number)
        status = running.wait()
        if status == 0:
            return kills, running.result()
        assert status == -number or "KeyboardInterrupt" in running.messages()
        kills += 1
        seconds *= 1.2  # an epoch may take longer than what it is given


def saved_and_lost(notes):
    """Count the checkpoints that were written, and those that the next start did not find."""
    saved, lost, places = 0, 0, {}
    for line in notes.read_text().splitlines():
        what, epoch, step, folder = re.fullmatch(r"(\w+) (-?\d+) (\d+) (.*)", line).groups()
        position = int(epoch), int(step)
        before = places.setdefault(folder, [])
        if what == "saved":
            saved += 1
            before.append(position)
        else:
            lost += sum(place > position for place in before)
            before[:] = [place for place in before if place <= position]
    return saved, lost


def leftovers(folder):
    """List what unfinished writing has left."""
    return list(folder.rglob("*.part"))


def embed_and_kill(server, images, folder, n_kills, seed, n_processes=3):
    """Embed the images of a folder, over and over, until that many processes are killed.

    Killed processes are replaced, until the features are complete. Returns the numbers of kills, of
    sets of features, and of those whose files are identical to those without kills.
    """
    draw, tally = random.Random(seed), {"kills": 0, "runs": 0, "identical": 0}
    usual = server.run("embed", images=images, folder=folder / "undisturbed")["seconds"]
    undisturbed = features_in(folder / "undisturbed")
    while tally["kills"] < n_kills:
        job = {"images": images, "folder": folder / f"run-{tally['runs']}"}
        running, seconds = [server.start("embed", **job) for _ in range(n_processes)], usual
        while running:
            time.sleep(draw.uniform(0, seconds / n_processes))
            i = draw.randrange(len(running))
            if running[i].kill() == 0:  # it had ended
                del running[i]
            else:
                running[i] = server.start("embed", **job)
                tally["kills"] += 1
                seconds *= 1.2
        tally["runs"] += 1
        tally["identical"] += features_in(job["folder"]) == undisturbed
    return tally


def features_in(folder):
    """Return the contents of all files by name."""
    return {path.name: path.read_bytes() for path in folder.iterdir()}
