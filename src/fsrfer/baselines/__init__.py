"""Rival methods, each behind the same ``predict(faces) -> probabilities``."""
