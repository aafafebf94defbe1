"""What an operator installs; boards for Grafana are made here too."""
