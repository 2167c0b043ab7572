import { type ChildProcessWithoutNullStreams, spawn } from "node:child_process";
import type { Socket } from "node:net";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { enterNetns, inNetns } from "@raft2kube/linux/namespace/netns.ts";
import { addAddress } from "@raft2kube/linux/netlink/address.ts";
import { createVeth, getLink, openRoute } from "@raft2kube/linux/netlink/link.ts";
import { replaceRoute } from "@raft2kube/linux/netlink/route.ts";
import { writeSysctl } from "@raft2kube/linux/proc/sysctl.ts";
import { createNamespaces } from "./namespaces.ts";

export const CLUSTER_CIDR = "10.244.0.0/16";
export const ADDRESSES = {
  node: "198.51.100.1",
  outside: "198.51.100.2",
  gateway: "10.244.0.1",
  one: "10.244.0.11",
  two: "10.244.0.12",
};
const AGENT = join(import.meta.dirname, "agent-process.ts");
/**
 * Time to wait for an answer. Long: an expected one comes immediately, on a machine that is shared.
 */
const ANSWER_MS = 10_000;

export type Protocol = "tcp" | "udp";

/** A client and server in one network namespace. */
export class Agent {
  readonly netns: string;
  readonly #child: ChildProcessWithoutNullStreams;
  readonly #waiting = new Map<number, (answer: string) => void>();
  #next = 0;

  constructor(netns: string) {
    this.netns = netns;
    this.#child = inNetns(netns, () => spawn(process.execPath, [AGENT], { stdio: "pipe" }));
    this.#child.on("error", (error) => this.#end(error.message));
    this.#child.once("exit", () => this.#end("the agent ended"));
    this.#child.stdin.on("error", (error) => this.#end(error.message));
    this.#child.stderr.pipe(process.stderr);
    createInterface({ input: this.#child.stdout }).on("line", (line) => {
      const { id, answer } = JSON.parse(line) as { id: number; answer: string };
      this.#waiting.get(id)?.(answer);
      this.#waiting.delete(id);
    });
  }

  #end(why: string): void {
    for (const resolve of this.#waiting.values()) resolve(why);
    this.#waiting.clear();
  }

  /** Serves a port: answers each message with its name and the client's address. */
  listen(
    port: number,
    name: string,
    protocol: Protocol = "tcp",
    address = "0.0.0.0",
  ): Promise<string> {
    return this.#call({ op: "listen", port, name, protocol, address });
  }

  /** Asks a server once: its answer, or `refused`, `reset`, `closed`, `silent`. */
  ask(
    address: string,
    port: number,
    options: {
      protocol?: Protocol;
      localPort?: number;
      timeout_ms?: number;
      /** UDP: the least length of question and answer. */
      bytes?: number;
      /** TCP: ends the connection with a FIN, of the client first. By default it is reset. */
      ends?: boolean;
    } = {},
  ): Promise<string> {
    const { protocol = "tcp", timeout_ms = ANSWER_MS, ...rest } = options;
    return this.#call({ op: "ask", address, port, protocol, timeout_ms, ...rest });
  }

  /** Opens the connection `name`, which stays; the server's first answer. */
  open(name: string, address: string, port: number): Promise<string> {
    return this.#call({ op: "open", name, address, port, timeout_ms: ANSWER_MS });
  }

  /** Returns the current answer of the server of the connection `name`. */
  say(name: string): Promise<string> {
    return this.#call({ op: "say", name, timeout_ms: ANSWER_MS });
  }

  /** Ends the connection `name` by a reset. */
  async reset(name: string): Promise<void> {
    await this.#call({ op: "reset", name });
  }

  /** How many connections, 16 at a time, a server answers within `timeout_ms`. */
  async many(address: string, port: number, timeout_ms: number): Promise<number> {
    return Number(await this.#call({ op: "many", address, port, protocol: "tcp", timeout_ms }));
  }

  #call(request: object): Promise<string> {
    return new Promise((resolve) => {
      const id = this.#next++;
      this.#waiting.set(id, resolve);
      this.#child.stdin.write(`${JSON.stringify({ id, ...request })}\n`);
    });
  }

  /** Lets this process end without `close`: the agent ends with its standard input. */
  unref(): void {
    this.#child.unref();
    const { stdin, stdout, stderr } = this.#child;
    for (const stream of [stdin, stdout, stderr]) (stream as Socket).unref();
  }

  close(): void {
    this.#child.stdin.end();
  }
}

/** A node in which this process lives, two pods on it, and a machine beyond it. */
export interface NodeNetwork {
  node: Agent;
  one: Agent;
  two: Agent;
  outside: Agent;
  close(): void;
}

const PORTS = { http: 8080, dns: 5353 };
export const TARGETS = PORTS;

/** Makes the namespaces; each pod serves its ports, and its name is the answer. */
export async function createNodeNetwork(): Promise<NodeNetwork> {
  const namespaces = createNamespaces("r2k-proxy-");
  const node = namespaces.add("node");
  enterNetns(node);
  writeSysctl("net.ipv4.ip_forward", 1);
  // Packets that are refused would be routed back to `outside`. The kernel would send it a
  // redirect for each packet, which counts against the rate of the refusals it may send there.
  for (const link of ["all", "default"]) writeSysctl(`net.ipv4.conf.${link}.send_redirects`, 0);
  const places = [
    { name: "one", address: `${ADDRESSES.one}/32`, gateway: ADDRESSES.gateway },
    { name: "two", address: `${ADDRESSES.two}/32`, gateway: ADDRESSES.gateway },
    { name: "outside", address: `${ADDRESSES.outside}/24`, gateway: ADDRESSES.node },
  ];
  const agents: Agent[] = [];
  for (const place of places) {
    const path = namespaces.add(place.name);
    connectToNode(path, place);
    agents.push(new Agent(path));
  }
  defaultRoute(ADDRESSES.outside);
  const [one, two, outside] = agents as [Agent, Agent, Agent];
  const here = new Agent(node);
  for (const [agent, name] of [
    [one, "one"],
    [two, "two"],
  ] as const) {
    await agent.listen(PORTS.http, name);
    await agent.listen(PORTS.dns, name, "udp");
  }
  return {
    node: here,
    one,
    two,
    outside,
    close() {
      for (const agent of [...agents, here]) agent.close();
      namespaces.close();
    },
  };
}

/** Adds the node's default route, its only way to Services until they are translated. */
function defaultRoute(via: string): void {
  using route = openRoute();
  replaceRoute(route, { to: "0.0.0.0/0", via, link: 0 });
}

/**
 * Connects a namespace to the node, in whose namespace this thread is, by a pair of links, and
 * routes all its packets to the node.
 */
export function connectToNode(
  netns: string,
  { name, address, gateway }: { name: string; address: string; gateway: string },
): void {
  using route = openRoute();
  const isPod = address.endsWith("/32");
  createVeth(route, { name: `v-${name}`, up: true }, { name: "eth0", up: true, netns });
  const link = getLink(route, `v-${name}`).index;
  addAddress(route, link, `${gateway}/${isPod ? 32 : 24}`);
  if (isPod) replaceRoute(route, { to: address, link });
  inNetns(netns, () => {
    using there = openRoute();
    const eth0 = getLink(there, "eth0").index;
    addAddress(there, eth0, address);
    if (isPod) replaceRoute(there, { to: `${gateway}/32`, link: eth0 });
    replaceRoute(there, { to: "0.0.0.0/0", via: gateway, link: eth0 });
  });
}
