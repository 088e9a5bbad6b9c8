"""Recipes: one complete file an experiment, checked by the schema beside them."""
