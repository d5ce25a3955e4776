"""What a microscope's file says of itself."""
