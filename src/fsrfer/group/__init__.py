"""From many unsure faces to what can be said of a group."""
