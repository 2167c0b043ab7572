import { startAttacher } from "@raft2kube/csi/sidecars/attacher.ts";
import { type FlagsOf, type FlagTable, commandWith, required } from "../flags.ts";
import { runWithClient } from "./run-part.ts";
import { unixPath } from "./unix-path.ts";

const FLAGS = {
  "--kubeconfig <file>": required("how to reach the apiserver, and as whom"),
  "--csi-address <socket>": required("the driver's socket, unix:///path"),
} as const satisfies FlagTable;

type Flags = FlagsOf<typeof FLAGS>;

/** `r2k csi-attacher`: carries out VolumeAttachments, with upstream's external-attacher's flags. */
export const command = () =>
  commandWith(
    "csi-attacher",
    "Run the CSI attacher beside a driver's controller service, once in a cluster.",
    FLAGS,
    run,
  );

async function run({ kubeconfig, csiAddress }: Flags): Promise<void> {
  const driverSocket = unixPath("--csi-address", csiAddress);
  await runWithClient("csi-attacher", kubeconfig, async (client, clock) =>
    startAttacher({ client, driverSocket, clock }),
  );
}
