"""The rehearsal: the real CDK CLI deploys an environment to an emulated AWS on this machine."""
