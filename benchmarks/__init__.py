"""What is measured and how: quality, latency and the demo. README.md in this folder defines every figure."""
