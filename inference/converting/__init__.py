"""Programs (TorchScript, torch.export, SavedModel, TFLite) become data (OpenVINO IR), confined.

`program` runs inside the sandbox, `conversion` outside; nothing of a program runs anywhere else.
"""
