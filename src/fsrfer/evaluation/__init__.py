"""Measuring any ``predict(faces) -> probabilities``, in NumPy alone."""
