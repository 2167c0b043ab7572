import type { Readable, Writable } from "node:stream";
import type { CommandClient } from "@raft2kube/streaming/remote-command.ts";
import type { TerminalSize } from "@raft2kube/streaming/resize.ts";
import { type Exec, type ExecRequest, startExec } from "../container/exec.ts";
import { startTerminalExec } from "../container/exec-terminal.ts";
import { FIRST_SIZE_TIMEOUT_MS } from "../limits.ts";
import type { Base, Execs, Programs, Records } from "../ports.ts";
import { copyOutput, drained, type OutputCopy } from "./output.ts";

/** Passes the client's input on, its end included. */
function copyInput(from: Readable | undefined, to: Writable): void {
  // The command may end before it has read all of its input.
  to.on("error", () => from?.unpipe(to));
  if (from) from.pipe(to);
  else to.end();
}

export type ExecPorts = Base & Records & Programs & Execs;

/** A command for a client: its properties that differ from the container's own process. */
type Wanted = { cmd: string[]; process?: ExecRequest["process"] };

/** A command that runs for a client. `code` settles when the client has its output. */
export type ClientExec = { exec: Exec; code: Promise<number> };

/** Starts a command on pipes. */
export async function startPlain(
  runtime: ExecPorts,
  id: string,
  wanted: Wanted,
  client: CommandClient,
): Promise<ClientExec> {
  const stdio = ["pipe", "pipe", "pipe"] as const;
  const exec = await startExec(runtime, id, { ...wanted, tty: false, stdio });
  const { stdin, stdout, stderr } = exec.child;
  copyInput(client.stdin, stdin!);
  const copies = [copyOutput(stdout, client.stdout), copyOutput(stderr, client.stderr)];
  // Processes that the command leaves behind may keep its streams open without end.
  const close = () => [stdin, stdout, stderr].forEach((stream) => stream?.destroy());
  return { exec, code: codeOf(runtime, exec, client, copies).finally(close) };
}

/**
 * The size that clients send right away: the OCI runtime gives it to the terminal while it starts
 * the command.
 */
function firstSize(runtime: Base, client: CommandClient): Promise<TerminalSize | undefined> {
  return new Promise((resolve) => {
    const timeout = runtime.clock.after(FIRST_SIZE_TIMEOUT_MS, () => resolve(undefined));
    client.onResize((size) => {
      timeout.cancel();
      resolve(size);
    });
  });
}

/** Starts a command on a terminal. */
export async function startOnTerminal(
  runtime: ExecPorts,
  id: string,
  wanted: Wanted,
  client: CommandClient,
): Promise<ClientExec> {
  const size = await firstSize(runtime, client);
  const { exec, terminal, resize } = await startTerminalExec(runtime, id, { ...wanted, size });
  const { socket } = terminal;
  // The kernel says EIO when the last process has left the terminal: that is its end.
  socket.on("error", () => socket.destroy());
  client.onResize(resize);
  // A terminal's input has no end of its own: a client that has no more just writes no more.
  client.stdin?.pipe(socket, { end: false });
  const copies = [copyOutput(socket, client.stdout)];
  const close = () => void socket.destroy();
  return { exec, code: codeOf(runtime, exec, client, copies).finally(close) };
}

/** The command's end, with its output delivered; a client that goes away takes it along. */
async function codeOf(
  runtime: Base,
  exec: Exec,
  client: CommandClient,
  copies: readonly OutputCopy[],
): Promise<number> {
  const kill = () =>
    exec.kill().catch((err: unknown) => {
      runtime.log.warn("the command of a client that has gone was not killed", { err });
    });
  client.gone.addEventListener("abort", kill, { once: true });
  if (client.gone.aborted) void kill();
  try {
    // The OCI runtime's words too, where the command could not be run.
    await Promise.allSettled([exec.exited]);
    await drained(copies, runtime.clock, client.gone);
    return await exec.exited;
  } finally {
    client.gone.removeEventListener("abort", kill);
    await exec.cleanUp();
  }
}
