import { readFileSync } from "node:fs";
import { hostname, networkInterfaces } from "node:os";
import type { Arg } from "@raft2kube/api/gen/kubeadm/v1beta4.ts";
import { readIfPresent } from "@raft2kube/linux/file/read-if-present.ts";
import { parseDefaultInterface } from "@raft2kube/linux/proc/interface-counters.ts";
import { given } from "@raft2kube/std/given.ts";
import { CommandError } from "../../terminal.ts";
import { KUBELET_FLAGS, NODE_AGENT } from "../layout.ts";

/** The kubelet's flags that differ from machine to machine, as kubeadm writes them. */
export interface NodeFlags {
  readonly hostnameOverride?: string;
  readonly nodeIp?: string;
  readonly nodeLabels: Record<string, string>;
  readonly registerWithTaints: readonly string[];
}

const VARIABLE = "KUBELET_KUBEADM_ARGS";
/** `kubeletExtraArgs` that are supported. */
export const NODE_FLAGS = [
  "hostname-override",
  "node-ip",
  "node-labels",
  "register-with-taints",
  "container-runtime-endpoint",
];

/**
 * The text of `kubeadm-flags.env`; of two flags of a name the last one counts. Throws CommandError
 * `FLAG` for what would end a word in it, or is not supported.
 */
export function nodeFlagsText(args: readonly Arg[]): string {
  const flags = new Map(args.map(({ name, value }) => [name, `--${name}=${value}`]));
  const wrong = [...flags.values()].find((word) => /["\s]/.test(word));
  if (wrong !== undefined) {
    const text = `a kubelet's flag has a quote or a space: ${wrong}`;
    throw new CommandError("FLAG", text, { remedy: "take it out of nodeRegistration" });
  }
  const text = `${VARIABLE}="${[...flags.values()].join(" ")}"\n`;
  parseNodeFlags(text);
  return text;
}

/** Reads the flags of this machine's kubelet; none where there is no file. */
export async function readNodeFlags(): Promise<NodeFlags> {
  return parseNodeFlags((await readIfPresent(KUBELET_FLAGS)) ?? "");
}

/** Throws CommandError `FLAG` for a flag that is not supported. */
export function parseNodeFlags(text: string): NodeFlags {
  const words = new RegExp(`^${VARIABLE}=(?:"([^"\\n]*)"|([^"\\s]*))$`, "m").exec(text);
  if (words === null && text.trim() !== "") {
    throw new CommandError("FLAG", `${KUBELET_FLAGS} is not one line ${VARIABLE}="..."`, {
      remedy: "r2k init phase kubelet-start writes it again",
    });
  }
  const flags = new Map<string, string>();
  for (const word of (words?.[1] ?? words?.[2] ?? "").split(/\s+/).filter(Boolean)) {
    const [, name = "", value = ""] = /^--([a-z-]+)=(.*)$/.exec(word) ?? [];
    if (NODE_FLAGS.includes(name)) flags.set(name, value);
    else throw new CommandError("FLAG", `${KUBELET_FLAGS}: the flag ${word} is not supported`);
  }
  const endpoint = flags.get("container-runtime-endpoint");
  if (endpoint !== undefined) requireOwnRuntime(endpoint);
  return {
    ...given({ hostnameOverride: flags.get("hostname-override"), nodeIp: flags.get("node-ip") }),
    nodeLabels: labelsOf(list(flags.get("node-labels"))),
    registerWithTaints: list(flags.get("register-with-taints")),
  };
}

export const list = (text = ""): string[] => text.split(",").filter(Boolean);

/** Labels by their pairs NAME=VALUE; a name alone has an empty value. */
export const labelsOf = (pairs: readonly string[]): Record<string, string> =>
  Object.fromEntries(pairs.map((pair) => [...pair.split("=", 2), ""]));

/** Throws CommandError `CRI` for the socket of another runtime: the node agent has its own. */
export function requireOwnRuntime(endpoint: string): void {
  const own = NODE_AGENT.criEndpoint;
  if (endpoint === own) return;
  const text = `criSocket ${endpoint}: a machine's runtime is the product's own`;
  throw new CommandError("CRI", text, { remedy: `leave it out, or give ${own}` });
}

export const nodeNameOf = (wanted = hostname()): string => wanted.toLowerCase();

/** The address of this machine on the link of its default route, or on its first link. */
export function ownAddress(wanted?: string): string {
  const all = networkInterfaces();
  if (wanted !== undefined) {
    if (Object.values(all).some((link) => link?.some((one) => one.address === wanted)))
      return wanted;
    throw new CommandError("ADDRESS", `no interface of this machine has the address ${wanted}`);
  }
  const first = parseDefaultInterface(readFileSync("/proc/net/route", "utf8"));
  const addresses = (first ? [first] : Object.keys(all)).flatMap((link) => all[link] ?? []);
  const found = addresses.find(({ family, internal }) => family === "IPv4" && !internal);
  if (found) return found.address;
  const remedy = "give one: --apiserver-advertise-address, or --node-ip of r2k kubelet";
  throw new CommandError("ADDRESS", "this machine has no IPv4 address but loopback", { remedy });
}
