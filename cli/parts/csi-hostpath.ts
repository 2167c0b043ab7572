import { startHostPathDriver } from "@raft2kube/csi/drivers/hostpath/main.ts";
import { systemClock } from "@raft2kube/std/clock.ts";
import { given } from "@raft2kube/std/given.ts";
import { parsed, wholeNumber } from "../flag-numbers.ts";
import { commandWith, required } from "../flags.ts";
import { runPart } from "./run-part.ts";
import { unixPath } from "./unix-path.ts";

/** `r2k csi-hostpath`: the driver alone, with the flags of the reference hostpath driver. */
export const command = () =>
  commandWith(
    "csi-hostpath",
    "Run the CSI hostPath driver.",
    {
      "--endpoint <socket>": required("where CSI is served, unix:///path"),
      "--nodeid <name>": required("the node that volumes are made on"),
      "--statedir <dir>": required("volumes, snapshots and the state file"),
      "--drivername <name>": ["the driver's name", "hostpath.csi.r2k.dev"],
      "--registration-dir <dir>": "a kubelet's plugins_registry to register in",
      "--maxvolumespernode <n>": "volumes in use on the node at once, for schedulers",
      "--accepted-mutable-parameter-names <names>":
        "parameters that a VolumeAttributesClass may set, with commas between them",
    },
    async (flags) => {
      const { nodeid: nodeId, statedir: dataDir, drivername: driverName, registrationDir } = flags;
      const { maxvolumespernode: max, acceptedMutableParameterNames: names } = flags;
      await runPart("csi-hostpath", () =>
        startHostPathDriver({
          socket: unixPath("--endpoint", flags.endpoint),
          dataDir,
          nodeId,
          driverName,
          ...given({
            registrationDir,
            maxVolumesPerNode: parsed(max, (text) => wholeNumber("--maxvolumespernode", text, 1)),
            mutableParameters: names?.split(","),
          }),
          clock: systemClock(),
        }),
      );
    },
  );
