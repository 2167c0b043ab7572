import { readSysctl, writeSysctl } from "@raft2kube/linux/sysctl.ts";
import { deviceNote, noteOnDevice } from "./device.ts";

/** Parameters that IPVS with NAT needs (upstream's values). */
const NEEDED: readonly (readonly [name: string, value: string])[] = [
  // Connections of IPVS are tracked, so that they can be masqueraded.
  ["net.ipv4.vs.conntrack", "1"],
  // A client's port that is used again soon keeps its former connection's destination.
  ["net.ipv4.vs.conn_reuse_mode", "0"],
  ["net.ipv4.vs.expire_nodest_conn", "1"],
  ["net.ipv4.vs.expire_quiescent_template", "1"],
];
/** Strict ARP: the node answers for an address only on the interface that has it. */
const STRICT_ARP: typeof NEEDED = [
  ["net.ipv4.conf.all.arp_ignore", "1"],
  ["net.ipv4.conf.all.arp_announce", "2"],
];
const OURS = new Map([...NEEDED, ...STRICT_ARP]);

/** Values of kernel parameters, by name. */
export type ParameterValues = ReadonlyMap<string, string>;

/**
 * Sets the kernel's parameters. Their former values are noted on the device before, which lasts as
 * long as the parameters do: until the node boots again. Returns those values.
 */
export function setParameters(strictArp: boolean): ParameterValues {
  const wanted = new Map([...NEEDED, ...(strictArp ? STRICT_ARP : [])]);
  const noted = formerParameters();
  restore([...noted].filter(([name]) => !wanted.has(name)));
  const former = new Map([...wanted.keys()].map((name) =>
    [name, noted.get(name) ?? readSysctl(name)]));
  noteOnDevice(noteOf(former));
  for (const [name, value] of wanted) writeSysctl(name, value);
  // Stays: the node's other parts forward packets, too.
  writeSysctl("net.ipv4.ip_forward", 1);
  return former;
}

/** Sets the parameters to their former values; one that has another value than ours is kept. */
export function restoreParameters(): void {
  restore(formerParameters());
}

function restore(former: Iterable<readonly [name: string, value: string]>): void {
  for (const [name, value] of former) {
    if (readSysctl(name) === OURS.get(name)) writeSysctl(name, value);
  }
}

/** The values as the device's note. */
export const noteOf = (values: ParameterValues) =>
  [...values].map(([name, value]) => `${name}=${value}`).join(" ");

function formerParameters(): ParameterValues {
  const values = new Map<string, string>();
  for (const [, name = "", value = ""] of deviceNote().matchAll(/(\S+)=(\d+)/g)) {
    if (OURS.has(name)) values.set(name, value);
  }
  return values;
}
