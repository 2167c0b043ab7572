import { startProvisioner } from "@raft2kube/csi/sidecars/provisioner.ts";
import { given } from "@raft2kube/std/given.ts";
import { commandWith, required } from "../flags.ts";
import { runWithClient } from "./run-part.ts";
import { unixPath } from "./unix-path.ts";

/**
 * `r2k csi-provisioner`: the provisioner alone, with the flags of upstream's external-provisioner.
 */
export const command = () =>
  commandWith(
    "csi-provisioner",
    "Run the CSI provisioner beside a driver.",
    {
      "--kubeconfig <file>": required("how to reach the apiserver, and as whom"),
      "--csi-address <socket>": required("the driver's socket, unix:///path"),
      "--node-deployment <node>": "act for this node's claims alone: one beside each driver",
      "--extra-create-metadata": "pass the names of claim and volume to the driver",
    },
    async ({ csiAddress, nodeDeployment: nodeName, ...flags }) => {
      const driverSocket = unixPath("--csi-address", csiAddress);
      const { extraCreateMetadata = false } = flags;
      await runWithClient("csi-provisioner", flags.kubeconfig, (client, clock) => {
        const options = { client, driverSocket, extraCreateMetadata, clock };
        return startProvisioner({ ...options, ...given({ nodeName }) });
      });
    },
  );
