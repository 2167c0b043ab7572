import { randomInt } from "node:crypto";
import { RuntimeError } from "@raft2kube/runtime/errors.ts";
import type { ImageDefaults } from "@raft2kube/runtime/image/config.ts";
import type { PublishedPort } from "../engine/hand.ts";
import { bad, badFlag } from "./values.ts";

const PORT_MAX = 65_535;
const PORTS_AT_ONCE = 1_000;
/** Ports that are chosen where none is given. */
const [FREE_PORT_MIN, FREE_PORT_MAX] = [32_768, 60_999];

type Range = { first: number; size: number };

function rangeOf(text: string): Range {
  const [, low, high = low] = /^(\d{1,5})(?:-(\d{1,5}))?$/.exec(text) ?? [];
  const [first, last] = [Number(low), Number(high)];
  const fits = first >= 1 && last <= PORT_MAX && last >= first && last - first < PORTS_AT_ONCE;
  if (fits) return { first, size: last - first + 1 };
  throw bad(`${JSON.stringify(text)} is no port`);
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
export function portsOf(text: string): PublishedPort[] {
  const [places = "", protocol = "tcp"] = text.split("/");
  if (protocol !== "tcp" && protocol !== "udp" && protocol !== "sctp") {
    throw bad(`${JSON.stringify(protocol)} is no protocol`);
  }
  const parts = partsOf(places);
  if (parts.length > 3) throw bad("not [[ip:]hostport:]port[/protocol]");
  const container = rangeOf(parts.at(-1)!);
  const wanted = parts.at(-2) ?? "";
  const host = wanted === "" ? undefined : rangeOf(wanted);
  if (host && host.size !== container.size) throw bad("ranges of different sizes");
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
  const all = ports.flatMap(portsOf);
  if (all.length <= PORTS_AT_ONCE) return all;
  throw badFlag("-P", `${all.length} ports`, `an image has ${PORTS_AT_ONCE} at most`);
}

/** Gives each port without a number of the host one that no container made by hand has. */
export function chosenPorts(
  ports: readonly PublishedPort[],
  ofOthers: readonly Pick<PublishedPort, "hostPort">[],
): PublishedPort[] {
  if (ports.every(({ hostPort }) => hostPort !== 0)) return [...ports];
  const taken = new Set([...ofOthers, ...ports].map(({ hostPort }) => hostPort));
  const count = FREE_PORT_MAX - FREE_PORT_MIN + 1;
  const all = Array.from({ length: count }, (_, at) => FREE_PORT_MIN + at);
  const free = all.filter((port) => !taken.has(port));
  return ports.map((port) => {
    if (port.hostPort !== 0) return port;
    const [hostPort] = free.splice(randomInt(Math.max(free.length, 1)), 1);
    if (hostPort !== undefined) return { ...port, hostPort };
    throw new RuntimeError("resource-exhausted", "containers have all ports that are chosen");
  });
}
