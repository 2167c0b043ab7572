import { RuntimeError } from "@raft2kube/runtime/errors.ts";
import { Command, type CommanderError } from "commander";
import { flagsAsHere } from "./command-words.ts";
import type { FindHost } from "./engine/host.ts";

/** A verb loads its own code. */
type Verb = () => Promise<(find: FindHost) => Command>;

/** docker's words, each a file. */
const VERBS: Readonly<Record<string, Verb>> = {
  run: async () => (await import("./verbs/run.ts")).command,
  create: async () => (await import("./verbs/run.ts")).createCommand,
  ps: async () => (await import("./verbs/ps.ts")).command,
  start: async () => (await import("./verbs/start.ts")).command,
  restart: async () => (await import("./verbs/start.ts")).restartCommand,
  stop: async () => (await import("./verbs/stop.ts")).command,
  kill: async () => (await import("./verbs/stop.ts")).killCommand,
  rm: async () => (await import("./verbs/rm.ts")).command,
  rename: async () => (await import("./verbs/rename.ts")).command,
  pause: async () => (await import("./verbs/pause.ts")).command,
  unpause: async () => (await import("./verbs/pause.ts")).unpauseCommand,
  wait: async () => (await import("./verbs/wait.ts")).command,
  port: async () => (await import("./verbs/port.ts")).command,
  top: async () => (await import("./verbs/top.ts")).command,
  stats: async () => (await import("./verbs/stats.ts")).command,
  logs: async () => (await import("./verbs/logs.ts")).command,
  exec: async () => (await import("./verbs/exec.ts")).command,
  trace: async () => (await import("./verbs/trace.ts")).command,
  attach: async () => (await import("./verbs/attach.ts")).command,
  inspect: async () => (await import("./verbs/inspect.ts")).command,
  cp: async () => (await import("./verbs/cp.ts")).command,
  diff: async () => (await import("./verbs/diff.ts")).command,
  commit: async () => (await import("./verbs/commit.ts")).command,
  export: async () => (await import("./verbs/export.ts")).command,
  build: async () => (await import("./verbs/build.ts")).command,
  images: async () => (await import("./verbs/images.ts")).command,
  pull: async () => (await import("./verbs/pull.ts")).command,
  push: async () => (await import("./verbs/push.ts")).command,
  rmi: async () => (await import("./verbs/rmi.ts")).command,
  tag: async () => (await import("./verbs/tag.ts")).command,
  history: async () => (await import("./verbs/history.ts")).command,
  save: async () => (await import("./verbs/save.ts")).command,
  load: async () => (await import("./verbs/load.ts")).command,
  import: async () => (await import("./verbs/import.ts")).command,
  login: async () => (await import("./verbs/login.ts")).command,
  logout: async () => (await import("./verbs/login.ts")).logoutCommand,
  volume: async () => (await import("./verbs/volume.ts")).command,
  network: async () => (await import("./verbs/network.ts")).command,
  system: async () => (await import("./verbs/system.ts")).command,
  info: async () => (await import("./verbs/info.ts")).command,
  version: async () => (await import("./verbs/info.ts")).versionCommand,
};

/** Words of this program itself: conmon's at an end, and the process that tests health. */
const OWN: Readonly<Record<string, Verb>> = {
  "on-end": async () => (await import("./verbs/on-end.ts")).command,
  "watch-health": async () => (await import("./verbs/watch-health.ts")).command,
};

/** Words of one kind of thing. */
const OF_KIND: Readonly<Record<string, Verb>> = {
  "container inspect": async () => inspectOf("container"),
  "image inspect": async () => inspectOf("image"),
  "container prune": async () => pruneOf("containers"),
  "image prune": async () => pruneOf("images"),
  "builder prune": async () => pruneOf("cache"),
};

async function inspectOf(kind: "container" | "image") {
  const { command } = await import("./verbs/inspect.ts");
  return (find: FindHost) => command(find, kind);
}

async function pruneOf(kind: "containers" | "images" | "cache") {
  const { pruneCommand } = await import("./verbs/system.ts");
  return (find: FindHost) => pruneCommand(find, kind);
}

/** Other spellings, as docker has them. */
const SPELLINGS: Readonly<Record<string, string>> = {
  ls: "ps",
  list: "ps",
  "container ls": "ps",
  "container list": "ps",
  "container remove": "rm",
  "image ls": "images",
  "image list": "images",
  "image rm": "rmi",
  "image remove": "rmi",
  "builder build": "build",
  "buildx build": "build",
  "--version": "version",
};

/** The verb at the start of these words, and the words after it: `image rm` is `rmi`. */
function verbOf(words: readonly string[]): { name: string; rest: readonly string[] } {
  const [given = "", second = "", ...rest] = words;
  const pair = `${given} ${second}`;
  const name = Object.hasOwn(OF_KIND, pair) ? pair : SPELLINGS[pair];
  if (name !== undefined) return { name, rest };
  if (given === "container" || given === "image") return { name: second, rest };
  return { name: SPELLINGS[given] ?? given, rest: words.slice(1) };
}

function help(): string {
  const words = Object.keys(VERBS);
  const rows = Array.from(
    { length: Math.ceil(words.length / 8) },
    (_, row) => `  ${words.slice(row * 8, row * 8 + 8).join("  ")}`,
  );
  return [
    "Usage: r2k container [--cluster NAME] COMMAND ...",
    "",
    "Containers and images by hand, in docker's words, without a daemon.",
    "",
    "Commands:",
    ...rows,
    "",
    "r2k container COMMAND --help has a command's flags.",
    "",
  ].join("\n");
}

/** Runs one of docker's words; what is none of them is refused by name. */
export async function runContainerCommand(words: readonly string[], find: FindHost): Promise<void> {
  const [given = "--help"] = words;
  if (given === "--help" || given === "-h" || given === "help") {
    process.stdout.write(help());
    return;
  }
  const { name, rest } = verbOf(words);
  const table = { ...VERBS, ...OF_KIND, ...OWN };
  const load = Object.hasOwn(table, name) ? table[name] : undefined;
  if (load === undefined) {
    throw new RuntimeError("unimplemented", `r2k container has no ${JSON.stringify(given)}`, {
      remedy: "r2k container --help lists the commands",
    });
  }
  const command = (await load())(find);
  // A refusal is printed as other errors are.
  command.name(`r2k container ${command.name()}`).showHelpAfterError(false);
  for (const each of [command, ...command.commands]) each.exitOverride(endAsDocker);
  const stopsAtOperand = PASSING.has(name);
  await command.parseAsync(flagsAsHere(command, rest, { stopsAtOperand }), { from: "user" });
}

/** Verbs whose words after the first operand are a program's. */
const PASSING: ReadonlySet<string> = new Set(["run", "create", "exec", "trace"]);

/** Ends the process as docker does: with 125 for a bad flag. */
function endAsDocker({ code, exitCode }: CommanderError): never {
  process.exit(/option|invalidArgument/i.test(code) ? 125 : exitCode);
}
