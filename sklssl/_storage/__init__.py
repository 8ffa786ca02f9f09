"""Files that run no code: states, modules, estimators, ONNX."""
