"""Readers of face data sets: each checks the published layout and lists samples; pixels are decoded afterwards."""
