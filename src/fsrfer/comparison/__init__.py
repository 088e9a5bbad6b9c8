"""All that compares methods: rivals, ablations, statistics, reports; nothing below imports it."""
