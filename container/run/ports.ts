import type { ImageDefaults } from "@raft2kube/runtime/image/config.ts";
import type { PublishedPort } from "../engine/hand.ts";
import { badFlag } from "./values.ts";

const PORT_MAX = 65_535;
const PORTS_AT_ONCE = 1_000;

type Range = { first: number; size: number };

function rangeOf(flag: string, text: string): Range {
  const [, low, high = low] = /^(\d{1,5})(?:-(\d{1,5}))?$/.exec(text) ?? [];
  const [first, last] = [Number(low), Number(high)];
  const fits = first >= 1 && last <= PORT_MAX && last >= first && last - first < PORTS_AT_ONCE;
  if (fits) return { first, size: last - first + 1 };
  throw badFlag("-p", flag, `${JSON.stringify(text)} is no port`);
}

/** Splits `[ip:]host:container`; an IPv6 address is in brackets. */
function partsOf(text: string): string[] {
  const [, address, rest] = /^\[([0-9a-fA-F:]+)\]:(.*)$/.exec(text) ?? [];
  return rest === undefined ? text.split(":") : [address!, ...rest.split(":")];
}

/**
 * The ports of `-p [[ip:]hostport:]port[/protocol]`, each number or range. A host's port that is
 * not given is 0, to be chosen.
 */
export function portsOf(flag: string): PublishedPort[] {
  const [text = "", protocol = "tcp"] = flag.split("/");
  if (protocol !== "tcp" && protocol !== "udp" && protocol !== "sctp") {
    throw badFlag("-p", flag, `${JSON.stringify(protocol)} is no protocol`);
  }
  const parts = partsOf(text);
  if (parts.length > 3) throw badFlag("-p", flag, "not [[ip:]hostport:]port[/protocol]");
  const container = rangeOf(flag, parts.at(-1)!);
  const wanted = parts.at(-2) ?? "";
  const host = wanted === "" ? undefined : rangeOf(flag, wanted);
  if (host && host.size !== container.size) throw badFlag("-p", flag, "ranges of different sizes");
  return Array.from({ length: container.size }, (_, index) => ({
    hostIp: parts.length === 3 ? parts[0]! : "",
    hostPort: host ? host.first + index : 0,
    containerPort: container.first + index,
    protocol,
  }));
}

/** The ports that an image exposes, for `-P`; it chooses neither address nor port of the host. */
export function exposedPorts({ ExposedPorts = {} }: ImageDefaults): PublishedPort[] {
  const ports = Object.keys(ExposedPorts);
  const wrong = ports.find((port) => !/^\d+(-\d+)?(\/[a-z]+)?$/.test(port));
  if (wrong !== undefined) throw badFlag("-P", wrong, "the image exposes what is no port");
  return ports.flatMap(portsOf);
}
