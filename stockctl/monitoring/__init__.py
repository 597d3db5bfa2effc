"""Monitors a run: metrics, health, status files, log lines, Prometheus, systemd."""
