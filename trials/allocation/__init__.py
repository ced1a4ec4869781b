"""Concealed allocation: the generator, the sealed seed, permuted blocks, encrypted slots. No Django, no database."""
