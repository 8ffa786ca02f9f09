"""File formats that contain no code: states, modules, estimators, ONNX."""
