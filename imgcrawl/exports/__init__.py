"""What is made of a dataset: splits, exports, locks, reports."""
