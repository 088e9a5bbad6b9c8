"""Models to be passed on: as a folder, or as a repository of a hub."""
