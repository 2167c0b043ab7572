import { execFile } from "node:child_process";
import { randomBytes } from "node:crypto";
import { closeSync, mkdtempSync, openSync, rmSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { createServer, type Server } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { KubeClient } from "@raft2kube/client-kube/rest/client.ts";
import { NODES } from "@raft2kube/client-kube/rest/resources.ts";
import { type Cni, createCni } from "@raft2kube/cni/lib/cni.ts";
import { parseConflist } from "@raft2kube/cni/lib/conflist.ts";
import { execInvoke } from "@raft2kube/cni/lib/exec.ts";
import type { Attachment, Invoke, NetworkList } from "@raft2kube/cni/lib/types.ts";
import { createNetns, deleteNetns, enterNetns, inNetns } from "@raft2kube/linux/namespace/netns.ts";
import { addAddress } from "@raft2kube/linux/netlink/address.ts";
import {
  createBridge,
  createVeth,
  getLink,
  openRoute,
  setLink,
} from "@raft2kube/linux/netlink/link.ts";
import { replaceRoute } from "@raft2kube/linux/netlink/route.ts";
import { writeSysctl } from "@raft2kube/linux/proc/sysctl.ts";
import { systemClock } from "@raft2kube/std/clock.ts";
import { startStore } from "@raft2kube/store/main.ts";
import { parseAllDocuments } from "yaml";
import {
  startTestApiserver,
  type TestApiserver,
} from "../../../../testing/apiserver/test-apiserver.ts";

export const clock = systemClock();
/** Most questions start programs, which take more of a processor than the wait for an answer. */
export const patience = { clock, timeout_ms: 30_000, interval_ms: 250 };
/**
 * Patience for tests of a lab's part (`lab check 13 --contract`), whose faults may never be mended.
 */
export const patienceWithLabs = process.env["R2K_LAB_TREES"]
  ? { ...patience, timeout_ms: 10_000 }
  : patience;
export const NETWORK = "10.244.0.0/16";
const API_ADDRESS = "10.77.0.1";
/** The machine that has the underlay's bridge, and no overlay: where this process lives. */
export const HOST: Pod = { netns: "/proc/thread-self/ns/net", address: API_ADDRESS };
const RBAC = "/apis/rbac.authorization.k8s.io/v1";
const MANIFEST = join(import.meta.dirname, "../../../../cli/addons/06-overlay.yaml");
const PLUGIN_MS = 30_000;

/** A node: a namespace on the underlay, whose only other link leads to its pods. */
export interface Machine {
  readonly name: string;
  readonly netns: string;
  readonly address: string;
  readonly podCidr: string;
  readonly subnetFile: string;
  readonly dir: string;
}

/** A container with an address of its machine's range. */
export type Pod = { readonly netns: string; readonly address: string };

/**
 * Machines on one bridge, and an apiserver of ours that they reach. This process lives in the
 * bridge's namespace.
 */
export class Underlay {
  readonly root = mkdtempSync(join(tmpdir(), "r2k-overlay-"));
  readonly #home = openSync("/proc/thread-self/ns/net", "r");
  readonly #made: string[] = [];
  readonly #closers: (() => Promise<unknown> | void)[] = [];
  readonly #attached: [Cni, NetworkList, Attachment][] = [];
  #api: TestApiserver | undefined;
  #admin: KubeClient | undefined;
  #count = 0;

  static async create(): Promise<Underlay> {
    const machines = new Underlay();
    enterNetns(machines.#netns("underlay"));
    using route = openRoute();
    createBridge(route, { name: "br0" });
    const { index } = getLink(route, "br0");
    setLink(route, { index }, { up: true });
    addAddress(route, index, `${API_ADDRESS}/24`);
    const listenClient = { path: join(machines.root, "s.sock") };
    const store = await startStore({ dataDir: join(machines.root, "store"), listenClient });
    const listen = [{ host: API_ADDRESS, port: 0 }];
    machines.#api = await startTestApiserver(store.client, { listen });
    machines.#closers.push(
      () => machines.#api?.close(),
      () => store.close(),
    );
    machines.#admin = await machines.client("admin", ["system:masters"]);
    for (const document of parseAllDocuments(await readFile(MANIFEST, "utf8"))) {
      const body = document.toJS() as { kind: string };
      const path = `${RBAC}/${body.kind.toLowerCase()}s`;
      await machines.#admin.request({ method: "POST", path, body });
    }
    return machines;
  }

  get api(): TestApiserver {
    if (!this.#api) throw new Error("the underlay is not made yet");
    return this.#api;
  }

  /** Nodes, as the administrator. */
  get nodes() {
    if (!this.#admin) throw new Error("the underlay is not made yet");
    return this.#admin.resource(NODES);
  }

  async client(user: string, organizations: string[] = []): Promise<KubeClient> {
    const { cert, key } = await this.api.credentials(user, organizations);
    const { server, ca } = this.api;
    const client = new KubeClient({ server, ca: ca.cert, cert, key, clock });
    this.#closers.unshift(() => client.close());
    return client;
  }

  /** A machine with its Node; `podCidr` is by default the next /24. */
  async machine(podCidr?: string): Promise<Machine> {
    const index = ++this.#count;
    const name = `n${index}`;
    const dir = join(this.root, name);
    const machine = {
      name,
      netns: this.#netns(name),
      address: `10.77.0.${10 + index}`,
      podCidr: podCidr ?? `10.244.${index}.0/24`,
      dir,
      subnetFile: join(dir, "run/subnet.env"),
    };
    this.#connect(machine, `port${index}`);
    await this.addNode(machine);
    return machine;
  }

  async addNode({ name, podCidr, address }: Machine): Promise<void> {
    // As the node lifecycle controller sets it; flanneld fails on a Node without any annotation.
    const annotations = { "node.alpha.kubernetes.io/ttl": "0" };
    await this.nodes.create({
      metadata: { name, annotations },
      spec: { podCIDR: podCidr, podCIDRs: [podCidr] },
      status: { addresses: [{ type: "InternalIP", address }] },
    });
  }

  #connect({ netns, address }: Machine, port: string): void {
    using route = openRoute();
    createVeth(route, { name: port, up: true }, { name: "eth0", netns, up: true });
    setLink(route, getLink(route, port), { master: getLink(route, "br0").index });
    inNetns(netns, () => {
      using there = openRoute();
      const { index } = getLink(there, "eth0");
      addAddress(there, index, `${address}/24`);
      replaceRoute(there, { to: "0.0.0.0/0", via: API_ADDRESS, link: index });
      writeSysctl("net.ipv4.ip_forward", 1);
    });
  }

  #netns(name: string): string {
    const path = join(this.root, `ns-${name}`);
    createNetns(path);
    this.#made.push(path);
    inNetns(path, () => {
      using route = openRoute();
      setLink(route, getLink(route, "lo"), { up: true });
    });
    return path;
  }

  /** A pod on the machine, by the plugins of `plugins`, which read what the overlay wrote. */
  async pod(machine: Machine, plugins: string, delegate: object = {}): Promise<Pod> {
    const id = `pod${this.#made.length}`;
    const netns = this.#netns(id);
    const cni = createCni({
      pluginDirs: plugins.split(":"),
      cacheDir: join(machine.dir, "cache"),
      invoke: inside(machine.netns),
    });
    const { subnetFile, dir } = machine;
    const list = parseConflist(
      JSON.stringify({
        name: "overlay",
        cniVersion: "1.0.0",
        plugins: [
          {
            type: "flannel",
            subnetFile,
            dataDir: join(dir, "flannel"),
            ipam: { dataDir: join(dir, "networks") },
            delegate: { isDefaultGateway: true, hairpinMode: true, ipMasq: false, ...delegate },
          },
        ],
      }),
      "10-overlay.conflist",
    );
    const attachment = { containerId: id, netns, ifName: "eth0" };
    const { ips } = await cni.addNetworkList(list, attachment);
    this.#attached.push([cni, list, attachment]);
    return { netns, address: ips?.[0]?.address.split("/")[0] ?? "" };
  }

  /** Closes `closer` before what it needs. */
  later(closer: () => Promise<unknown> | void): void {
    this.#closers.unshift(closer);
  }

  async close(): Promise<void> {
    for (const [cni, list, attachment] of this.#attached) {
      await cni.delNetworkList(list, attachment);
    }
    for (const closer of this.#closers) await closer();
    enterNetns(`/proc/self/fd/${this.#home}`);
    closeSync(this.#home);
    for (const path of this.#made) deleteNetns(path);
    rmSync(this.root, { recursive: true, force: true });
  }
}

/** Runs plugins as processes that are born in a machine's namespace. */
function inside(netns: string): Invoke {
  const exec = execInvoke(PLUGIN_MS);
  return (file, request) => {
    let result: Promise<unknown> = Promise.resolve();
    inNetns(netns, () => {
      result = exec(file, request);
    });
    return result;
  };
}

/** Runs a program in a namespace; its output as latin1, or undefined when it failed. */
export function run(
  netns: string,
  program: string,
  args: readonly string[],
  input?: Buffer,
): Promise<string | undefined> {
  const options = { maxBuffer: 64 << 20, encoding: "latin1" } as const;
  return new Promise((resolve) => {
    inNetns(netns, () => {
      const child = execFile(program, args, options, (error, stdout) => {
        resolve(error ? undefined : stdout);
      });
      child.stdin?.on("error", () => undefined); // a program that ended early has said so
      child.stdin?.end(input);
    });
  });
}

/** Whether one echo with `size` bytes of ICMP data is answered. */
export async function ping(netns: string, address: string, size = 56): Promise<boolean> {
  const args = ["ping", "-c", "1", "-W", "2", "-s", String(size), address];
  return (await run(netns, "busybox", args)) !== undefined;
}

/** A server in a namespace that answers each client with its address, a space, and what it sent. */
export async function serveEchoes(netns: string, port: number): Promise<Server> {
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    const received: Buffer[] = [];
    socket.on("error", () => socket.destroy());
    socket.on("data", (data) => received.push(data));
    const from = socket.remoteAddress?.replace(/^::ffff:/, "");
    socket.on("end", () => socket.end(Buffer.concat([Buffer.from(`${from} `), ...received])));
  });
  inNetns(netns, () => {
    server.listen(port);
  });
  if (!server.listening) await new Promise((resolve) => server.once("listening", resolve));
  return server;
}

/**
 * Sends random bytes to the server and takes them back; returns the address that it saw when they
 * came whole both ways, else undefined.
 */
export async function send(
  netns: string,
  address: string,
  port: number,
  bytes: number,
): Promise<string | undefined> {
  const data = randomBytes(bytes);
  const args = ["nc", "-w", "10", address, String(port)];
  const answer = (await run(netns, "busybox", args, data)) ?? "";
  const [from = ""] = answer.split(" ", 1);
  return answer === `${from} ${data.toString("latin1")}` ? from : undefined;
}
