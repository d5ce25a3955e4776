"""ImageNet: synsets, and where candidates for their pictures are listed."""
