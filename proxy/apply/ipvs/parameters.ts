import { writeSysctl } from "@raft2kube/linux/proc/sysctl.ts";
import type { Logger } from "@raft2kube/observe/log.ts";
import {
  formerValues,
  notedValues,
  noteOf,
  type Parameter,
  type ParameterTraces,
  type ParameterValues,
  restoreParameters,
  setParameters,
} from "../parameters.ts";
import { deviceNote, ensureDevice } from "./device.ts";
import { hasServers } from "./servers.ts";

/** Parameters that IPVS with NAT needs (upstream's values). */
const NEEDED: readonly Parameter[] = [
  // Connections of IPVS are tracked, so that they can be masqueraded.
  { name: "net.ipv4.vs.conntrack", ours: "1", initial: "0" },
  // A client's port that is used again soon keeps its former connection's destination.
  { name: "net.ipv4.vs.conn_reuse_mode", ours: "0", initial: "1" },
  { name: "net.ipv4.vs.expire_nodest_conn", ours: "1", initial: "0" },
  { name: "net.ipv4.vs.expire_quiescent_template", ours: "1", initial: "0" },
];
/** Strict ARP: the node answers for an address only on the interface that has it. */
const STRICT_ARP: readonly Parameter[] = [
  { name: "net.ipv4.conf.all.arp_ignore", ours: "1" },
  { name: "net.ipv4.conf.all.arp_announce", ours: "2" },
];
const ALL = [...NEEDED, ...STRICT_ARP];
const TRACES: ParameterTraces = { all: ALL, note: deviceNote, isPresent: hasServers };

/**
 * Creates the mode's device and sets the kernel's parameters. Their former values are noted on the
 * device before, which lasts as long as the parameters do: until the node boots again. `former`:
 * what the last call of this process returned, should the device have been deleted since.
 */
export function takeParameters(
  strictArp: boolean,
  former: ParameterValues,
  log: Pick<Logger, "warn">,
): ParameterValues {
  const wanted = strictArp ? ALL : NEEDED;
  const noted = notedValues(TRACES, log, former);
  const values = formerValues(wanted, noted);
  ensureDevice(noteOf(values));
  restoreParameters(
    ALL.filter((one) => !wanted.includes(one)),
    noted,
  );
  setParameters(wanted);
  // Stays: the node's other parts forward packets, too.
  writeSysctl("net.ipv4.ip_forward", 1);
  return values;
}

/** Returns the former values, for `giveParametersBack`; to be called before any removal. */
export const formerParameters = (log: Pick<Logger, "warn">) => notedValues(TRACES, log);

/** Sets the parameters to their former values. */
export const giveParametersBack = (former: ParameterValues) => restoreParameters(ALL, former);
