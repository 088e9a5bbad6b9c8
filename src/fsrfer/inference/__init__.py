"""The way of use, without torch: sources, detection, recognition, results, annotation, sinks."""
