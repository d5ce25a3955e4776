"""What describes a volume: documents, levels, voxel sizes, multiscales."""
