import { ByHandError } from "./error.ts";

/** A command line in its parts. */
export interface Words {
  readonly command: string;
  readonly id: string;
  readonly rest: readonly string[];
  /** Flags with their values; those without one have an empty text. */
  readonly flags: Readonly<Record<string, string>>;
}

const WITH_VALUE = new Set([
  "root",
  "log",
  "log-format",
  "bundle",
  "pid-file",
  "console-socket",
  "process",
  "resources",
  "cgroup-manager",
]);
const ALONE = new Set(["detach", "force", "debug"]);

/** Reads `[flags] command [flags] id [words]`. Throws for a flag that is not implemented. Pure. */
export function readWords(argv: readonly string[]): Words {
  const flags: Record<string, string> = {};
  const words: string[] = [];
  const waiting = [...argv];
  for (let word = waiting.shift(); word !== undefined; word = waiting.shift()) {
    if (!word.startsWith("--")) {
      words.push(word);
      continue;
    }
    const [name = "", value] = word.slice(2).split(/=(.*)/s);
    if (WITH_VALUE.has(name)) flags[name] = value ?? waiting.shift() ?? "";
    else if (ALONE.has(name)) flags[name] = "";
    else throw new ByHandError("unimplemented", `by-hand does not implement the flag --${name}`);
  }
  const [command = "", id = "", ...rest] = words;
  return { command, id, rest, flags };
}
