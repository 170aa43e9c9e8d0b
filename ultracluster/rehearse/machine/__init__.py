"""Nodes as virtual machines: the user data of a template boots, and a Slurm of them runs jobs.

Slurm, systemd, cloud-init and the NVMe disks are real. What stands in for an instance's hardware,
for its image and for PCS is in `root/` and in `room.py`, and `STAND_INS` of `command.py` names it.

    with Room(image(), synthesized(spec, None), ("n1", "n2"), login=True) as room:
        for machine in room.machines.values():
            machine.wait_for_boot()
        room.start_slurm()
        node = room.nodes[0]
        node.run("nvidia-smi").stdout
        node.ask(fault.plant)  # of FAULTS
        job = room.submit(script)
        room.job(job), room.states(), room.reason(node.name)
"""
