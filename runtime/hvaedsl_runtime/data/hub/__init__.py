"""Datasets of the Hugging Face Hub, and their parquet files: tables whose images are prepared before they are used."""
