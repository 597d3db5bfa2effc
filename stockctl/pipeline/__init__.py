"""The two stages of the pipeline, and the ports through which they reach storage and people."""
