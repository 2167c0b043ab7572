import { startAttacher } from "@raft2kube/csi/sidecars/attacher.ts";
import { commandWith, required } from "../flags.ts";
import { runWithClient } from "./run-part.ts";
import { unixPath } from "./unix-path.ts";

/** `r2k csi-attacher`: carries out VolumeAttachments, with upstream's external-attacher's flags. */
export const command = () =>
  commandWith(
    "csi-attacher",
    "Run the CSI attacher beside a driver's controller service, once in a cluster.",
    {
      "--kubeconfig <file>": required("how to reach the apiserver, and as whom"),
      "--csi-address <socket>": required("the driver's socket, unix:///path"),
    },
    async ({ kubeconfig, csiAddress }) => {
      const driverSocket = unixPath("--csi-address", csiAddress);
      await runWithClient("csi-attacher", kubeconfig, async (client, clock) =>
        startAttacher({ client, driverSocket, clock }),
      );
    },
  );
