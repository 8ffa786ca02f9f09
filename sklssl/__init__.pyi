"""Self-supervised image representation learning as scikit-learn estimators."""

# For type checkers, which do not see what the module imports on first use.
from sklssl import augmentation as augmentation
from sklssl import backbones as backbones
from sklssl import base as base
from sklssl import callbacks as callbacks
from sklssl import curation as curation
from sklssl import datasets as datasets
from sklssl import embedding as embedding
from sklssl import exceptions as exceptions
from sklssl import finetuning as finetuning
from sklssl import inspection as inspection
from sklssl import losses as losses
from sklssl import metrics as metrics
from sklssl import persistence as persistence
from sklssl import preprocessing as preprocessing
from sklssl import semi_supervised as semi_supervised
from sklssl import utils as utils
from sklssl.base import BaseEmbedder as BaseEmbedder
from sklssl.base import Pretext as Pretext
from sklssl.base import parameters as parameters
from sklssl.embedding import *  # noqa: F403
from sklssl.finetuning import FineTuneClassifier as FineTuneClassifier
from sklssl.finetuning import FineTuneRegressor as FineTuneRegressor
from sklssl.persistence import embed_to_files as embed_to_files
from sklssl.persistence import load as load
from sklssl.persistence import save as save
from sklssl.preprocessing import HarrisCornerMasker as HarrisCornerMasker
from sklssl.preprocessing import ImageResizer as ImageResizer
from sklssl.preprocessing import PseudoGrayscaler as PseudoGrayscaler
from sklssl.semi_supervised import SemiSupervisedClassifier as SemiSupervisedClassifier
from sklssl.utils import show_versions as show_versions

__all__: list[str]
__version__: str
_PUBLIC_NAMES: dict[str, str]
