"""The benchmark: the real bot as its own process between a local Discord and the simulated image API, all on one machine."""
