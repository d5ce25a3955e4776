"""The metadata of volumes: addresses, documents, levels, voxel sizes, multiscales."""
