import { hash as digestOf } from "node:crypto";
import type { ServicePort, Target } from "../../plan/model.ts";

/** Chains that all Services share; the names are upstream's. */
export const CHAINS = {
  services: "KUBE-SERVICES",
  externalServices: "KUBE-EXTERNAL-SERVICES",
  nodePorts: "KUBE-NODEPORTS",
  markMasq: "KUBE-MARK-MASQ",
  postrouting: "KUBE-POSTROUTING",
  forward: "KUBE-FORWARD",
  firewall: "KUBE-PROXY-FIREWALL",
} as const;

/** Chains of one Service port or endpoint. */
const OWN_CHAIN = /^KUBE-(SVC|SVL|EXT|FW|SEP)-[A-Z2-7]{16}$/;

/** Whether a chain belongs to one Service port or endpoint. */
export const isOwnChain = (name: string): boolean => OWN_CHAIN.test(name);

/** Returns `namespace/name:port-name` as upstream writes it: without a colon if it has no name. */
export function portName({ key }: Pick<ServicePort, "key">): string {
  return key.slice(0, key.lastIndexOf("/")).replace(/:$/, "");
}

/** Names of the chains of a Service port, equal to upstream's. */
export interface PortChains {
  /** All endpoints. */
  cluster: string;
  /** This node's endpoints. */
  local: string;
  external: string;
  firewall: string;
  endpoint(target: Target): string;
}

/** Returns the chains' names: a hash of the port's name and protocol, and of the endpoint. */
export function chainsOf(port: Pick<ServicePort, "key" | "transport">): PortChains {
  const text = `${portName(port)}${port.transport}`;
  const hash = hashOf(text);
  const endpoints = new Map<string, string>();
  return {
    cluster: `KUBE-SVC-${hash}`,
    local: `KUBE-SVL-${hash}`,
    external: `KUBE-EXT-${hash}`,
    firewall: `KUBE-FW-${hash}`,
    endpoint({ address, port: number }) {
      const target = `${address}:${number}`;
      const known = endpoints.get(target) ?? `KUBE-SEP-${hashOf(text + target)}`;
      endpoints.set(target, known);
      return known;
    },
  };
}

const ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

/** Returns the first 16 digits of the SHA-256 in base32 (RFC 4648). */
function hashOf(text: string): string {
  const bytes = digestOf("sha256", text, "buffer");
  let digits = "";
  for (let bit = 0; digits.length < 16; bit += 5) {
    const pair = bytes.readUInt16BE(bit >> 3);
    digits += ALPHABET[(pair >> (11 - (bit & 7))) & 31];
  }
  return digits;
}
