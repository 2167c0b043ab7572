import { kubeConnection } from "@raft2kube/client-kube/transport/kubeconfig.ts";
import { KubeClient } from "@raft2kube/client-kube/rest/client.ts";
import { startAttacher } from "@raft2kube/csi/sidecars/attacher.ts";
import { systemClock } from "@raft2kube/std/clock.ts";
import { Command } from "commander";
import { runPart } from "./run-part.ts";
import { unixPath } from "./unix-path.ts";

interface Flags {
  kubeconfig: string;
  csiAddress: string;
}

/** `r2k csi-attacher`: carries out VolumeAttachments, with upstream's external-attacher's flags. */
export function command(): Command {
  return new Command("csi-attacher")
    .description("Run the CSI attacher beside a driver's controller service, once in a cluster.")
    .requiredOption("--kubeconfig <file>", "how to reach the apiserver, and as whom")
    .requiredOption("--csi-address <socket>", "the driver's socket, unix:///path")
    .action(async ({ kubeconfig, csiAddress }: Flags) => {
      const client = new KubeClient(await kubeConnection(kubeconfig));
      const driverSocket = unixPath("--csi-address", csiAddress);
      await runPart("csi-attacher", () => {
        const running = startAttacher({ client, driverSocket, clock: systemClock() });
        return Promise.resolve({
          async close() {
            await running.close();
            client.close();
          },
        });
      });
    });
}
