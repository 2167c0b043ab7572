import { randomBytes } from "node:crypto";
import { closeSync } from "node:fs";
import path from "node:path";
import { listenForTerminal } from "@raft2kube/linux/process/console-socket.ts";
import { openTerminal, type Terminal } from "@raft2kube/linux/process/terminal.ts";
import { delay } from "@raft2kube/std/wait.ts";
import type { TerminalSize } from "@raft2kube/streaming/resize.ts";
import { RuntimeError } from "../errors.ts";
import { CONSOLE_INTERVAL_MS } from "../limits.ts";
import { type Base, type Execs, ociOf, type Programs, type Records } from "../ports.ts";
import { type Exec, type ExecRequest, startExec } from "./exec.ts";

/** A command for a terminal, with its size where that is known. */
type TerminalCommand = Pick<ExecRequest, "cmd" | "process" | "size">;

/** A command with a terminal. */
export interface TerminalExec {
  exec: Exec;
  terminal: Terminal;
  resize(size: TerminalSize): void;
}

/** Waits until the OCI runtime sends the terminal, or fails. */
async function awaitTerminal(
  runtime: Base,
  exec: Exec,
  poll: () => Terminal | undefined,
): Promise<Terminal> {
  let ended = false;
  const end = () => void (ended = true);
  exec.exited.then(end, end);
  for (;;) {
    const terminal = poll();
    if (terminal) return terminal;
    if (ended) {
      const code = await exec.exited;
      throw new RuntimeError("internal", `exec ended with ${code} before it had a terminal`);
    }
    await delay(runtime.clock, CONSOLE_INTERVAL_MS);
  }
}

/**
 * crun creates the terminal in the container and sends its master, on which sizes are set. crun
 * sets the first size after it has released the command (libcrun_container_exec_with_options): a
 * command that reads the size immediately may find none, and gets it as a change (SIGWINCH), as
 * under containerd, which sets it after the start.
 */
async function startWithConsoleSocket(
  runtime: Base & Records & Programs & Execs,
  id: string,
  wanted: TerminalCommand,
): Promise<TerminalExec> {
  const name = `tty-${randomBytes(4).toString("hex")}`;
  const consoleSocket = listenForTerminal(path.join(runtime.paths.state, name));
  let exec: Exec | undefined;
  try {
    const stdio = ["ignore", "ignore", "ignore"] as const;
    const request = { ...wanted, tty: true, consoleSocket: consoleSocket.path, stdio };
    exec = await startExec(runtime, id, request);
    const terminal = await awaitTerminal(runtime, exec, () => consoleSocket.poll());
    return { exec, terminal, resize: (to) => terminal.resize(to) };
  } catch (error) {
    // A terminal that was not taken leaves the command without a client.
    await Promise.allSettled([exec?.kill()]);
    await exec?.cleanUp();
    throw error;
  } finally {
    consoleSocket.close();
  }
}

/**
 * runc and runsc send a terminal only when they detach, and then no process gets the exit code.
 * They run on a terminal of this process instead: runc copies to the container's, with the sizes
 * that it is given, and runsc has the command on this one.
 */
async function startOnOwnTerminal(
  runtime: Base & Records & Programs & Execs,
  id: string,
  wanted: TerminalCommand,
): Promise<TerminalExec> {
  const { terminal, slave } = openTerminal();
  try {
    if (wanted.size) terminal.resize(wanted.size);
    const exec = await startExec(runtime, id, {
      ...wanted,
      tty: true,
      stdio: [slave, slave, slave],
    });
    const resize = (to: TerminalSize) => {
      terminal.resize(to);
      exec.child.kill("SIGWINCH");
    };
    return { exec, terminal, resize };
  } catch (error) {
    terminal.socket.destroy();
    throw error;
  } finally {
    closeSync(slave);
  }
}

/** Starts a command with a terminal in a running container. */
export function startTerminalExec(
  runtime: Base & Records & Programs & Execs,
  id: string,
  wanted: TerminalCommand,
): Promise<TerminalExec> {
  const { kind } = ociOf(runtime, runtime.containers.get(id)).program;
  const isLent = kind === "runc" || kind === "runsc";
  const start = isLent ? startOnOwnTerminal : startWithConsoleSocket;
  return start(runtime, id, wanted);
}
