"""From bytes to the answer whether they are a whole, readable picture."""
