"""Benchmarks of fastnn against its peers; ``fastnn bench`` is the door."""
