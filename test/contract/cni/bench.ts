import { readdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { type Cni, createCni } from "@raft2kube/cni/lib/cni.ts";
import { parseConflist } from "@raft2kube/cni/lib/conflist.ts";
import { execInvoke } from "@raft2kube/cni/lib/exec.ts";
import { findPlugin } from "@raft2kube/cni/lib/plugins.ts";
import type {
  Attachment,
  CapabilityArgs,
  CniResult,
  Invoke,
  NetworkList,
  PortMapping,
} from "@raft2kube/cni/lib/types.ts";
import type { CniVersion } from "@raft2kube/cni/lib/version.ts";
import { deleteLink, listLinks, openRoute } from "@raft2kube/linux/netlink/link.ts";
import { isErrno } from "@raft2kube/std/errors.ts";
import { expect } from "vitest";
import {
  createHostNetwork,
  echoAddress,
  type HostNetwork,
} from "../../../testing/network/host-network.ts";

/** A set of plugins under test. */
export interface Implementation {
  /** Where its executables are. */
  pluginDir(): string;
  /** How they are called; the default is exec. */
  invoke?: Invoke;
  /** Whether the same code is also judged in this process; then only what executables add is. */
  executablesAlone?: boolean;
  /** The newest CNI version that it speaks; 1.1.0 is the first with STATUS and GC. */
  newest: CniVersion;
  /**
   * Whether it is held to what ours keep beyond the reference: route_localnet is on only while a
   * port of 127.0.0.0/8 is mapped, GC finds what no record names, and others of
   * docs/DIVERGENCE.md, "Network".
   */
  ours: boolean;
  /** Whether CHECK of portmap works; that of the reference's 1.1.1 wants rules it never made. */
  checksPorts: boolean;
  /** Options of the bridge plugin and of portmap that choose the kind of kernel rules. */
  rules?: { readonly bridge: object; readonly portmap: object };
}

export const SUBNET = "10.88.0.0/24";
export const GATEWAY = "10.88.0.1";
const NETWORK = "testnet";
const BRIDGE = "cni0";

/** Differences from the default network of the tests. */
export type NetworkChanges = { bridge?: object; ipam?: object; versions?: string[] };

/** Where plugins are tried: a host of its own, containers, servers in them, and the cleaning up. */
export class Bench {
  readonly implementation: Implementation;
  readonly net: HostNetwork;
  readonly cni: Cni;
  readonly attached: [NetworkList, Attachment][] = [];
  readonly #dataDir: string;
  readonly #servers: { close(): void }[] = [];

  constructor(implementation: Implementation) {
    this.implementation = implementation;
    this.net = createHostNetwork();
    this.#dataDir = join(this.net.root, "ipam");
    this.cni = createCni({
      pluginDirs: [implementation.pluginDir()],
      cacheDir: join(this.net.root, "cache"),
      timeout_ms: 20_000,
      ...(implementation.invoke ? { invoke: implementation.invoke } : {}),
    });
  }

  /** Takes down what a test made, and demands that nothing is left. */
  async clean(): Promise<void> {
    for (const server of this.#servers.splice(0)) server.close();
    const attached = this.attached.splice(0);
    let left: { addresses: string[]; links: string[] };
    try {
      for (const [list, attachment] of attached) await this.cni.delNetworkList(list, attachment);
    } finally {
      left = this.#takeLeftovers();
    }
    expect(left.addresses, "addresses left behind").toEqual([]);
    expect(left.links, "links left behind").toEqual([]);
  }

  /** Leftovers of one test are its own failure, and not that of all later ones. */
  #takeLeftovers(): { addresses: string[]; links: string[] } {
    const [addresses, links] = [this.givenOut(), this.hostEnds()];
    for (const address of addresses) rmSync(this.#fileOf(address));
    using route = openRoute();
    for (const link of links) deleteLink(route, link);
    // The reference fails on a bridge whose only port went before it had an address: no hardware
    // address is left, which the reference then sets.
    deleteLink(route, BRIDGE);
    return { addresses, links };
  }

  close(): void {
    this.net.close();
  }

  conflist(changes: NetworkChanges = {}): NetworkList {
    const versions = changes.versions ?? ["1.0.0", "1.1.0"];
    const ipam = this.hostLocal({ routes: [{ dst: "0.0.0.0/0" }], ...changes.ipam });
    const bridge = {
      type: "bridge",
      bridge: BRIDGE,
      isGateway: true,
      hairpinMode: true,
      ipspoofchk: true, // ours alone
      ipMasq: false,
      mtu: 1450,
      ipam,
      ...this.implementation.rules?.bridge,
      ...changes.bridge,
    };
    const capabilities = { portMappings: true };
    const { rules } = this.implementation;
    const portmap = { type: "portmap", capabilities, snat: true, ...rules?.portmap };
    const list = {
      name: NETWORK,
      cniVersion: versions[0],
      cniVersions: versions,
      plugins: [bridge, portmap],
    };
    return parseConflist(JSON.stringify(list), "10-test.conflist");
  }

  /** A network of these plugins. */
  listOf(plugins: readonly object[]): NetworkList {
    const list = { name: NETWORK, cniVersion: "1.0.0", cniVersions: ["1.0.0", "1.1.0"], plugins };
    return parseConflist(JSON.stringify(list), "20-test.conflist");
  }

  /** IPAM by host-local, from this bench's folder. */
  hostLocal(changes: object = {}): object {
    const ranges = [[{ subnet: SUBNET }]];
    return { type: "host-local", dataDir: this.#dataDir, ranges, ...changes };
  }

  /** The addresses that host-local has given out. */
  givenOut(): string[] {
    try {
      const files = readdirSync(join(this.#dataDir, NETWORK));
      return files.filter((file) => /^\d+\./.test(file));
    } catch (thrown) {
      if (isErrno(thrown, "ENOENT")) return [];
      throw thrown;
    }
  }

  #fileOf(address: string): string {
    return join(this.#dataDir, NETWORK, address);
  }

  /** Links of the host that belong to containers: ends of pairs, and those that shape traffic. */
  hostEnds(): string[] {
    using route = openRoute();
    return listLinks(route)
      .filter(({ kind, name }) => (kind === "veth" && name !== "up0") || kind === "ifb")
      .map((link) => link.name);
  }

  async attach(
    list: NetworkList,
    options: { ports?: PortMapping[]; netns?: string; capabilityArgs?: CapabilityArgs } = {},
  ) {
    const netns = options.netns ?? this.net.container();
    const containerId = `pod${netns.replace(/^.*\//, "")}`;
    const ports = options.ports ? { portMappings: options.ports } : {};
    const capabilityArgs = { ...ports, ...options.capabilityArgs };
    const attachment = { containerId, netns, ifName: "eth0", capabilityArgs };
    const result = await this.cni.addNetworkList(list, attachment);
    this.attached.push([list, attachment]);
    return { netns, attachment, result, address: addressOf(result) };
  }

  async serve(netns: string, port: number): Promise<void> {
    this.#servers.push(await echoAddress(netns, port));
  }

  /** Calls the bridge plugin alone, as a caller that keeps no cache would. */
  async addByBridge(
    list: NetworkList,
    at: Attachment,
    version: CniVersion = "1.0.0",
  ): Promise<unknown> {
    const dir = this.implementation.pluginDir();
    const plugin = list.plugins[0];
    if (!plugin) throw new Error("the list is empty");
    const invoke = this.implementation.invoke ?? execInvoke(20_000);
    const config = { ...plugin, name: list.name, cniVersion: version };
    const request = { command: "ADD" as const, ...at, args: "", path: [dir], config };
    return invoke(await findPlugin("bridge", [dir]), request);
  }
}

export function addressOf(result: CniResult): string {
  return result.ips?.[0]?.address.split("/")[0] ?? "";
}
