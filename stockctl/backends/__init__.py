"""Where the pipeline runs: embedded in one folder, or on AWS."""
