"""Faces followed through a video: reading, tracking, pooling, recording."""
