"""smsrecon: sends SMS campaigns from Parquet files, collects what comes back, and closes the books."""

__version__ = "0.1.0"
