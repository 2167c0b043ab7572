import { readFileSync } from "node:fs";
import { hostname, networkInterfaces } from "node:os";
import { readIfPresent } from "@raft2kube/linux/file/read-if-present.ts";
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

/** The text of `kubeadm-flags.env`. Throws CommandError `FLAG` for what would end a word in it. */
export function nodeFlagsText(flags: ReadonlyMap<string, string>): string {
  const words = [...flags].map(([name, value]) => `--${name}=${value}`);
  const wrong = words.find((word) => /["\s]/.test(word));
  if (wrong !== undefined) {
    throw new CommandError("FLAG", `a kubelet's flag has a quote or a space: ${wrong}`, {
      remedy: "take it out of nodeRegistration",
    });
  }
  return `${VARIABLE}="${words.join(" ")}"\n`;
}

/** Reads the flags of this machine's kubelet; none where there is no file. */
export async function readNodeFlags(): Promise<NodeFlags> {
  return parseNodeFlags((await readIfPresent(KUBELET_FLAGS)) ?? "");
}

/** Throws CommandError `FLAG` for a flag that is not supported. */
export function parseNodeFlags(text: string): NodeFlags {
  const found = new RegExp(`^${VARIABLE}=(?:"([^"\\n]*)"|([^"\\s]*))$`, "m").exec(text);
  if (found === null && text.trim() !== "") {
    throw new CommandError("FLAG", `${KUBELET_FLAGS} is not one line ${VARIABLE}="..."`, {
      remedy: "r2k init phase kubelet-start writes it again",
    });
  }
  const words = found?.[1] ?? found?.[2] ?? "";
  const flags = new Map(
    words
      .split(/\s+/)
      .filter(Boolean)
      .map((word) => {
        const [, name = word, value = ""] = /^--([a-z-]+)=(.*)$/.exec(word) ?? [];
        if (NODE_FLAGS.includes(name)) return [name, value] as const;
        throw new CommandError("FLAG", `${KUBELET_FLAGS}: the flag ${word} is not supported`);
      }),
  );
  const endpoint = flags.get("container-runtime-endpoint");
  if (endpoint !== undefined) requireOwnRuntime(endpoint);
  return {
    ...given({ hostnameOverride: flags.get("hostname-override"), nodeIp: flags.get("node-ip") }),
    nodeLabels: labelsOf(list(flags.get("node-labels"))),
    registerWithTaints: list(flags.get("register-with-taints")),
  };
}

/** The words of a flag's value. */
export const list = (text = ""): string[] => text.split(",").filter(Boolean);

/** The labels of words `NAME=VALUE`. */
export function labelsOf(pairs: readonly string[]): Record<string, string> {
  return Object.fromEntries(
    pairs.map((pair) => {
      const [name = "", value = ""] = pair.split("=", 2);
      return [name, value];
    }),
  );
}

/** Throws CommandError `CRI` for the socket of another runtime: the node agent has its own. */
export function requireOwnRuntime(endpoint: string): void {
  const own = `unix://${NODE_AGENT.criSocket}`;
  if (endpoint === own) return;
  const text = `criSocket ${endpoint}: a machine's runtime is the product's own`;
  throw new CommandError("CRI", text, { remedy: `leave it out, or give ${own}` });
}

/** The machine's name in the cluster. */
export const nodeNameOf = (wanted = hostname()): string => wanted.toLowerCase();

/** The address of this machine on the link of its default route, or on its first link. */
export function ownAddress(wanted?: string): string {
  const all = networkInterfaces();
  if (wanted !== undefined) {
    const isOwn = Object.values(all).some((link) => link?.some((one) => one.address === wanted));
    if (isOwn) return wanted;
    throw new CommandError("ADDRESS", `no interface of this machine has the address ${wanted}`);
  }
  const route = readFileSync("/proc/net/route", "utf8")
    .split("\n")
    .map((line) => line.split("\t"))
    .find(([, to, , , , , , mask]) => to === "00000000" && mask === "00000000");
  const links = route ? [route[0]!] : Object.keys(all);
  const found = links
    .flatMap((link) => all[link] ?? [])
    .find(({ family, internal }) => family === "IPv4" && !internal);
  if (found) return found.address;
  throw new CommandError("ADDRESS", "this machine has no IPv4 address but loopback", {
    remedy: "give one: --apiserver-advertise-address, or --node-ip of r2k kubelet",
  });
}
