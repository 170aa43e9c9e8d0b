/* Stand-in of aws-ofi-nccl: its version, and the name of an interface that NCCL asks for. */
const char *package = VERSION;
int ncclNetPlugin_v10;
