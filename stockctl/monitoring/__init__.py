"""How a run is: metrics, health, status file, log lines, Prometheus, systemd. Nothing here draws."""
