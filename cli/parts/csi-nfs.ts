import { startNfsDriver } from "@raft2kube/csi/drivers/nfs/main.ts";
import { systemClock } from "@raft2kube/std/clock.ts";
import { given } from "@raft2kube/std/given.ts";
import { type FlagsOf, type FlagTable, commandWith, required } from "../flags.ts";
import { runPart } from "./run-part.ts";
import { unixPath } from "./unix-path.ts";

const FLAGS = {
  "--endpoint <socket>": required("where CSI is served, unix:///path"),
  "--nodeid <name>": required("the node that volumes are mounted on"),
  "--drivername <name>": ["the driver's name", "nfs.csi.r2k.dev"],
  "--registration-dir <dir>": "a kubelet's plugins_registry to register in",
  "--mount-options <list>": ["of its own mounts, where a class has none: port=2050", ""],
} as const satisfies FlagTable;

type Flags = FlagsOf<typeof FLAGS>;

/** `r2k csi-nfs`: the driver alone, with the flags of upstream's csi-driver-nfs. */
export const command = () => commandWith("csi-nfs", "Run the CSI NFS driver.", FLAGS, run);

async function run(flags: Flags): Promise<void> {
  const { nodeid: nodeId, drivername: driverName, registrationDir, mountOptions } = flags;
  await runPart("csi-nfs", () =>
    startNfsDriver({
      socket: unixPath("--endpoint", flags.endpoint),
      nodeId,
      driverName,
      mountOptions: [mountOptions],
      ...given({ registrationDir }),
      clock: systemClock(),
    }),
  );
}
