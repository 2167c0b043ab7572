import { formatSubnet, type Subnet } from "@raft2kube/cni/lib/ip.ts";
import { ipv4Subnet } from "@raft2kube/cni/lib/subnet.ts";
import { messageOf } from "@raft2kube/std/errors.ts";
import { OverlayError } from "./errors.ts";

/** VXLAN (RFC 7348): frames between nodes in UDP, sent and taken by the kernel. */
export interface VxlanBackend {
  readonly type: "vxlan";
  readonly vni: number;
  readonly port: number;
  /** Nodes on a common subnet reach each other by routes alone, as with host-gw. */
  readonly directRouting: boolean;
  /** Whether checksums of packets to other nodes are left to the link. */
  readonly checksumOffload: boolean;
  /** MTU to use in place of the underlay's. */
  readonly mtu: number | undefined;
}

/** Routes by the nodes' own addresses, which have to be on a common subnet. */
export type HostGwBackend = { readonly type: "host-gw" };

/** Packets in UDP, sent and taken by this process: for kernels without VXLAN, and to see how. */
export type UdpBackend = { readonly type: "udp"; readonly port: number };

export type Backend = VxlanBackend | HostGwBackend | UdpBackend;

/** The overlay's configuration, the same on all nodes. */
export interface NetConf {
  /** The range of all pods. */
  readonly network: Subnet;
  readonly backend: Backend;
}

/** The kernel's port of VXLAN, which flannel uses too (IANA's is 4789). */
const VXLAN_PORT = 8472;
/** flannel's. */
const UDP_PORT = 8285;
const VNI_MAX = 2 ** 24 - 1;
/** The least MTU of IPv4 (RFC 791), and the largest of a link. */
const MTU = { least: 68, most: 65_535 } as const;

type Json = Record<string, unknown>;

/** Fields that flannel reads when it allocates subnets itself; here each Node has its own. */
const IGNORED = ["subnetlen", "subnetmin", "subnetmax", "enablenftables", "ipv6network"];

/**
 * Parses flannel's `net-conf.json`; the case of field names does not matter, as in flannel. Throws
 * OverlayError `bad-net-conf`, which names the field, also for one that is not known.
 */
export function parseNetConf(text: string, source: string): NetConf {
  const bad = (why: string) => new OverlayError("bad-net-conf", `${source}: ${why}`);
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch (thrown) {
    throw bad(messageOf(thrown));
  }
  const fields = fieldsOf(parsed, "the configuration", bad);
  const network = ipv4Subnet(fields.take("network"));
  if (!network) throw bad('Network is not an IPv4 range such as "10.244.0.0/16"');
  const wants4 = fields.take("enableipv4") ?? true;
  if (wants4 !== true || (fields.take("enableipv6") ?? false) !== false) {
    throw bad("EnableIPv4 false and EnableIPv6 true are not supported: the overlay is IPv4 alone");
  }
  for (const name of IGNORED) fields.take(name);
  const backend = backendOf(fields.take("backend") ?? { Type: "vxlan" }, bad);
  fields.end();
  return { network, backend };
}

type Bad = (why: string) => OverlayError;

/** The configuration's range as text. */
export const networkText = ({ network }: NetConf): string => formatSubnet(network);

function fieldsOf(value: unknown, what: string, bad: Bad) {
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw bad(`${what} is not a JSON object`);
  }
  const left = new Map(
    Object.entries(value as Json).map(([name, item]) => [name.toLowerCase(), { name, item }]),
  );
  return {
    take(name: string): unknown {
      const found = left.get(name);
      left.delete(name);
      return found?.item;
    },
    end(): void {
      const [unknown] = left.values();
      if (unknown)
        throw bad(`${what} has the field ${JSON.stringify(unknown.name)}, which is ` + "not known");
    },
  };
}

function backendOf(value: unknown, bad: Bad): Backend {
  const fields = fieldsOf(value, "Backend", bad);
  const type = fields.take("type");
  const number = (name: string, fallback: number, least: number, most: number) => {
    const item = fields.take(name.toLowerCase()) ?? fallback;
    if (typeof item === "number" && Number.isInteger(item) && item >= least && item <= most) {
      return item;
    }
    throw bad(`Backend.${name} ${JSON.stringify(item)} is not from ${least} to ${most}`);
  };
  const flag = (name: string, fallback: boolean) => {
    const item = fields.take(name.toLowerCase()) ?? fallback;
    if (typeof item === "boolean") return item;
    throw bad(`Backend.${name} ${JSON.stringify(item)} is not a boolean`);
  };
  const backend = ((): Backend => {
    switch (type) {
      case "vxlan":
        for (const name of ["GBP", "Learning"]) {
          if (flag(name, false)) throw bad(`Backend.${name} is not supported`);
        }
        return {
          type,
          vni: number("VNI", 1, 1, VNI_MAX),
          // 0 is the kernel's own port, in flannel's configurations.
          port: number("Port", VXLAN_PORT, 0, 65_535) || VXLAN_PORT,
          directRouting: flag("DirectRouting", false),
          checksumOffload: flag("ChecksumOffload", true),
          mtu: number("MTU", 0, 0, MTU.most) || undefined,
        };
      case "host-gw":
        return { type };
      case "udp":
        return { type, port: number("Port", UDP_PORT, 1, 65_535) };
      default:
        throw bad(`Backend.Type ${JSON.stringify(type)} is not vxlan, host-gw or udp`);
    }
  })();
  fields.end();
  if (backend.type === "vxlan" && backend.mtu !== undefined && backend.mtu < MTU.least) {
    throw bad(`Backend.MTU ${backend.mtu} is less than ${MTU.least}`);
  }
  return backend;
}
