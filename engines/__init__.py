"""The networks: define, train, export to ONNX and run them. Only `engines.runtime` is needed at run time."""
