"""Calculates memory, time, storage and cost of training; pure functions over frozen values."""
