"""Neuroglancer: links, and the viewer states behind them."""
