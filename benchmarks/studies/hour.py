"""The most that 4,000 labelled images of CIFAR-10 give within an hour on a processor.

    python -m benchmarks.studies.hour [--seeds 0 1 2] [--epochs 120]

A ResNet-20 that RotNet has trained for 10 epochs, fine-tuned with crops and mirroring; a logistic
regression on the patch dictionary; and the mean of their probabilities, by scikit-learn's
VotingClassifier. Accuracy on all 10,000 test images.
"""

import argparse
import time

from sklearn.ensemble import VotingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from benchmarks._common import Cifar4K, write_line
from sklssl import FineTuneClassifier, PatchDictionaryEmbedder, RotNetEmbedder


def make(seed, epochs):
    probe = LogisticRegression(C=5 / 4096, max_iter=1000)
    patches = PatchDictionaryEmbedder(random_state=seed)
    network = RotNetEmbedder("resnet20", random_state=seed)
    tuned = FineTuneClassifier(
        network, augment=True, max_epochs=epochs, learning_rate=2e-3, random_state=seed
    )
    return VotingClassifier(
        [("patches", make_pipeline(patches, StandardScaler(), probe)), ("network", tuned)],
        voting="soft",
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--seeds", type=int, nargs="*", default=[0, 1, 2])
    parser.add_argument("--epochs", type=int, default=120)
    args = parser.parse_args()
    for seed in args.seeds:
        data = Cifar4K(seed)
        start = time.process_time()
        vote = make(seed, args.epochs).fit(data.X, data.y)
        seconds = round(time.process_time() - start)
        members = {"vote": vote, **vote.named_estimators_}
        scores = {
            name: round(float(member.score(data.X_test, data.y_test)), 4)
            for name, member in members.items()
        }
        write_line(__file__, seed=seed, epochs=args.epochs, fit_seconds=seconds, **scores)
