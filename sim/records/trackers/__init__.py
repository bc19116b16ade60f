"""Trackers that people have: where a run's progress and summary are sent, apart from its own files."""

from sim.records.trackers.base import TRACKERS, Tracked, Tracker, check_trackers

__all__ = ["TRACKERS", "Tracked", "Tracker", "check_trackers"]
