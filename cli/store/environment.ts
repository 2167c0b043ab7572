import { FLAGS } from "./flag-table.ts";

const PREFIX = "ETCD_";
/** Variables that the images of etcd set, and that are no flags. */
const NOT_FLAGS: ReadonlySet<string> = new Set(["ETCD_CONFIG_FILE", "ETCD_UNSUPPORTED_ARCH"]);

/** `ETCD_LISTEN_CLIENT_URLS` sets `--listen-client-urls`. */
export function variableOf(flag: string): string {
  return PREFIX + flag.toUpperCase().replaceAll("-", "_");
}

/** Flags from the environment, below those of the command line, which win. */
export function withEnvironment(
  given: ReadonlyMap<string, string>,
  environment: Readonly<Record<string, string | undefined>>,
  warn: (line: string) => void,
): Map<string, string> {
  const all = new Map<string, string>();
  const byVariable = new Map([...FLAGS.keys()].map((name) => [variableOf(name), name]));
  for (const [variable, value] of Object.entries(environment)) {
    if (!variable.startsWith(PREFIX) || NOT_FLAGS.has(variable)) continue;
    const name = byVariable.get(variable);
    if (name === undefined) warn(`unrecognized environment variable ${variable}`);
    else if (given.has(name)) warn(`${variable} is not used: --${name} is given`);
    else if (value !== undefined && value !== "") all.set(name, value);
  }
  for (const [name, value] of given) all.set(name, value);
  return all;
}
