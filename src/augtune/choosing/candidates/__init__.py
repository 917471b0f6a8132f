"""Ways of training that are compared: each class is its settings. Loads without torch.

Adding one is a file here and a row in ``CANDIDATES`` (``augtune.choosing``).
"""
