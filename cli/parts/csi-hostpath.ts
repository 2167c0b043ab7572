import { startHostPathDriver } from "@raft2kube/csi/drivers/hostpath/main.ts";
import { systemClock } from "@raft2kube/std/clock.ts";
import { Command } from "commander";
import { CommandError } from "../terminal.ts";
import { runPart } from "./run-part.ts";
import { unixPath } from "./unix-path.ts";

interface Flags {
  endpoint: string;
  nodeid: string;
  statedir: string;
  drivername: string;
  registrationDir?: string;
  maxvolumespernode?: string;
  acceptedMutableParameterNames?: string;
}

/** `r2k csi-hostpath`: the driver alone, with the flags of the reference hostpath driver. */
export function command(): Command {
  return new Command("csi-hostpath")
    .description("Run the CSI hostPath driver.")
    .requiredOption("--endpoint <socket>", "where CSI is served, unix:///path")
    .requiredOption("--nodeid <name>", "the node that volumes are made on")
    .requiredOption("--statedir <dir>", "volumes, snapshots and the state file")
    .option("--drivername <name>", "the driver's name", "hostpath.csi.r2k.dev")
    .option("--registration-dir <dir>", "a kubelet's plugins_registry to register in")
    .option("--maxvolumespernode <n>", "volumes in use on the node at once, for schedulers")
    .option(
      "--accepted-mutable-parameter-names <names>",
      "parameters that a VolumeAttributesClass may set, with commas between them",
    )
    .action(async (flags: Flags) => {
      const { nodeid: nodeId, statedir: dataDir, drivername: driverName, registrationDir } = flags;
      const { maxvolumespernode: max, acceptedMutableParameterNames: names } = flags;
      await runPart("csi-hostpath", () =>
        startHostPathDriver({
          socket: unixPath("--endpoint", flags.endpoint),
          dataDir,
          nodeId,
          driverName,
          ...(registrationDir === undefined ? {} : { registrationDir }),
          ...(max === undefined ? {} : { maxVolumesPerNode: count("--maxvolumespernode", max) }),
          ...(names === undefined ? {} : { mutableParameters: names.split(",") }),
          clock: systemClock(),
        }),
      );
    });
}

function count(flag: string, text: string): number {
  const number = Number(text);
  if (Number.isSafeInteger(number) && number > 0) return number;
  throw new CommandError("FLAG", `${flag}: not a number above 0: ${text}`);
}
