import { kubeConnection } from "@raft2kube/client-kube/transport/kubeconfig.ts";
import { KubeClient } from "@raft2kube/client-kube/rest/client.ts";
import { startProvisioner } from "@raft2kube/csi/sidecars/provisioner.ts";
import { systemClock } from "@raft2kube/std/clock.ts";
import { Command } from "commander";
import { runPart } from "./run-part.ts";
import { unixPath } from "./unix-path.ts";

interface Flags {
  kubeconfig: string;
  csiAddress: string;
  nodeDeployment?: string;
  extraCreateMetadata?: boolean;
}

/**
 * `r2k csi-provisioner`: the provisioner alone, with the flags of upstream's external-provisioner.
 */
export function command(): Command {
  return new Command("csi-provisioner")
    .description("Run the CSI provisioner beside a driver.")
    .requiredOption("--kubeconfig <file>", "how to reach the apiserver, and as whom")
    .requiredOption("--csi-address <socket>", "the driver's socket, unix:///path")
    .option("--node-deployment <node>", "act for this node's claims alone: one beside each driver")
    .option("--extra-create-metadata", "pass the names of claim and volume to the driver")
    .action(async ({ kubeconfig, csiAddress, nodeDeployment, extraCreateMetadata }: Flags) => {
      const client = new KubeClient(await kubeConnection(kubeconfig));
      const driverSocket = unixPath("--csi-address", csiAddress);
      const node = nodeDeployment === undefined ? {} : { nodeName: nodeDeployment };
      await runPart("csi-provisioner", async () => {
        const running = await startProvisioner({
          client,
          driverSocket,
          ...node,
          extraCreateMetadata: extraCreateMetadata === true,
          clock: systemClock(),
        });
        return {
          async close() {
            await running.close();
            client.close();
          },
        };
      });
    });
}
