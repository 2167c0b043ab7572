import { startNfsDriver } from "@raft2kube/csi/drivers/nfs/main.ts";
import { systemClock } from "@raft2kube/std/clock.ts";
import { given } from "@raft2kube/std/given.ts";
import { commandWith, required } from "../flags.ts";
import { runPart } from "./run-part.ts";
import { unixPath } from "./unix-path.ts";

/** `r2k csi-nfs`: the driver alone, with the flags of upstream's csi-driver-nfs. */
export const command = () =>
  commandWith(
    "csi-nfs",
    "Run the CSI NFS driver.",
    {
      "--endpoint <socket>": required("where CSI is served, unix:///path"),
      "--nodeid <name>": required("the node that volumes are mounted on"),
      "--drivername <name>": ["the driver's name", "nfs.csi.r2k.dev"],
      "--registration-dir <dir>": "a kubelet's plugins_registry to register in",
      "--mount-options <list>": ["of its own mounts, where a class has none: port=2050", ""],
    },
    async (flags) => {
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
    },
  );
