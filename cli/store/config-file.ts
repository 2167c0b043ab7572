import { readFileSync } from "node:fs";
import { messageOf } from "@raft2kube/std/errors.ts";
import { parse } from "yaml";
import { FlagError } from "./flag-error.ts";
import { FLAGS } from "./flag-table.ts";

/** The two sections of etcd's file, and what their keys are as flags. */
const SECTIONS: Readonly<Record<string, string>> = {
  "client-transport-security": "",
  "peer-transport-security": "peer-",
};

/** Keys that are spelled otherwise in a section than as flags. */
const IN_SECTION: Readonly<Record<string, string>> = {
  "allowed-hostname": "cert-allowed-hostname",
  "allowed-cn": "cert-allowed-cn",
};

/** The prefix of client keys that lose it in their section. */
const CLIENT_KEYS: readonly string[] = ["cert-allowed-hostname", "crl-file"];

/** Reads etcd's configuration file: its keys are the flags' names. */
export function readConfigFile(path: string): Map<string, string> {
  let document: unknown;
  try {
    document = parse(readFileSync(path, "utf8"), { maxAliasCount: 0 });
  } catch (thrown) {
    throw new FlagError(`--config-file ${path}: ${messageOf(thrown)}`);
  }
  const given = new Map<string, string>();
  for (const [key, value] of entries(path, document)) {
    const prefix = SECTIONS[key];
    if (prefix === undefined) take(given, path, key, value);
    else {
      for (const [inner, item] of entries(path, value)) {
        take(given, path, flagOf(prefix, inner), item);
      }
    }
  }
  return given;
}

function flagOf(prefix: string, key: string): string {
  const name = IN_SECTION[key] ?? key;
  if (prefix === "" && CLIENT_KEYS.includes(name)) return `client-${name}`;
  if (prefix === "" && name === "auto-tls") return name;
  return prefix + name;
}

function entries(path: string, value: unknown): [string, unknown][] {
  if (value === null || value === undefined) return [];
  if (typeof value === "object" && !Array.isArray(value)) return Object.entries(value);
  throw new FlagError(`--config-file ${path}: a mapping is needed, got ${JSON.stringify(value)}`);
}

function take(given: Map<string, string>, path: string, name: string, value: unknown): void {
  const flag = FLAGS.get(name);
  if (!flag) throw new FlagError(`--config-file ${path}: unknown key ${name}`);
  if (value === null || value === "") return;
  given.set(name, textOf(path, name, flag.kind === "duration", value));
}

/** A duration may be a number of nanoseconds, as Go writes it. */
function textOf(path: string, name: string, isDuration: boolean, value: unknown): string {
  if (Array.isArray(value)) return value.map(String).join(",");
  if (typeof value === "number" && isDuration) return `${value}ns`;
  if (["string", "number", "boolean"].includes(typeof value)) return String(value);
  throw new FlagError(`--config-file ${path}: ${name} has no plain value`);
}
