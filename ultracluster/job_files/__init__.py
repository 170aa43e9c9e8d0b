"""Files that start jobs and are no templates: scripts, Dockerfiles, requests and manifests."""
