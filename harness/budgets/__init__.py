"""Who may spend how much, until when: limits, periods and the pure decision to hold."""
