import { constants, openSync } from "node:fs";
import { mkdtempDisposable } from "node:fs/promises";
import { Socket } from "node:net";
import path from "node:path";
import { createInterface } from "node:readline";
import { Directory } from "@raft2kube/linux/beneath/directory.ts";
import { FileType } from "@raft2kube/linux/file/special-file.ts";
import { readSteps, STEPS_VARIABLE } from "@raft2kube/linux/syscall/steps.ts";
import { RuntimeError } from "@raft2kube/runtime/errors.ts";
import type { Clock } from "@raft2kube/std/clock.ts";
import { printable } from "@raft2kube/std/printable.ts";
import { resultWithin } from "@raft2kube/std/wait.ts";
import { DRAIN_MS } from "../limits.ts";
import { verb } from "../verb.ts";
import { run } from "./run.ts";

/** `trace run ...`: a container of our own OCI runtime, with each step to it on standard error. */
export const trace = verb(
  "trace <verb> [command...]",
  "Run a container and print each step to it: trace run IMAGE COMMAND...",
  {},
  async (host, [word, words]) => {
    if (word !== "run") {
      throw new RuntimeError("unimplemented", `trace ${word} is not supported`, {
        remedy: "r2k container trace run IMAGE COMMAND...",
      });
    }
    const traced = { ...host, byHand: { ...host.byHand, isUsed: true } };
    await using folder = await mkdtempDisposable("/tmp/r2k-trace-");
    await using _steps = printSteps(folder.path, host.clock);
    await run(async () => traced).parseAsync(words, { from: "user" });
  },
);

/** Prints this process's steps, and those of the container's processes, which come by a fifo. */
function printSteps(folder: string, clock: Clock): AsyncDisposable {
  const print = (sign: string, line: string) => {
    process.stderr.write(`${printable(`${sign} ${line}`)}\n`);
  };
  const fifo = path.join(folder, "steps");
  makeFifo(fifo);
  // For writing too: without a writer it would be at its end.
  const fd = openSync(fifo, constants.O_RDWR | constants.O_NONBLOCK);
  const socket = new Socket({ fd, readable: true, writable: true });
  socket.on("error", () => socket.destroy());
  const { promise: executed, resolve } = Promise.withResolvers<void>();
  const lines = createInterface({ input: socket }).on("line", (line) => {
    print("  +", line);
    if (/^exec (?!\/pause )/.test(line)) resolve();
  });
  const own = readSteps((line) => print("+", line));
  process.env[STEPS_VARIABLE] = fifo;
  return {
    async [Symbol.asyncDispose]() {
      await resultWithin(clock, executed, DRAIN_MS);
      own[Symbol.dispose]();
      lines.close();
      socket.destroy();
    },
  };
}

function makeFifo(file: string): void {
  using directory = Directory.open(path.dirname(file));
  directory.makeNode(path.basename(file), FileType.fifo | 0o600, 0);
}
