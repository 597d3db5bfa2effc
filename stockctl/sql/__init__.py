"""SQL over the raw archive in Athena's dialect: parsing, checking, translation, and predefined queries."""
