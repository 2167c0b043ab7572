import type { Readable, Writable } from "node:stream";
import { messageOf } from "@raft2kube/std/errors.ts";
import { acceptRemoteCommand } from "@raft2kube/streaming/accept-remote-command.ts";
import type { CommandStreams, RemoteCommand } from "@raft2kube/streaming/remote-command.ts";
import type { TerminalSize } from "@raft2kube/streaming/resize.ts";
import type { Outcome } from "@raft2kube/streaming/status.ts";
import { type Exec, startExec } from "../container/exec.ts";
import { startTerminalExec } from "../container/exec-terminal.ts";
import { FIRST_SIZE_TIMEOUT_MS } from "../limits.ts";
import type { Base, Execs, Programs, Records } from "../ports.ts";
import { copyOutput, drained, type OutputCopy } from "./output.ts";
import type { StreamHandler } from "./server.ts";

/** Passes the client's input on, its end included. */
export function copyInput(from: Readable | undefined, to: Writable): void {
  // The command may end before it has read all of its input.
  to.on("error", () => from?.unpipe(to));
  if (from) from.pipe(to);
  else to.end();
}

type ExecPorts = Base & Records & Programs & Execs;

async function runPlain(runtime: ExecPorts, id: string, cmd: string[], remote: RemoteCommand) {
  const exec = await startExec(runtime, id, { cmd, tty: false, stdio: ["pipe", "pipe", "pipe"] });
  const { stdin, stdout, stderr } = exec.child;
  copyInput(remote.stdin, stdin!);
  const copies = [copyOutput(stdout, remote.stdout), copyOutput(stderr, remote.stderr)];
  try {
    return await outcomeOf(runtime, exec, remote, copies);
  } finally {
    // Processes that the command leaves behind may keep its output open without end.
    for (const stream of [stdout, stderr]) stream?.destroy();
  }
}

/**
 * The size that clients send right away: the OCI runtime gives it to the terminal while it starts
 * the command.
 */
function firstSize(runtime: Base, remote: RemoteCommand): Promise<TerminalSize | undefined> {
  return new Promise((resolve) => {
    const timeout = runtime.clock.after(FIRST_SIZE_TIMEOUT_MS, () => resolve(undefined));
    remote.onResize((size) => {
      timeout.cancel();
      resolve(size);
    });
  });
}

async function runTerminal(runtime: ExecPorts, id: string, cmd: string[], remote: RemoteCommand) {
  const size = await firstSize(runtime, remote);
  const { exec, terminal, resize } = await startTerminalExec(runtime, id, cmd, size);
  const { socket } = terminal;
  // The kernel says EIO when the last process has left the terminal: that is its end.
  socket.on("error", () => socket.destroy());
  remote.onResize(resize);
  // A terminal's input has no end of its own: a client that has no more just writes no more.
  remote.stdin?.pipe(socket, { end: false });
  try {
    return await outcomeOf(runtime, exec, remote, [copyOutput(socket, remote.stdout)]);
  } finally {
    socket.destroy();
  }
}

/** The command's end, with its output delivered; a client that goes away takes it along. */
async function outcomeOf(
  runtime: Base,
  exec: Exec,
  remote: RemoteCommand,
  copies: readonly OutputCopy[],
): Promise<Outcome> {
  const kill = () =>
    exec.kill().catch((err: unknown) => {
      runtime.log.warn("the command of a client that has gone was not killed", { err });
    });
  remote.gone.addEventListener("abort", kill, { once: true });
  if (remote.gone.aborted) void kill();
  try {
    const exitCode = await exec.exited;
    await drained(copies, runtime.clock, remote.gone);
    return { exitCode };
  } finally {
    remote.gone.removeEventListener("abort", kill);
    await exec.cleanUp();
  }
}

/** Serves one `exec` over a stream: the command runs as long as the client stays. */
export function execHandler(
  runtime: ExecPorts,
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
