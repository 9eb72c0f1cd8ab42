"""Integers into bits, samples into integers."""
