"""The HTTP door of the bus: first loads and whatever else systems ask for without Kafka."""
