"""Side by side with the peers: ratios from one interleaved run, on this machine."""
