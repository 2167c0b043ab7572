import { isIPv4 } from "node:net";
import { CniError } from "./errors.ts";
import { parseSubnet } from "./ip.ts";

/** The file with this node's range that an overlay writes for plugins, as flanneld. */
export interface SubnetEnv {
  /** The ranges of all pods. */
  readonly networks: readonly string[];
  /** The ranges of this node's pods, with the address of their gateway: `10.244.1.1/24`. */
  readonly subnets: readonly string[];
  readonly mtu: number;
  /** Whether the overlay masquerades what pods send to other networks. */
  readonly ipMasq: boolean;
}

/** The path at which flanneld writes it and the reference plugin reads it. */
export const FLANNEL_SUBNET_FILE = "/run/flannel/subnet.env";

/** Writes the file's content. */
export function formatSubnetEnv({ networks, subnets, mtu, ipMasq }: SubnetEnv): string {
  const line = (name: string, ranges: readonly string[]) => {
    const [v4, v6] = [ranges.filter(is4), ranges.filter((range) => !is4(range))];
    return [
      ...(v4.length > 0 ? [`FLANNEL_${name}=${v4.join(",")}\n`] : []),
      ...(v6.length > 0 ? [`FLANNEL_IPV6_${name}=${v6.join(",")}\n`] : []),
    ].join("");
  };
  const rest = `FLANNEL_MTU=${mtu}\nFLANNEL_IPMASQ=${ipMasq}\n`;
  return `${line("NETWORK", networks)}${line("SUBNET", subnets)}${rest}`;
}

const is4 = (range: string) => isIPv4(range.split("/")[0] ?? "");

/** Parses the file; CniError `not-available` names what is missing or wrong in `source`. */
export function parseSubnetEnv(text: string, source: string): SubnetEnv {
  const lines = text.split("\n").map((line) => line.trim().split("=", 2));
  const values = new Map(lines.map(([name = "", value = ""]) => [name, value]));
  const bad = (why: string) =>
    new CniError("not-available", `${source} ${why}`, {
      remedy: "the overlay writes it when it has started: r2k overlay, or flanneld",
    });
  const ranges = (name: string) =>
    [`FLANNEL_${name}`, `FLANNEL_IPV6_${name}`].flatMap((key) =>
      (values.get(key) ?? "")
        .split(",")
        .filter((range) => range !== "")
        .map((range) => {
          try {
            parseSubnet(range, key);
            return range;
          } catch (thrown) {
            if (thrown instanceof CniError) throw bad(`is damaged: ${thrown.message}`);
            throw thrown;
          }
        }),
    );
  const [networks, subnets] = [ranges("NETWORK"), ranges("SUBNET")];
  const mtu = Number(values.get("FLANNEL_MTU"));
  if (networks.length === 0) throw bad("is missing FLANNEL_NETWORK");
  if (subnets.length === 0) throw bad("is missing FLANNEL_SUBNET");
  if (!Number.isInteger(mtu) || mtu < 68 || mtu > 65_535) throw bad("is missing FLANNEL_MTU");
  const ipMasq = values.get("FLANNEL_IPMASQ");
  if (ipMasq === undefined) throw bad("is missing FLANNEL_IPMASQ");
  return { networks, subnets, mtu, ipMasq: ipMasq === "true" };
}
