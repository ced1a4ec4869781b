"""What is computed of plates: agreement of replicates, control rules, random layouts. No Django, no database."""
