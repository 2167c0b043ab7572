import { randomBytes } from "node:crypto";
import path from "node:path";
import type { Readable, Writable } from "node:stream";
import { listenForTerminal, type Terminal } from "@raft2kube/linux/console-socket.ts";
import { messageOf } from "@raft2kube/std/errors.ts";
import { delay } from "@raft2kube/std/wait.ts";
import type { Outcome } from "@raft2kube/streaming/status.ts";
import { acceptRemoteCommand, type CommandStreams, type RemoteCommand } from
  "@raft2kube/streaming/remote-command.ts";
import { startExec, type Exec } from "../container/exec.ts";
import { RuntimeError } from "../errors.ts";
import { CONSOLE_INTERVAL_MS, EXEC_DRAIN_MS } from "../limits.ts";
import type { Runtime } from "../runtime.ts";
import type { StreamHandler } from "./server.ts";

/** Copies what is there to its reader; ends quietly when either side goes. */
export function copy(from: Readable | null | undefined, to: Writable | undefined): Promise<void> {
  if (!from) return Promise.resolve();
  if (!to) {
    from.resume();
    return Promise.resolve();
  }
  from.pipe(to, { end: false });
  to.once("close", () => from.unpipe(to).resume());
  return new Promise((resolve) => from.once("end", resolve).once("close", resolve));
}

/** Passes the client's input on, its end included. */
export function copyInput(from: Readable | undefined, to: Writable): void {
  // The command may end before it has read all: then there is nobody to write to.
  to.on("error", () => from?.unpipe(to));
  if (from) from.pipe(to);
  else to.end();
}

async function runPlain(runtime: Runtime, id: string, cmd: string[], remote: RemoteCommand) {
  const exec = await startExec(runtime, id, { cmd, tty: false, stdio: ["pipe", "pipe", "pipe"] });
  const { stdin, stdout, stderr } = exec.child;
  copyInput(remote.stdin, stdin!);
  const copied = Promise.all([copy(stdout, remote.stdout), copy(stderr, remote.stderr)]);
  return outcomeOf(runtime, exec, remote, copied);
}

/** Waits for the OCI runtime to hand the terminal over, or to fail. */
async function awaitTerminal(
  runtime: Runtime,
  exec: Exec,
  poll: () => Terminal | undefined,
): Promise<Terminal> {
  let ended = false;
  const exited = exec.exited.finally(() => (ended = true));
  exited.catch(() => undefined);
  for (;;) {
    const terminal = poll();
    if (terminal) return terminal;
    if (ended) {
      const code = await exited;
      throw new RuntimeError("internal", `exec ended with ${code} before it had a terminal`);
    }
    await delay(runtime.clock, CONSOLE_INTERVAL_MS);
  }
}

async function runTerminal(runtime: Runtime, id: string, cmd: string[], remote: RemoteCommand) {
  const name = `tty-${randomBytes(4).toString("hex")}`;
  const consoleSocket = listenForTerminal(path.join(runtime.paths.state, name));
  try {
    const exec = await startExec(runtime, id, {
      cmd,
      tty: true,
      consoleSocket: consoleSocket.path,
      stdio: ["ignore", "ignore", "ignore"],
    });
    const terminal = await awaitTerminal(runtime, exec, () => consoleSocket.poll());
    const { socket } = terminal;
    // The kernel says EIO when the last process has left the terminal: that is its end.
    socket.on("error", () => socket.destroy());
    remote.onResize((size) => terminal.resize(size));
    // A terminal's input has no end of its own: a client that has no more just writes no more.
    remote.stdin?.pipe(socket, { end: false });
    const copied = copy(socket, remote.stdout);
    const outcome = await outcomeOf(runtime, exec, remote, copied);
    socket.destroy();
    return outcome;
  } finally {
    consoleSocket.close();
  }
}

/** The command's end, with its output delivered; a client that goes away takes it along. */
async function outcomeOf(
  runtime: Runtime,
  exec: Exec,
  remote: RemoteCommand,
  copied: Promise<unknown>,
): Promise<Outcome> {
  const kill = () => void exec.kill();
  remote.gone.addEventListener("abort", kill, { once: true });
  try {
    const exitCode = await exec.exited;
    await Promise.race([copied, delay(runtime.clock, EXEC_DRAIN_MS)]);
    return { exitCode };
  } finally {
    remote.gone.removeEventListener("abort", kill);
    await exec.cleanUp();
  }
}

/** Serves one `exec` over a stream: the command runs as long as the client stays. */
export function execHandler(
  runtime: Runtime,
  id: string,
  cmd: string[],
  streams: CommandStreams,
): StreamHandler {
  return async (request, socket, head) => {
    const options = { streams, clock: runtime.clock };
    const remote = await acceptRemoteCommand(request, socket, head, options);
    if (!remote) return;
    const run = streams.tty ? runTerminal : runPlain;
    let outcome: Outcome;
    try {
      outcome = await run(runtime, id, cmd, remote);
    } catch (error) {
      outcome = { error: messageOf(error) };
    }
    await remote.finish(outcome);
  };
}
