"""Promises of integrity and statistics at full size, by hand: each part leaves its dated result in docs/proof."""
