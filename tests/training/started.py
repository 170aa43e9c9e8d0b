"""Processes of Python that have PyTorch from their first moment: importing it takes seconds of CPU.

    python -m tests.training.started [torchtitan]

It has imported what the program imports, and forks. Each line of its input is a command (`-m`, a
module and its arguments), the file that takes what is said, the folder and more variables of the
environment. It answers with the exit status.
"""

import json
import os
import runpy
import sys

import torch
import torch._dynamo

if sys.argv[1:] == ["torchtitan"]:
    from training.torchtitan import device

    device.choose()
    import training.torchtitan.trainer
else:
    import training.trainer  # noqa: F401 - for those that are forked


def main() -> None:
    torch.set_num_threads(1)
    for line in sys.stdin:
        (_, module, *arguments), said, folder, variables = json.loads(line)
        child = os.fork()
        if child == 0:
            file = os.open(said, os.O_WRONLY | os.O_CREAT)
            os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
            os.dup2(file, 1)
            os.dup2(file, 2)
            os.chdir(folder)
            os.environ |= variables
            sys.argv[1:] = arguments
            runpy.run_module(module, run_name="__main__", alter_sys=True)
            return  # and the interpreter ends as it always does
        status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        print(status, flush=True)  # noqa: T201 - its answer


if __name__ == "__main__":
    main()
