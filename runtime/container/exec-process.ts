import { appendFile, copyFile, rename, writeFile } from "node:fs/promises";
import { readIfPresent } from "@raft2kube/linux/file/read-if-present.ts";
import type { OciProcess, OciUser } from "../oci/spec.ts";
import type { Base, Records } from "../ports.ts";
import { readSpec } from "./bundle.ts";

/** Properties in which a command differs from the container's own process. */
export type ChangedProcess = Partial<Pick<OciProcess, "cwd" | "env" | "user" | "capabilities">>;

/** The part of a process that is the command's own. */
type CommandProcess = Pick<OciProcess, "args" | "terminal" | "consoleSize">;

/** A process without its variables, of which there may be megabytes, and its program. */
type SmallProcess = { rest: Omit<OciProcess, keyof CommandProcess | "env">; variables: Variables };

/** Facts about variables that the one for a terminal depends on. */
type Variables = { count: number; hasTerm: boolean };

const variablesOf = (env: readonly string[]): Variables => ({
  count: env.length,
  hasTerm: env.some((pair) => pair.startsWith("TERM=")),
});

/** A process as JSON up to its last variable. */
const begin = (env: readonly string[]): string => JSON.stringify({ env }).slice(0, -"]}".length);

/**
 * Returns the container's own process, of which the first command makes two files beside
 * config.json. To parse that for each command, and to write its variables again, took 0.1 s of a
 * turn for 2 MiB of them, which a tenant's probes may ask for many times a second.
 */
async function smallProcess(runtime: Base & Records, id: string): Promise<SmallProcess> {
  const file = runtime.paths.container(id).process;
  const made = () => readIfPresent(file);
  const make = async () => (await made()) ?? (await makeFiles(runtime, id));
  const text = (await made()) ?? (await runtime.turns.run(`exec in ${id}`, make));
  return JSON.parse(text) as SmallProcess;
}

async function makeFiles(runtime: Base, id: string): Promise<string> {
  const files = runtime.paths.container(id);
  const { process } = await readSpec(runtime, id);
  const { args: _, terminal: __, consoleSize: ___, env, ...rest } = process;
  await writeFile(files.env, begin(env), { mode: 0o600 });
  const small: SmallProcess = { rest, variables: variablesOf(env) };
  const text = JSON.stringify(small);
  // Appears whole, and when the other is whole.
  await writeFile(`${files.process}.new`, text, { mode: 0o600 });
  await rename(`${files.process}.new`, files.process);
  return text;
}

/**
 * Writes the file of a command's process (runtime-spec, config.md), in which it is as the
 * container's own but for what is given. One with a terminal has TERM. Returns its user.
 */
export async function writeProcess(
  runtime: Base & Records,
  id: string,
  file: string,
  { env, ...changed }: ChangedProcess,
  command: CommandProcess,
): Promise<OciUser> {
  const { rest, variables: own } = await smallProcess(runtime, id);
  if (env) await writeFile(file, begin(env), { mode: 0o600 });
  else await copyFile(runtime.paths.container(id).env, file);
  const { count, hasTerm } = env ? variablesOf(env) : own;
  const term = command.terminal && !hasTerm ? `${count > 0 ? "," : ""}"TERM=xterm"` : "";
  const process = { ...rest, ...changed, ...command };
  await appendFile(file, `${term}],${JSON.stringify(process).slice("{".length)}`);
  return process.user;
}
