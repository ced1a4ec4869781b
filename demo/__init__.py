"""Data of the demonstration trials: two real ones as small CSV files and one simulated in code."""
