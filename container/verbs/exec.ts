import { once } from "node:events";
import { readSpec } from "@raft2kube/runtime/container/bundle.ts";
import { type Exec, startExec } from "@raft2kube/runtime/container/exec.ts";
import {
  startTerminalExec,
  type TerminalExec,
} from "@raft2kube/runtime/container/exec-terminal.ts";
import { capabilitySets } from "@raft2kube/runtime/oci/capabilities.ts";
import type { OciProcess } from "@raft2kube/runtime/oci/spec.ts";
import { homeOf, resolveUser } from "@raft2kube/runtime/oci/user.ts";
import { delay } from "@raft2kube/std/wait.ts";
import { Command } from "commander";
import { withEngine } from "../engine/engine.ts";
import type { HandContainer } from "../engine/hand.ts";
import type { FindHost, Host } from "../engine/host.ts";
import type { Engine } from "../engine/open-engine.ts";
import { programCode } from "../engine/wait.ts";
import { DRAIN_MS, WAIT_INTERVAL_MS } from "../limits.ts";
import { environmentOf } from "../run/config.ts";
import { many } from "../run/flags.ts";

interface Flags {
  interactive?: boolean;
  tty?: boolean;
  detach?: boolean;
  user?: string;
  workdir?: string;
  env: string[];
  envFile: string[];
  privileged?: boolean;
}

export function command(find: FindHost): Command {
  return new Command("exec")
    .argument("<container>")
    .argument("<command...>")
    .description("Run a command in a container that runs.")
    .option("-i, --interactive", "with standard input")
    .option("-t, --tty", "on a terminal")
    .option("-d, --detach", "without waiting for it")
    .option("-u, --user <user>", "name or id, with :group")
    .option("-w, --workdir <dir>", "the working directory")
    .option("--privileged", "with all capabilities")
    .addOption(many("-e, --env <variable>", "NAME=VALUE"))
    .addOption(many("--env-file <file>", "lines of NAME=VALUE"))
    .passThroughOptions()
    .action(async (name: string, cmd: string[], flags: Flags) => {
      const host = await find();
      process.exitCode = await (flags.tty
        ? onTerminal(host, name, cmd, flags)
        : onPipes(host, name, cmd, flags));
    });
}

/** Returns the properties in which the command differs from the container's own process. */
async function processOf(engine: Engine, found: HandContainer, flags: Flags) {
  const { runtime } = engine;
  const { process: own } = await readSpec(runtime, found.record.id);
  const given = environmentOf(flags);
  const env = new Map(own.env.map((pair) => [pair.split("=", 1)[0]!, pair] as const));
  const { rootfs } = runtime.paths.container(found.record.id);
  const user = flags.user ? resolveUser(rootfs, flags.user) : own.user;
  if (user.uid !== own.user.uid) {
    const homes = [own.user, user].map(({ uid }) => `HOME=${homeOf(rootfs, uid) || "/"}`);
    // A home that neither the image nor a flag has set is the user's.
    if (env.get("HOME") === homes[0]) env.set("HOME", homes[1]!);
  }
  for (const [name, value] of Object.entries(given)) env.set(name, `${name}=${value}`);
  const changed: Partial<Pick<OciProcess, "cwd" | "env" | "user" | "capabilities">> = {
    env: [...env.values()],
  };
  if (flags.workdir !== undefined) changed.cwd = flags.workdir;
  if (flags.user === undefined && !flags.privileged) return changed;
  const capabilities = capabilitySets(found.record.config.linux?.securityContext?.capabilities, {
    privileged: flags.privileged ?? false,
    root: user.uid === 0,
    own: runtime.ownCapabilities,
  });
  return { ...changed, user, capabilities };
}

/** Waits until the OCI runtime has started the command. */
async function started({ clock }: Host, exec: Exec): Promise<void> {
  let ended = false;
  const end = () => void (ended = true);
  exec.exited.then(end, end);
  while (!ended && (await exec.pid()) === undefined) await delay(clock, WAIT_INTERVAL_MS / 10);
}

async function onPipes(host: Host, name: string, cmd: string[], flags: Flags): Promise<number> {
  const { exec, code } = await withEngine(host, async (engine) => {
    const found = engine.containers.running(name);
    // Never this terminal itself: the container could keep it, and type into it (TIOCSTI).
    const input = flags.interactive ? "pipe" : "ignore";
    const output = flags.detach ? "ignore" : "pipe";
    const exec = await startExec(engine.runtime, found.record.id, {
      cmd,
      tty: false,
      stdio: [input, output, output],
      process: await processOf(engine, found, flags),
    });
    const code = flags.detach ? Promise.resolve(0) : passStreams(host, exec);
    code.catch(() => undefined); // the caller waits for it after the start
    await started(host, exec);
    return { exec, code };
  });
  if (flags.detach) exec.child.unref();
  return code;
}

/** Copies a command's streams to these and back, until it ends; what it left behind is not read. */
async function passStreams({ clock }: Host, exec: Exec): Promise<number> {
  const { stdin, stdout, stderr } = exec;
  stdout?.pipe(process.stdout, { end: false });
  stderr?.pipe(process.stderr, { end: false });
  if (stdin) process.stdin.pipe(stdin);
  const closed = Promise.all([stdout, stderr].map((stream) => stream && once(stream, "close")));
  try {
    const code = await codeOf(exec);
    await Promise.race([closed, delay(clock, DRAIN_MS)]);
    return code;
  } finally {
    if (stdin) process.stdin.unpipe(stdin).pause();
    for (const stream of [stdin, stdout, stderr]) stream?.destroy();
  }
}

async function onTerminal(host: Host, name: string, cmd: string[], flags: Flags): Promise<number> {
  const { stdin, stdout } = process;
  const size = stdout.isTTY ? { width: stdout.columns, height: stdout.rows } : undefined;
  const { exec, terminal, resize }: TerminalExec = await withEngine(host, async (engine) => {
    const found = engine.containers.running(name);
    const changed = await processOf(engine, found, flags);
    return startTerminalExec(engine.runtime, found.record.id, cmd, size, changed);
  });
  const { socket } = terminal;
  socket.on("error", () => socket.destroy());
  socket.pipe(stdout, { end: false });
  if (flags.interactive) stdin.pipe(socket, { end: false });
  const isRaw = flags.interactive && stdin.isTTY;
  if (isRaw) stdin.setRawMode(true);
  const resized = () => resize({ width: stdout.columns, height: stdout.rows });
  if (stdout.isTTY) stdout.on("resize", resized);
  try {
    const closed = new Promise<void>((resolve) => socket.once("close", () => resolve()));
    const code = await codeOf(exec);
    await Promise.race([closed, delay(host.clock, DRAIN_MS)]);
    return code;
  } finally {
    if (isRaw) stdin.setRawMode(false);
    stdout.off("resize", resized);
    stdin.unpipe(socket);
    stdin.pause();
    socket.destroy();
  }
}

/** Returns the exit code; 126 and 127 for a command that cannot be run or is not there. */
async function codeOf(exec: Exec): Promise<number> {
  const pass = () => void exec.kill();
  process.once("SIGTERM", pass);
  try {
    return await exec.exited;
  } catch (error) {
    process.stderr.write(`r2k: ${String((error as Error).message)}\n`);
    return programCode(error, 126);
  } finally {
    process.off("SIGTERM", pass);
    await exec.cleanUp();
  }
}
