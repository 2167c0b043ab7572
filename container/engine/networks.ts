import { createHash } from "node:crypto";
import { mkdir, readdir, rm } from "node:fs/promises";
import path from "node:path";
import { parseConflist } from "@raft2kube/cni/lib/conflist.ts";
import { SPOOF_TABLE } from "@raft2kube/cni/plugins/bridge/spoof-check.ts";
import { TABLE as PORTS_TABLE } from "@raft2kube/cni/plugins/portmap/plan.ts";
import { waitForLock } from "@raft2kube/linux/file/flock.ts";
import { namesIn } from "@raft2kube/linux/file/names-in.ts";
import {
  applyRuleset,
  deleteTable,
  deleteUnused,
  masquerades,
  nftTableComment,
  nftTableExists,
} from "@raft2kube/linux/netfilter/nft.ts";
import { listAddresses } from "@raft2kube/linux/netlink/address.ts";
import { deleteLink, findLink, openRoute } from "@raft2kube/linux/netlink/link.ts";
import { RuntimeError } from "@raft2kube/runtime/errors.ts";
import { PodNetwork } from "@raft2kube/runtime/sandbox/network.ts";
import type { SandboxRecord } from "@raft2kube/runtime/sandbox/record.ts";
import { readState, type StateKind, writeState } from "@raft2kube/runtime/state-file.ts";
import { ipOf, overlaps } from "@raft2kube/std/ip.ts";
import { ENGINE_LOCK_TIMEOUT_MS, NETWORKS } from "../limits.ts";
import type { Host } from "./host.ts";
import { requireName } from "./names.ts";

const NETWORK_STATE: StateKind = { schema: "r2k-network", version: 1 };
/** The default networks of two clusters are parts of one range; people's own are 10.188.N.0/24. */
const DEFAULT_SUBNETS = { range: "10.187", size: 4, prefix: 22 };
/** The beginning of the names of all clusters' bridges of containers. */
const BRIDGE_PREFIX = "r2kh-";
const SUBNET = /^(\d{1,3}(?:\.\d{1,3}){2})\.0\/(1[6-9]|2[0-8])$/;

/** A bridge of containers made by hand, on the host. */
export interface Network {
  name: string;
  bridge: string;
  subnet: string;
  gateway: string;
  /** Whether nothing leads out of the bridge. */
  isInternal: boolean;
  isDefault: boolean;
  createdAt_ms: number;
  labels: Record<string, string>;
}

/** The networks: the default one, and those that people made. */
export class Networks {
  readonly #host: Host;
  readonly #directory: string;
  #own: Network[] = [];

  constructor(host: Host) {
    this.#host = host;
    this.#directory = path.join(host.root, "networks");
  }

  async load(): Promise<void> {
    await mkdir(this.#directory, { recursive: true, mode: 0o700 });
    const names = (await readdir(this.#directory)).filter((name) => /^[^.].*\.json$/.test(name));
    const files = names.sort().map((name) => path.join(this.#directory, name));
    const all = files.map((file) => readState<Network>(file, NETWORK_STATE));
    this.#own = all.filter((network) => network !== undefined);
  }

  all(): Network[] {
    return [this.#default(), ...this.#own];
  }

  find(name: string): Network | undefined {
    return this.all().find((network) => network.name === name);
  }

  /** Throws not-found. */
  get(name: string): Network {
    const found = this.find(name);
    if (found) return found;
    throw new RuntimeError("not-found", `no such network: ${name}`, {
      remedy: `r2k container network create ${name}`,
    });
  }

  /**
   * Keeps the networks of this host apart, and masquerades what leaves them, before a container
   * comes to one. A table whose comment says that it has these rules stays: no program is run. They
   * are read again, as a build goes on while others make some.
   */
  async separate(): Promise<void> {
    const lock = path.join(this.#directory, ".lock");
    using _ = await waitForLock(lock, { mode: "exclusive", timeout_ms: ENGINE_LOCK_TIMEOUT_MS });
    await this.load();
    const name = bridgeOf(this.#host, "");
    const table = `inet ${name}`;
    const lines = [
      ...["forward", "input"].map((hook) => {
        return `add chain ${table} ${hook} { type filter hook ${hook} priority -10; }`;
      }),
      `add chain ${table} postrouting { type nat hook postrouting priority srcnat; }`,
      ...[...separation(this.all()), ...masquerading(this.all())].map((rule) => {
        return `add rule ${table} ${rule}`;
      }),
      "",
    ];
    const comment = createHash("sha256").update(lines.join("\n")).digest("hex");
    if (nftTableComment("inet", name) === comment) return;
    const head = [
      `add table ${table}`,
      `delete table ${table}`,
      `add table ${table} { comment "${comment}"; }`,
    ];
    await applyRuleset([...head, ...lines].join("\n"));
  }

  async create(
    name: string,
    wish: Pick<Network, "isInternal" | "labels"> & {
      subnet: string | undefined;
      gateway: string | undefined;
    },
  ): Promise<Network> {
    requireName("network", name);
    if (["none", "host", "default"].includes(name) || this.find(name)) {
      throw new RuntimeError("already-exists", `there is a network ${name}`);
    }
    const subnet = wish.subnet ?? this.#freeSubnet();
    const prefix = SUBNET.exec(subnet)?.[1];
    if (prefix === undefined || !ipOf(`${prefix}.0`)) {
      const why = `${subnet} is no range of IPv4 such as 10.5.1.0/24`;
      throw new RuntimeError("invalid-argument", why);
    }
    const taken = this.#overlapping(subnet);
    if (taken) {
      throw new RuntimeError("already-exists", `network ${taken.name} has ${taken.subnet}`);
    }
    const network: Network = {
      name,
      bridge: bridgeOf(this.#host, name),
      subnet,
      gateway: wish.gateway ?? `${prefix}.1`,
      isInternal: wish.isInternal,
      isDefault: false,
      createdAt_ms: this.#host.clock.now(),
      labels: wish.labels,
    };
    await writeState(path.join(this.#directory, `${name}.json`), NETWORK_STATE, network);
    this.#own.push(network);
    return network;
  }

  /** Removes a network that no container has, and its bridge. */
  async remove(name: string): Promise<void> {
    const { isDefault, bridge } = this.get(name);
    if (isDefault) throw new RuntimeError("invalid-argument", `network ${name} is always there`);
    using route = openRoute();
    const link = findLink(route, bridge);
    if (link) deleteLink(route, bridge);
    // Last: a removal that was cut short is repeated, and finds the network by its file.
    await rm(path.join(this.#directory, `${name}.json`), { force: true });
    this.#own = this.#own.filter((network) => network.name !== name);
  }

  #default(): Network {
    const { range, size, prefix } = DEFAULT_SUBNETS;
    const base = `${range}.${(digestOf(this.#host, "")[0]! * size) % 256}`;
    return {
      name: "bridge",
      bridge: bridgeOf(this.#host, ""),
      subnet: `${base}.0/${prefix}`,
      gateway: `${base}.1`,
      isInternal: false,
      isDefault: true,
      createdAt_ms: 0,
      labels: {},
    };
  }

  #overlapping(subnet: string): Network | undefined {
    return this.all().find((network) => overlaps(network.subnet, subnet));
  }

  /** A range that neither a network nor a link of this machine has, as another cluster's bridge. */
  #freeSubnet(): string {
    using route = openRoute();
    const taken = listAddresses(route).map(({ cidr }) => cidr.replace(/\d+\/\d+$/, "0/24"));
    for (let index = 0; index < NETWORKS; index++) {
      const subnet = `10.188.${index}.0/24`;
      if (!taken.includes(subnet) && !this.#overlapping(subnet)) return subnet;
    }
    throw new RuntimeError("resource-exhausted", `there are ${NETWORKS} networks`, {
      remedy: "remove some: r2k container network prune",
    });
  }
}

/** CNI with the networks that sandboxes name; a name that no network has is no network. */
export function podNetwork(
  host: Host,
  networks: Networks,
  nameOf: (record: SandboxRecord) => string,
): PodNetwork {
  return new PodNetwork({
    confDir: path.join(host.state, "no-networks"),
    binDirs: [host.cniBinDir],
    cacheDir: path.join(host.state, "cni"),
    invoke: host.cniInvoke,
    networkOf: (record) => {
      const network = networks.find(nameOf(record));
      return network && parseConflist(JSON.stringify(conflist(network, host)), network.name);
    },
  });
}

/**
 * Removes bridges and rules of networks whose containers are all gone; a container that comes to
 * one makes them again. Tables of CNI plugins go if no attachment of others is in them.
 */
export async function removeHostNetworks(host: Pick<Host, "root">): Promise<void> {
  const rules = bridgeOf(host, "");
  if (nftTableExists("inet", rules)) await deleteTable("inet", rules);
  const files = await namesIn(path.join(host.root, "networks"));
  using route = openRoute();
  for (const name of ["", ...files.map((file) => path.parse(file).name)]) {
    const bridge = bridgeOf(host, name);
    if (findLink(route, bridge)) deleteLink(route, bridge);
  }
  await deleteUnused("netdev", SPOOF_TABLE, (found) => found.some(({ chain }) => chain));
  await deleteUnused("inet", PORTS_TABLE, (found) => {
    return found.some(({ map, set }) => (map ?? set)?.["elem"]);
  });
}

/** A link's name has 15 bytes at most; two clusters' networks of one name differ. */
function bridgeOf(host: Pick<Host, "root">, name: string): string {
  return `${BRIDGE_PREFIX}${digestOf(host, name).toString("hex", 0, 5)}`;
}

function digestOf({ root }: Pick<Host, "root">, name: string): Buffer {
  return createHash("sha256").update(`${root} ${name}`).digest();
}

/**
 * The rules of nftables, each after its chain: from one bridge nothing leads to another, of another
 * cluster too, but published ports, and nothing into or out of an internal one, the host's own
 * addresses included.
 */
export function separation(networks: readonly Network[]): string[] {
  const bridges = networks.map(({ bridge }) => bridge);
  const internal = networks
    .filter(({ isInternal }) => isInternal)
    .flatMap(({ bridge }) => [
      `forward iifname "${bridge}" oifname != "${bridge}" drop`,
      `forward oifname "${bridge}" iifname != "${bridge}" drop`,
      `input iifname "${bridge}" drop`,
    ]);
  const apart = bridges.map((bridge) => {
    return `forward iifname "${bridge}" oifname "${BRIDGE_PREFIX}*" oifname != "${bridge}" drop`;
  });
  return [...internal, "forward ct status dnat accept", ...apart];
}

/** The rules that give the host's address to what leaves a network, but for internal ones. */
function masquerading(networks: readonly Network[]): string[] {
  return networks
    .filter(({ isInternal }) => !isInternal)
    .flatMap(({ bridge, subnet }) => {
      const leaves = `ip daddr != { ${subnet}, 224.0.0.0/4 } oifname != "${bridge}"`;
      return masquerades().map((statement) => {
        return `postrouting ip saddr ${subnet} ${leaves} ${statement}`;
      });
    });
}

function conflist(network: Network, host: Host): object {
  const { name, bridge, subnet, gateway, isInternal } = network;
  const ranges = [[{ subnet, gateway }]];
  const routes = isInternal ? [] : [{ dst: "0.0.0.0/0" }];
  return {
    cniVersion: "1.0.0",
    name: `hand-${name}`,
    plugins: [
      {
        type: "bridge",
        bridge,
        isGateway: !isInternal,
        hairpinMode: true,
        ipspoofchk: true,
        ipam: { type: "host-local", dataDir: path.join(host.state, "ipam"), ranges, routes },
      },
      { type: "portmap", capabilities: { portMappings: true }, snat: true },
    ],
  };
}
