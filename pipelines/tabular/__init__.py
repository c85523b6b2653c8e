"""Tables in files of others: exports of a vendor's console, with their columns' meaning, and Parquet files."""
