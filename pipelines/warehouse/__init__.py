"""The DuckDB database built from the landing: opened, loaded, reconciled, published."""
