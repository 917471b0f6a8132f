"""What the rows a language model wrote are like, per label, before anything is trained on them.

``inspect`` measures, ``Quality`` holds it, ``warnings_of`` says in words what to look at. Nothing is dropped here.
"""

from augtune.curation.quality.inspection import inspect
from augtune.curation.quality.settings import InspectSettings
from augtune.curation.quality.value import GroupQuality, Quality
from augtune.curation.quality.warn import warnings_of

__all__ = ["GroupQuality", "InspectSettings", "Quality", "inspect", "warnings_of"]
