"""Answers, verdicts, slips and reports: homework marked step by step."""
