"""Losses: pure functions first, thin modules over them where a module is wanted."""
