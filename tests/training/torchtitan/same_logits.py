"""Compare a model of torchtitan with the same one in transformers: python same_logits.py FOLDER.

Runs where torchtitan is installed. The weights come in as a run's do, by `weights.initial`; the
largest difference of the logits is printed, and their largest value.
"""

import sys
import tempfile
from pathlib import Path

from training.torchtitan import device

device.choose()

import torch  # noqa: E402
import torch.distributed as dist  # noqa: E402
from transformers import AutoModelForCausalLM  # noqa: E402

from training.record import Teller  # noqa: E402
from training.torchtitan.recipes import chosen  # noqa: E402
from training.torchtitan.trainer import configuration  # noqa: E402


def main(folder: str, tokens: str) -> None:
    dist.init_process_group("gloo", rank=0, world_size=1, store=dist.HashStore())  # type: ignore[attr-defined]
    with tempfile.TemporaryDirectory() as scratch:
        settings = chosen(
            "llama3-smoke",
            [
                f"weights.initial={folder}",
                f"data.path={tokens}",
                f"checkpoint.path={scratch}/checkpoints",
                f"run.path={scratch}",
            ],
        )
        record = Teller(scratch, 0, 0, print_every=1, checkpoint_every=0)
        run = configuration(settings, record, settings.placed(1, 1), cuda=False).build()
        run.checkpointer.load()
        model = run.model_parts[0]
        model._skip_lm_head = False
        ids = torch.arange(96).reshape(2, 48) * 7 % 320
        with torch.no_grad():
            ours = model(ids)
            theirs = AutoModelForCausalLM.from_pretrained(folder)(ids).logits
        difference = (ours - theirs).abs().max().item()
        sys.stdout.write(f"{difference:.3e} {theirs.abs().max().item():.3e}\n")
        run.close()
    dist.destroy_process_group()


if __name__ == "__main__":
    main(*(str(Path(each).absolute()) for each in sys.argv[1:]))
