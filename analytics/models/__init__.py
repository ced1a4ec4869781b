"""What the measurements say: plans, estimate runs, exports."""

from analytics.models.estimate import AnalysisPlan, ArmDescription, EffectEstimate, EstimateRun
from analytics.models.export import Export
from analytics.models.process import Heartbeat

__all__ = ["AnalysisPlan", "ArmDescription", "EffectEstimate", "EstimateRun", "Export", "Heartbeat"]
