"""What is erased: objects found, chosen, followed through a shot and found again."""
