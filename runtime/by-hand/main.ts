import { writeFileSync, writeSync } from "node:fs";
import { sendSteps } from "@raft2kube/linux/syscall/steps.ts";
import { messageOf } from "@raft2kube/std/errors.ts";
import { create, exec, kill, remove, start, stateOf, update } from "./commands.ts";
import { ByHandError } from "./error.ts";
import { becomeProcess, INIT_VARIABLE, type InitWork } from "./init.ts";
import { readWords, type Words } from "./words.ts";

/**
 * Runs one command of the OCI runtime; the words are those of crun, as far as CRI runtimes and
 * conmon use them. Resolves with the exit code. An error is written to the log and to stderr.
 */
export async function byHand(argv: readonly string[]): Promise<number> {
  sendSteps(process.env);
  let words: Words | undefined;
  try {
    words = readWords(argv);
    return await run(words);
  } catch (thrown) {
    const message = messageOf(thrown);
    const log = words?.flags["log"];
    if (log !== undefined) writeFileSync(log, `${message}\n`, { flag: "a" });
    writeSync(2, `by-hand: ${message}\n`);
    return 1;
  }
}

async function run({ command, id, rest, flags }: Words): Promise<number> {
  const root = flags["root"] ?? "/run/by-hand";
  const { bundle = ".", "pid-file": pidFile, "console-socket": consoleSocket } = flags;
  switch (command) {
    case "init":
      return becomeProcess(JSON.parse(process.env[INIT_VARIABLE] ?? "{}") as InitWork);
    case "create":
      await create(root, id, { bundle, pidFile, consoleSocket, stdio: "inherit" });
      return 0;
    case "run":
      if (flags["detach"] === undefined) throw refused("run without --detach");
      await create(root, id, { bundle, pidFile, consoleSocket, stdio: "inherit" });
      start(root, id);
      return 0;
    case "start":
      start(root, id);
      return 0;
    case "state":
      writeSync(1, `${stateOf(root, id)}\n`);
      return 0;
    case "kill":
      kill(root, id, rest[0] ?? "SIGTERM");
      return 0;
    case "delete":
      await remove(root, id, flags["force"] !== undefined);
      return 0;
    case "update":
      update(root, id, flags["resources"] ?? "");
      return 0;
    case "exec":
      return await exec(root, id, { processFile: flags["process"] ?? "", pidFile, consoleSocket });
    default:
      throw refused(`the command ${JSON.stringify(command)}`);
  }
}

function refused(what: string): ByHandError {
  return new ByHandError("unimplemented", `by-hand does not implement ${what}`);
}
