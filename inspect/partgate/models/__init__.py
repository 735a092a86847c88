"""Networks: backbones with their facts, the classifier on top, the export to ONNX. Home of torch, beside training."""
