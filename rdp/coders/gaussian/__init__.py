"""Gaussian channel simulation in many dimensions."""
