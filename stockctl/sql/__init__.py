"""SQL over the raw archive, written in Athena's SQL: parsed, checked, translated, and the canned queries."""
