"""Nodes as virtual machines: the user data of a template boots, and a Slurm of them runs jobs.

Slurm, systemd, cloud-init and the NVMe disks are real. What stands in for an instance's hardware,
for its image and for PCS is in `root/` and in `virtual_cluster.py`, and `STAND_INS` of `command.py`
names it.

    with VirtualCluster(image(), synthesized(spec, None), ("n1", "n2"), login=True) as cluster:
        for machine in cluster.machines.values():
            machine.wait_for_boot()
        cluster.start_slurm()
        node = cluster.nodes[0]
        node.run("nvidia-smi").stdout
        node.ask(fault.plant)  # of FAULTS
        job = cluster.submit(script)
        cluster.job(job), cluster.states(), cluster.reason(node.name)
"""
