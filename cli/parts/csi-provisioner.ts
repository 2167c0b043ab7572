import { startProvisioner } from "@raft2kube/csi/sidecars/provisioner.ts";
import { given } from "@raft2kube/std/given.ts";
import { type FlagsOf, type FlagTable, commandWith, required } from "../flags.ts";
import { runWithClient } from "./run-part.ts";
import { unixPath } from "./unix-path.ts";

const FLAGS = {
  "--kubeconfig <file>": required("how to reach the apiserver, and as whom"),
  "--csi-address <socket>": required("the driver's socket, unix:///path"),
  "--node-deployment <node>": "act for this node's claims alone: one beside each driver",
  "--extra-create-metadata": "pass the names of claim and volume to the driver",
} as const satisfies FlagTable;

type Flags = FlagsOf<typeof FLAGS>;

/**
 * `r2k csi-provisioner`: the provisioner alone, with the flags of upstream's external-provisioner.
 */
export const command = () =>
  commandWith("csi-provisioner", "Run the CSI provisioner beside a driver.", FLAGS, run);

async function run({ csiAddress, nodeDeployment: nodeName, ...flags }: Flags): Promise<void> {
  const driverSocket = unixPath("--csi-address", csiAddress);
  const { extraCreateMetadata = false } = flags;
  await runWithClient("csi-provisioner", flags.kubeconfig, (client, clock) => {
    const options = { client, driverSocket, extraCreateMetadata, clock };
    return startProvisioner({ ...options, ...given({ nodeName }) });
  });
}
