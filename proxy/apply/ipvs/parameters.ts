import type { Logger } from "@raft2kube/observe/log.ts";
import { writeSysctl } from "@raft2kube/linux/sysctl.ts";
import {
  formerValues, lostValues, noteOf, type Parameter, type ParameterValues, restoreParameters,
  setParameters, valuesOf,
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
  const noted = formerParameters(log, former);
  const values = formerValues(wanted, noted);
  ensureDevice(noteOf(values));
  restoreParameters(ALL.filter((one) => !wanted.includes(one)), noted);
  setParameters(wanted);
  // Stays: the node's other parts forward packets, too.
  writeSysctl("net.ipv4.ip_forward", 1);
  return values;
}

/** Sets the parameters to their former values. */
export const giveParametersBack = (former: ParameterValues) => restoreParameters(ALL, former);

/**
 * Returns the former values: those of the device's note, else `known` ones. Without either the
 * device was deleted by hand if there are virtual servers, which nothing else survives.
 */
export function formerParameters(
  log: Pick<Logger, "warn">,
  known: ParameterValues = new Map(),
): ParameterValues {
  const note = deviceNote();
  if (note !== undefined) return valuesOf(note, ALL);
  if (known.size > 0 || !hasServers()) return known;
  const lost = lostValues(ALL);
  log.warn("the device was deleted, with its note of the kernel parameters' former values; " +
    "the kernel's defaults are taken for those", { former: noteOf(lost) });
  return lost;
}
