import { startNfsDriver } from "@raft2kube/csi/drivers/nfs/main.ts";
import { systemClock } from "@raft2kube/std/clock.ts";
import { Command } from "commander";
import { runPart } from "./run-part.ts";
import { unixPath } from "./unix-path.ts";

interface Flags {
  endpoint: string;
  nodeid: string;
  drivername: string;
  registrationDir?: string;
  mountOptions: string;
}

/** `r2k csi-nfs`: the driver alone, with the flags of upstream's csi-driver-nfs. */
export function command(): Command {
  return new Command("csi-nfs")
    .description("Run the CSI NFS driver.")
    .requiredOption("--endpoint <socket>", "where CSI is served, unix:///path")
    .requiredOption("--nodeid <name>", "the node that volumes are mounted on")
    .option("--drivername <name>", "the driver's name", "nfs.csi.r2k.dev")
    .option("--registration-dir <dir>", "a kubelet's plugins_registry to register in")
    .option("--mount-options <list>", "of its own mounts, where a class has none: port=2050", "")
    .action(async (flags: Flags) => {
      const { nodeid: nodeId, drivername: driverName, registrationDir, mountOptions } = flags;
      await runPart("csi-nfs", () =>
        startNfsDriver({
          socket: unixPath("--endpoint", flags.endpoint),
          nodeId,
          driverName,
          mountOptions: [mountOptions],
          ...(registrationDir === undefined ? {} : { registrationDir }),
          clock: systemClock(),
        }),
      );
    });
}
