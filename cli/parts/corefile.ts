import { parseDuration } from "@raft2kube/api/duration.ts";
import { CommandError } from "../terminal.ts";

/** The settings in a Corefile of the cluster's DNS. */
export interface Corefile {
  readonly port: number;
  readonly clusterDomain: string;
  readonly ttl_s?: number;
  /** Where `/health` and `/ready` are served; absent without the plugin. */
  readonly healthPort?: number;
  /** How long it goes on to answer when it is to end: rules of other nodes lead here meanwhile. */
  readonly lameduck_ms?: number;
  readonly readyPort?: number;
  readonly metricsPort?: number;
  /** Addresses of resolvers, or the path of a resolv.conf. */
  readonly forward: readonly string[];
}

const PORT_MAX = 65_535;
/** The longest that an end is delayed, twice the time that pods have for it by default. */
const LAMEDUCK_MS_MAX = 60_000;
/** The longest TTL that coredns' plugin kubernetes takes. */
const TTL_S_MAX = 3_600;

interface Plugin {
  readonly name: string;
  readonly args: readonly string[];
  readonly options: readonly (readonly string[])[];
}

const PLUGINS = [
  "errors",
  "health",
  "ready",
  "kubernetes",
  "prometheus",
  "forward",
  "cache",
  "loop",
  "reload",
  "loadbalance",
];
/** Options of plugins that are heeded, or whose effect the server always has. */
const OPTIONS: Readonly<Record<string, readonly string[]>> = {
  health: ["lameduck"],
  kubernetes: ["pods", "fallthrough", "ttl", "endpoint_pod_names"],
  forward: ["max_concurrent", "prefer_udp"],
  cache: ["disable", "success", "denial"],
};

function wrong(text: string): CommandError {
  return new CommandError("COREFILE", `Corefile: ${text}`, {
    remedy: `one block .:PORT with ${PLUGINS.join(", ")}`,
  });
}

/** Parses a Corefile. Throws CommandError `COREFILE` for what is not supported, by its name. */
export function parseCorefile(text: string): Corefile {
  const lines = text
    .split("\n")
    .map((line) => line.replace(/#.*/, "").trim())
    .filter(Boolean);
  const [head = "", ...body] = lines;
  const [zone, port] = /^\.(?::(\d+))? *\{$/.exec(head) ?? [];
  if (zone === undefined) throw wrong(`the block "${head}"`);
  const plugins = pluginsOf(body);
  for (const { name, options } of plugins) {
    if (!PLUGINS.includes(name)) throw wrong(`the plugin ${name} is not supported`);
    for (const [option = ""] of options) {
      if (OPTIONS[name]?.includes(option)) continue;
      throw wrong(`${name}: the option ${option} is not supported`);
    }
  }
  const find = (name: string) => plugins.find((plugin) => plugin.name === name);
  const option = (name: string, of: string) => find(name)?.options.find(([key]) => key === of)?.[1];
  const kubernetes = find("kubernetes");
  if (kubernetes?.args[0] === undefined) throw wrong("the plugin kubernetes names no domain");
  const pods = option("kubernetes", "pods");
  if (pods !== undefined && pods !== "insecure") throw wrong(`kubernetes: pods ${pods}`);
  const [from = ".", ...forward] = find("forward")?.args ?? [];
  if (from !== ".") throw wrong(`forward ${from}: only everything (.)`);
  const ttl = option("kubernetes", "ttl");
  const lameduck = option("health", "lameduck");
  return {
    port: port === undefined ? 53 : numberOf("the block's port", port, 1, PORT_MAX),
    clusterDomain: kubernetes.args[0],
    forward,
    ...(ttl === undefined ? {} : { ttl_s: numberOf("ttl", ttl, 0, TTL_S_MAX) }),
    ...portOf("healthPort", find("health"), 8080),
    ...(lameduck === undefined ? {} : { lameduck_ms: lameduckOf(lameduck) }),
    ...portOf("readyPort", find("ready"), 8181),
    ...portOf("metricsPort", find("prometheus"), 9153),
  };
}

function portOf(name: string, plugin: Plugin | undefined, otherwise: number) {
  if (plugin === undefined) return {};
  const [address] = plugin.args;
  if (address === undefined) return { [name]: otherwise };
  const port = /^:(\d+)$/.exec(address)?.[1];
  if (port === undefined) throw wrong(`${plugin.name} ${address}: only :PORT, on all addresses`);
  return { [name]: numberOf(`the port of ${plugin.name}`, port, 1, PORT_MAX) };
}

function lameduckOf(text: string): number {
  const duration_ns = parseDuration(text);
  const value = duration_ns === undefined ? NaN : Number(duration_ns / 1_000_000n);
  if (value >= 0 && value <= LAMEDUCK_MS_MAX) return value;
  throw wrong(`lameduck ${text} is no duration up to ${LAMEDUCK_MS_MAX / 1_000}s`);
}

function numberOf(what: string, text: string, min: number, max: number): number {
  const value = /^\d+$/.test(text) ? Number(text) : NaN;
  if (value >= min && value <= max) return value;
  throw wrong(`${what} ${text} is no number from ${min} to ${max}`);
}

/** The plugins within a block; a nested block has a plugin's options. */
function pluginsOf(body: readonly string[]): Plugin[] {
  const plugins: { name: string; args: string[]; options: string[][] }[] = [];
  let depth = 1;
  for (const line of body) {
    if (depth === 0) throw wrong("more than one block");
    const words = line.split(/\s+/);
    if (line === "}") {
      depth--;
      continue;
    }
    const opens = words.at(-1) === "{";
    if (opens) words.pop();
    const [name = "", ...args] = words;
    if (depth === 1) plugins.push({ name, args, options: [] });
    else plugins.at(-1)!.options.push(words);
    if (opens) depth++;
    if (depth > 2) throw wrong(`the block of ${name}`);
  }
  if (depth !== 0) throw wrong("a } is missing");
  return plugins;
}
