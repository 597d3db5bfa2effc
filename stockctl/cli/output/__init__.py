"""Output: tables, JSON, CSV, alerts, messages, standard streams."""
