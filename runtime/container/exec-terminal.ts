import { randomBytes } from "node:crypto";
import { closeSync } from "node:fs";
import path from "node:path";
import { listenForTerminal } from "@raft2kube/linux/console-socket.ts";
import { openTerminal, type Terminal } from "@raft2kube/linux/terminal.ts";
import { delay } from "@raft2kube/std/wait.ts";
import type { TerminalSize } from "@raft2kube/streaming/remote-command.ts";
import { RuntimeError } from "../errors.ts";
import { CONSOLE_INTERVAL_MS } from "../limits.ts";
import type { Runtime } from "../runtime.ts";
import { startExec, type Exec } from "./exec.ts";

/** A command that runs on a terminal. */
export interface TerminalExec {
  exec: Exec;
  terminal: Terminal;
  resize(size: TerminalSize): void;
}

/** Waits for the OCI runtime to hand the terminal over, or to fail. */
async function awaitTerminal(
  runtime: Runtime,
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
 * crun makes the terminal inside the container and hands us its master: sizes are set on it. It
 * sets the first one itself, but in the process that stays, and lets the command go before
 * (libcrun_container_exec_with_options): a command that asks for the size in its first moment may
 * find none, and has it as a change (SIGWINCH), as under containerd, which sets it after the start.
 */
async function startWithConsoleSocket(
  runtime: Runtime,
  id: string,
  cmd: string[],
  size?: TerminalSize,
): Promise<TerminalExec> {
  const name = `tty-${randomBytes(4).toString("hex")}`;
  const consoleSocket = listenForTerminal(path.join(runtime.paths.state, name));
  try {
    const exec = await startExec(runtime, id, {
      cmd,
      tty: true,
      size,
      consoleSocket: consoleSocket.path,
      stdio: ["ignore", "ignore", "ignore"],
    });
    const terminal = await awaitTerminal(runtime, exec, () => consoleSocket.poll());
    return { exec, terminal, resize: (to) => terminal.resize(to) };
  } finally {
    consoleSocket.close();
  }
}

/**
 * runc hands a terminal over only when it detaches, and nobody would get the exit code then. It
 * runs on a terminal of ours instead, and copies to the container's, sizes too when it is told.
 */
async function startOnOwnTerminal(
  runtime: Runtime,
  id: string,
  cmd: string[],
  size?: TerminalSize,
): Promise<TerminalExec> {
  const { terminal, slave } = openTerminal();
  try {
    if (size) terminal.resize(size);
    const stdio = [slave, slave, slave];
    const exec = await startExec(runtime, id, { cmd, tty: true, size, stdio });
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

/** Starts a command on a terminal, of this size if it is known, in a running container. */
export function startTerminalExec(
  runtime: Runtime,
  id: string,
  cmd: string[],
  size?: TerminalSize,
): Promise<TerminalExec> {
  const start = runtime.oci.program.kind === "crun" ? startWithConsoleSocket : startOnOwnTerminal;
  return start(runtime, id, cmd, size);
}
