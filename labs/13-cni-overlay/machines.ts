import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Node } from "@raft2kube/api/gen/core/v1.ts";
import { ipv4Subnet } from "@raft2kube/cni/lib/subnet.ts";
import { createNetns, deleteNetns, inNetns } from "@raft2kube/linux/namespace/netns.ts";
import { addAddress } from "@raft2kube/linux/netlink/address.ts";
import {
  createBridge,
  createVeth,
  deleteLink,
  getLink,
  openRoute,
  setLink,
} from "@raft2kube/linux/netlink/link.ts";
import { writeSysctl } from "@raft2kube/linux/proc/sysctl.ts";
import { OverlayNetwork } from "@raft2kube/overlay/apply.ts";
import { annotationsOf, vtepMac } from "@raft2kube/overlay/lease.ts";
import { parseNetConf } from "@raft2kube/overlay/net-conf.ts";
import { type OverlayPlan, type PlanInput, planOverlay } from "@raft2kube/overlay/plan.ts";
import { Agent, connectToNode } from "../../testing/network/node-network.ts";

export const NETWORK = "10.244.0.0/16";
export const VXLAN_PORT = 8472;
export const DEVICE = "flannel.1";
/** The port at which each pod serves, by TCP and UDP. */
export const POD_PORT = 7000;

/** `net-conf.json` with VXLAN, or as given. */
export function netConf(backend: object = {}) {
  return parseNetConf(
    JSON.stringify({ Network: NETWORK, Backend: { Type: "vxlan", ...backend } }),
    "net-conf.json",
  );
}

/** Names and addresses of node n<index>. */
export function addressesOf(index: number) {
  return {
    name: `n${index}`,
    address: `192.0.2.${index}`,
    podCidr: `10.244.${index}.0/24`,
    /** The first of the range, which the node's VXLAN link has. */
    vtep: `10.244.${index}.0`,
    mac: vtepMac(`n${index}`),
    pod: `10.244.${index}.5`,
  };
}

/** Node n<index> of the API, as its overlay published it. */
export function nodeOf(
  index: number,
  more: { address?: string; podCidr?: string; conf?: ReturnType<typeof netConf> } = {},
): Node {
  const { name, address, podCidr, mac, conf } = { ...addressesOf(index), conf: netConf(), ...more };
  return {
    metadata: {
      name,
      creationTimestamp: `2026-01-01T00:00:0${index}Z`,
      annotations: annotationsOf({ conf, publicIp: address, mac }),
    },
    spec: { podCIDRs: [podCidr] },
  };
}

/** The input of the plan of node n<index>, without its underlay. */
export function inputOf(
  index: number,
  nodes: readonly Node[],
  conf = netConf(),
): Omit<PlanInput, "underlay"> {
  const { name, podCidr, mac } = addressesOf(index);
  return { conf, nodeName: name, subnet: ipv4Subnet(podCidr)!, mac, nodes };
}

/** A node: a network namespace with one link to the others, and a pod with an agent. */
export class Machine {
  readonly index: number;
  readonly network: OverlayNetwork;
  readonly pod: Agent;

  constructor(index: number, netns: string, pod: Agent) {
    this.index = index;
    this.network = new OverlayNetwork(netns);
    this.pod = pod;
  }

  /** Plans for these nodes, and makes the kernel hold it; failures and changes as lines. */
  sync(nodes: readonly Node[]): { plan: OverlayPlan; changes: string[]; failures: string[] } {
    const underlay = this.network.underlay({ iface: "eth0", addresses: [] });
    const plan = planOverlay({ ...inputOf(this.index, nodes), underlay });
    const { changes, failures } = this.network.apply(plan, underlay);
    for (const failure of failures) if (/is not written yet/.test(failure.message)) throw failure;
    return { plan, changes: [...changes], failures: failures.map(({ message }) => message) };
  }
}

/** A link is gone some time after the namespace of its other end: names are used once. */
let ports = 0;

/** Machines on one bridge, in the network namespace of this process. */
export class Machines {
  readonly #root = mkdtempSync(join(tmpdir(), "r2k-lab13-"));
  readonly #made: string[] = [];
  readonly all: readonly Machine[];

  constructor(count: number) {
    using route = openRoute();
    setLink(route, getLink(route, "lo"), { up: true });
    createBridge(route, { name: "br0" });
    setLink(route, getLink(route, "br0"), { up: true });
    this.all = Array.from({ length: count }, (_, at) => this.#machine(at + 1));
  }

  /** Serves on each pod; the answer is `n2 ADDRESS OF THE CLIENT`. */
  async serve(): Promise<void> {
    await Promise.all(
      this.all.flatMap(({ index, pod }) => [
        pod.listen(POD_PORT, `n${index}`),
        pod.listen(POD_PORT, `n${index}`, "udp"),
      ]),
    );
  }

  #machine(index: number): Machine {
    const { name, address, pod } = addressesOf(index);
    const netns = this.#netns(name);
    using route = openRoute();
    const port = `port${++ports}`;
    createVeth(route, { name: port, up: true }, { name: "eth0", netns, up: true });
    setLink(route, getLink(route, port), { master: getLink(route, "br0").index });
    const podNetns = this.#netns(`${name}-pod`);
    inNetns(netns, () => {
      using there = openRoute();
      addAddress(there, getLink(there, "eth0").index, `${address}/24`);
      writeSysctl("net.ipv4.ip_forward", 1);
      // As the CNI plugin does it, with the MTU that the overlay leaves to pods.
      connectToNode(podNetns, { name: "pod", address: `${pod}/32`, gateway: `10.244.${index}.1` });
      setLink(there, getLink(there, "v-pod"), { mtu: 1450 });
    });
    inNetns(podNetns, () => {
      using there = openRoute();
      setLink(there, getLink(there, "eth0"), { mtu: 1450 });
    });
    return new Machine(index, netns, new Agent(podNetns));
  }

  #netns(name: string): string {
    const path = join(this.#root, name);
    createNetns(path);
    this.#made.push(path);
    inNetns(path, () => {
      using route = openRoute();
      setLink(route, getLink(route, "lo"), { up: true });
    });
    return path;
  }

  close(): void {
    for (const { pod } of this.all) pod.close();
    for (const path of this.#made) deleteNetns(path);
    using route = openRoute();
    deleteLink(route, "br0");
    rmSync(this.#root, { recursive: true, force: true });
  }
}

/** Runs a check with three machines, whose overlays know one another. */
export async function withMachines(body: (machines: readonly Machine[]) => Promise<void>) {
  const machines = new Machines(3);
  try {
    await machines.serve();
    await body(machines.all);
  } finally {
    machines.close();
  }
}
