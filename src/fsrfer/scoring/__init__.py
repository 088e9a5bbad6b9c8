"""Archives of photos, scored by many processes or machines: every photo once, whatever is killed."""

from fsrfer.scoring.plan import Settings
from fsrfer.scoring.progress import Progress
from fsrfer.scoring.run import ScoringResult, score

__all__ = ["Progress", "ScoringResult", "Settings", "score"]
