"""Photos and crops from end to end: the recogniser, its results, the report of a folder."""
