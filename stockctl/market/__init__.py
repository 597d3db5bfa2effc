"""The domain: quotes, indicators, trends, anomalies and alerts.

Pure and deterministic, standard library only; it runs on the command line and inside Lambda.
"""
