"""Who may do what on Kafka: rights from agreements, their reconciliation, a system's way in."""
