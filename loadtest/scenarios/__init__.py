"""What users do, one class for each file."""
