"""The two stages of the pipeline, and the protocols that a backend implements for them."""
