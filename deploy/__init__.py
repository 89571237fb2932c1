"""What concerns installing: locked packages, their known vulnerabilities, the lock script."""
