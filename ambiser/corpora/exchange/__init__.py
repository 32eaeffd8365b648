"""Exchanges votes and labels with other toolkits: CSV, Parquet, Hugging Face data sets, Lhotse cuts."""
