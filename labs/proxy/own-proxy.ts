import { addAddress } from "@raft2kube/linux/netlink/address.ts";
import { createVeth, getLink, openRoute, setLink } from "@raft2kube/linux/netlink/link.ts";
import { replaceNeighbour } from "@raft2kube/linux/netlink/neighbour.ts";
import type { Logger } from "@raft2kube/observe/log.ts";
import { nftablesRules } from "@raft2kube/proxy/apply/nftables/apply.ts";
import type { Rules } from "@raft2kube/proxy/apply/rules.ts";
import { Budget } from "@raft2kube/proxy/apply/userspace/proxy-port.ts";
import { openTcpPort } from "@raft2kube/proxy/apply/userspace/tcp-port.ts";
import type { ServicePort, Target } from "@raft2kube/proxy/plan/model.ts";
import { systemClock } from "@raft2kube/std/clock.ts";
import { messageOf } from "@raft2kube/std/errors.ts";
import {
  CLUSTER_CIDR,
  createNodeNetwork,
  type NodeNetwork,
} from "../../testing/network/node-network.ts";
import { NOT_WRITTEN } from "../check.ts";
import { judge } from "../judge.ts";

export const clock = systemClock();
export const LOOPBACK = "127.0.0.1";
/** No answer comes from it: it would be on a link at whose other end there is no machine. */
export const SILENT: Target = { address: "192.0.2.99", port: 80 };

/** Brings up the links of this process's namespace: loopback, and one that leads nowhere. */
function prepareNetwork(): void {
  using route = openRoute();
  setLink(route, getLink(route, "lo"), { up: true });
  createVeth(route, { name: "nowhere", up: true }, { name: "nowhere-end", up: true });
  const { index } = getLink(route, "nowhere");
  addAddress(route, index, "192.0.2.1/24");
  // Without it the kernel would give up after three seconds of ARP, and the attempt with it.
  replaceNeighbour(route, { link: index, address: SILENT.address, mac: "02:00:00:00:00:99" });
}

let isPrepared = false;

/** Runs a check on a proxy port of the reader's, on loopback; `end` ends its connections. */
export async function withProxyPort(
  targets: readonly Target[],
  body: (port: number, end: () => void) => Promise<void>,
  affinity_s?: number,
): Promise<void> {
  if (!isPrepared) prepareNetwork();
  isPrepared = true;
  const errors: string[] = [];
  const ignore = () => undefined;
  const log: Logger = {
    debug: ignore,
    info: ignore,
    warn: ignore,
    error: (_message, fields) => void errors.push(String(fields?.["error"])),
  };
  const budget = new Budget({ most: 100, clock, log });
  const proxy = await openTcpPort(LOOPBACK, { clock, budget, log });
  proxy.update(targets, affinity_s);
  try {
    await body(proxy.port, () => proxy.close(true));
  } catch (thrown) {
    throwFirst(errors);
    throw thrown;
  } finally {
    proxy.close(true);
  }
  throwFirst(errors);
}

/** Throws what the reader's code threw while it served a connection. */
function throwFirst([first]: readonly string[]): void {
  if (first === undefined) return;
  if (NOT_WRITTEN.test(first)) throw new Error(first);
  judge(false, {
    when: "a connection is served",
    expected: "the client's connection is joined with an endpoint's, or reset",
    happened: `an exception: ${first}`,
    why: "an exception ends one connection here; in the kernel's proxies it would end them all",
  });
}

/** A node with the reader's rules, two pods on it, and a machine beyond it. */
export interface Node extends NodeNetwork {
  /** Makes these the only ports that are served. */
  serve(...ports: ServicePort[]): Promise<void>;
}

let shared: NodeNetwork | undefined;

/** The namespaces of all checks of this process, which removes them when it ends. */
async function sharedNetwork(): Promise<NodeNetwork> {
  if (shared) return shared;
  const net = await createNodeNetwork();
  for (const agent of [net.node, net.one, net.two, net.outside]) agent.unref();
  process.once("exit", () => net.close());
  shared = net;
  return net;
}

/** Runs a check on a node whose rules of nftables are made by the reader's part. */
export async function withNode(body: (node: Node) => Promise<void>): Promise<void> {
  const net = await sharedNetwork();
  const rules = nftablesRules({ table: "r2k-proxy", clusterCidr: CLUSTER_CIDR });
  await body({ ...net, serve: (...ports) => serve(rules, ports) });
}

async function serve(rules: Rules, ports: readonly ServicePort[]): Promise<void> {
  try {
    await rules.rebuild(ports, []);
  } catch (thrown) {
    if (thrown instanceof Error && NOT_WRITTEN.test(thrown.message)) throw thrown;
    judge(false, {
      when: "the rules are given to the kernel (as nft -f - would)",
      expected: "one transaction that the kernel accepts",
      happened: messageOf(thrown),
      why: "all Services are in one transaction: if it is refused, none of them changes",
    });
  }
}
