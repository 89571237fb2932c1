"""Models that run on this machine: their files, and the process that serves them on loopback."""
