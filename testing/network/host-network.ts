import { execFile } from "node:child_process";
import { createServer, type Server } from "node:net";
import { enterNetns, inNetns } from "@raft2kube/linux/namespace/netns.ts";
import { addAddress } from "@raft2kube/linux/netlink/address.ts";
import { createVeth, getLink, openRoute } from "@raft2kube/linux/netlink/link.ts";
import { replaceRoute } from "@raft2kube/linux/netlink/route.ts";
import { createNamespaces } from "./namespaces.ts";

/**
 * The host of the test: a network namespace that this whole process lives in, and one outside of
 * it.
 */
export interface HostNetwork {
  root: string;
  host: string;
  /** A machine beyond the host: 198.51.100.2, the host being 198.51.100.1 to it. */
  outside: string;
  /** A new container's namespace. */
  container(): string;
  close(): void;
}

const HOST = "198.51.100.1";
const OUTSIDE = "198.51.100.2";
/**
 * Time to wait for an answer. Long: a refusal comes immediately, and a server shares the machine.
 */
const ANSWER_TIMEOUT_S = "20";
export const ADDRESSES = { host: HOST, outside: OUTSIDE };

export function createHostNetwork(): HostNetwork {
  const { root, add, close } = createNamespaces("r2k-cni-");
  let containers = 0;
  const host = add("host");
  const outside = add("outside");
  enterNetns(host);
  using route = openRoute();
  createVeth(route, { name: "up0", up: true }, { name: "up1", up: true, netns: outside });
  addAddress(route, getLink(route, "up0").index, `${HOST}/24`);
  inNetns(outside, () => {
    using there = openRoute();
    addAddress(there, getLink(there, "up1").index, `${OUTSIDE}/24`);
  });
  return { root, host, outside, container: () => add(`c${containers++}`), close };
}

/** Lets the machine outside know the way to the containers, for tests that need no masquerade. */
export function routeFromOutside(net: HostNetwork, to: string): void {
  inNetns(net.outside, () => {
    using route = openRoute();
    replaceRoute(route, { to, via: HOST, link: 0 });
  });
}

/**
 * A server in a namespace that sends each client its name, if any, and the client's address.
 */
export async function echoAddress(netns: string, port: number, name = ""): Promise<Server> {
  const server = createServer((socket) => {
    socket.on("error", () => undefined); // a client that went away has its answer
    socket.end(`${name && `${name} `}${socket.remoteAddress?.replace(/^::ffff:/, "")}\n`);
  });
  // Without a host, listen() makes its socket before it returns: in the namespace.
  inNetns(netns, () => {
    server.listen(port);
  });
  await new Promise<void>((resolve) => {
    if (server.listening) resolve();
    else server.once("listening", resolve);
  });
  return server;
}

/** Connects from a namespace; returns the server's text, undefined without an answer. */
export function ask(netns: string, address: string, port: number): Promise<string | undefined> {
  return new Promise((resolve) => {
    const args = ["nc", "-w", ANSWER_TIMEOUT_S, address, String(port)];
    const start = () => {
      const child = execFile("busybox", args, (error, stdout) => {
        resolve(error ? undefined : stdout.trim());
      });
      child.stdin?.end();
      return child.pid;
    };
    inNetns(netns, start);
  });
}
