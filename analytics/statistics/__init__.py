"""Statistics of randomized trials with immune outcomes: numpy and scipy only, one method per module."""
