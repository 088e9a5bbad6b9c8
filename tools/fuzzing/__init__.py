"""Damaged input of every kind, given to the package's own readers: nothing but its own errors may come back."""
