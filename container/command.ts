import { RuntimeError } from "@raft2kube/runtime/errors.ts";
import type { CommanderError } from "commander";
import { flagsAsHere } from "./command-words.ts";
import type { FindHost } from "./engine/host.ts";
import { FAILED_CODE, isProgram, type Verb } from "./verb.ts";

/** A verb loads its own code. */
type Load = () => Promise<Verb>;

/** docker's words, each a file. */
const VERBS: Readonly<Record<string, Load>> = {
  run: async () => (await import("./verbs/run.ts")).run,
  create: async () => (await import("./verbs/run.ts")).create,
  ps: async () => (await import("./verbs/ps.ts")).ps,
  start: async () => (await import("./verbs/start.ts")).start,
  restart: async () => (await import("./verbs/stop.ts")).restart,
  stop: async () => (await import("./verbs/stop.ts")).stop,
  kill: async () => (await import("./verbs/stop.ts")).kill,
  rm: async () => (await import("./verbs/rm.ts")).rm,
  rename: async () => (await import("./verbs/rename.ts")).rename,
  pause: async () => (await import("./verbs/pause.ts")).pause,
  unpause: async () => (await import("./verbs/pause.ts")).unpause,
  wait: async () => (await import("./verbs/wait.ts")).wait,
  port: async () => (await import("./verbs/port.ts")).port,
  top: async () => (await import("./verbs/top.ts")).top,
  stats: async () => (await import("./verbs/stats.ts")).stats,
  logs: async () => (await import("./verbs/logs.ts")).logs,
  exec: async () => (await import("./verbs/exec.ts")).exec,
  trace: async () => (await import("./verbs/trace.ts")).trace,
  attach: async () => (await import("./verbs/attach.ts")).attach,
  inspect: async () => (await import("./verbs/inspect.ts")).inspect,
  cp: async () => (await import("./verbs/cp.ts")).cp,
  diff: async () => (await import("./verbs/diff.ts")).diff,
  commit: async () => (await import("./verbs/commit.ts")).commit,
  export: async () => (await import("./verbs/export.ts")).exportContainer,
  build: async () => (await import("./verbs/build.ts")).build,
  images: async () => (await import("./verbs/images.ts")).images,
  pull: async () => (await import("./verbs/pull.ts")).pull,
  push: async () => (await import("./verbs/push.ts")).push,
  rmi: async () => (await import("./verbs/rmi.ts")).rmi,
  tag: async () => (await import("./verbs/tag.ts")).tag,
  history: async () => (await import("./verbs/history.ts")).history,
  save: async () => (await import("./verbs/save.ts")).save,
  load: async () => (await import("./verbs/load.ts")).load,
  import: async () => (await import("./verbs/import.ts")).importImage,
  login: async () => (await import("./verbs/login.ts")).login,
  logout: async () => (await import("./verbs/login.ts")).logout,
  volume: async () => (await import("./verbs/volume.ts")).volume,
  network: async () => (await import("./verbs/network.ts")).network,
  system: async () => (await import("./verbs/system.ts")).system,
  info: async () => (await import("./verbs/info.ts")).info,
  version: async () => (await import("./verbs/info.ts")).version,
};

/** Words of this program itself: conmon's at an end, and the process that tests health. */
const OWN: Readonly<Record<string, Load>> = {
  "on-end": async () => (await import("./verbs/on-end.ts")).onEnd,
  "watch-health": async () => (await import("./verbs/watch-health.ts")).watchHealth,
};

/** Words of one kind of thing. */
const OF_KIND: Readonly<Record<string, Load>> = {
  "container inspect": async () => (await import("./verbs/inspect.ts")).inspectOf("container"),
  "image inspect": async () => (await import("./verbs/inspect.ts")).inspectOf("image"),
  "container prune": async () => (await import("./verbs/prune.ts")).pruneVerb(["container"]),
  "image prune": async () => (await import("./verbs/prune.ts")).pruneVerb(["image"]),
  "builder prune": async () => (await import("./verbs/prune.ts")).pruneVerb(["cache"]),
};

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
  const words = Object.keys(VERBS).join("  ");
  return [
    "Usage: r2k container [--cluster NAME] COMMAND ...",
    "",
    "Containers and images by hand, in docker's words, without a daemon.",
    "",
    "Commands:",
    words.replace(/(.{1,70})(?:  |$)/g, "  $1\n"),
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
  const stopsAtOperand = isProgram(command);
  await command.parseAsync(flagsAsHere(command, rest, { stopsAtOperand }), { from: "user" });
}

/** Ends the process as docker does: with 125 for a bad flag. */
function endAsDocker({ code, exitCode }: CommanderError): never {
  process.exit(/option|invalidArgument/i.test(code) ? FAILED_CODE : exitCode);
}
