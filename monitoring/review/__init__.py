"""The review of RULES §1 (D2): monthly follow-up figures, the quarterly check of the score, and where it disagrees."""

from monitoring.review.disagreement import disagreements
from monitoring.review.monthly import MonthlyReview, monthly
from monitoring.review.printout import disagreement_table, monthly_tables
from monitoring.review.quarterly import QuarterlyReview, check, quarterly, with_outcomes
from monitoring.review.score_printout import outcome_table, quarterly_tables

__all__ = [
    "MonthlyReview",
    "QuarterlyReview",
    "check",
    "disagreement_table",
    "disagreements",
    "monthly",
    "monthly_tables",
    "outcome_table",
    "quarterly",
    "quarterly_tables",
    "with_outcomes",
]
