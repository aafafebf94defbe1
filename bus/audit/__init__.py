"""What happened, in trees that can only grow and that anybody can check."""
