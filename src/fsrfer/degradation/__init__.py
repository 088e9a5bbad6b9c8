"""Making low resolution out of high resolution, in batches."""
