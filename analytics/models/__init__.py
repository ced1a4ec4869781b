"""What the measurements say: plans, estimate runs, exports."""

from analytics.models.estimate import AnalysisPlan, ArmDescription, EffectEstimate, EstimateRun
from analytics.models.export import Export
from analytics.models.process import Heartbeat
from analytics.models.rehearsal import Rehearsal

__all__ = ["AnalysisPlan", "ArmDescription", "EffectEstimate", "EstimateRun", "Export", "Heartbeat", "Rehearsal"]
