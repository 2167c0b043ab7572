import { once } from "node:events";
import { readSpec } from "@raft2kube/runtime/container/bundle.ts";
import { type Exec, startExec } from "@raft2kube/runtime/container/exec.ts";
import { startTerminalExec } from "@raft2kube/runtime/container/exec-terminal.ts";
import { capabilitySets } from "@raft2kube/runtime/oci/capabilities.ts";
import { homeOf, resolveUser } from "@raft2kube/runtime/oci/user.ts";
import { messageOf } from "@raft2kube/std/errors.ts";
import { delay, resultWithin } from "@raft2kube/std/wait.ts";
import { followSize, sizeHere, typeInto } from "../engine/attach.ts";
import { withEngine } from "../engine/engine.ts";
import type { HandContainer } from "../engine/hand.ts";
import type { Host } from "../engine/host.ts";
import type { Engine } from "../engine/open-engine.ts";
import { programCode } from "../engine/wait.ts";
import { DRAIN_MS, WAIT_INTERVAL_MS } from "../limits.ts";
import { environmentOf } from "../run/config.ts";
import { PROCESS_FLAGS } from "../run/flags.ts";
import { type Given, verb } from "../verb.ts";

const FLAGS = { ...PROCESS_FLAGS, "-d, --detach": "without waiting for it" } as const;
type ExecFlags = Given<typeof FLAGS>;

export const exec = verb(
  "exec <container> <command...>",
  "Run a command in a container that runs.",
  FLAGS,
  async (host, [name, cmd], flags) => {
    const act = flags.tty && !flags.detach ? onTerminal : onPipes;
    process.exitCode = await act(host, name, cmd, flags);
  },
);

/** Returns the properties in which the command differs from the container's own process. */
async function processOf(engine: Engine, found: HandContainer, flags: ExecFlags) {
  const { runtime } = engine;
  const { process: own } = await readSpec(runtime, found.record.id);
  const env = new Map(own.env.map((pair) => [pair.split("=", 1)[0]!, pair] as const));
  const { rootfs } = runtime.paths.container(found.record.id);
  const user = flags.user ? resolveUser(rootfs, flags.user) : own.user;
  if (user.uid !== own.user.uid) {
    const homes = [own.user, user].map(({ uid }) => `HOME=${homeOf(rootfs, uid) || "/"}`);
    // A home that neither the image nor a flag has set is the user's.
    if (env.get("HOME") === homes[0]) env.set("HOME", homes[1]!);
  }
  for (const [name, value] of Object.entries(environmentOf(flags))) {
    env.set(name, `${name}=${value}`);
  }
  const cwd = flags.workdir === undefined ? {} : { cwd: flags.workdir };
  const changed = { env: [...env.values()], ...cwd };
  if (flags.user === undefined && !flags.privileged) return changed;
  const capabilities = capabilitySets(found.record.config.linux?.securityContext?.capabilities, {
    privileged: flags.privileged,
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

async function onPipes(host: Host, name: string, cmd: string[], flags: ExecFlags): Promise<number> {
  const { exec, code } = await withEngine(host, async (engine) => {
    const found = engine.containers.running(name);
    // Never this terminal itself: the container could keep it, and type into it (TIOCSTI).
    const input = flags.interactive && !flags.detach ? "pipe" : "ignore";
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
async function passStreams(host: Host, exec: Exec): Promise<number> {
  const { stdin, stdout, stderr } = exec.child;
  stdout?.pipe(process.stdout, { end: false });
  stderr?.pipe(process.stderr, { end: false });
  if (stdin) process.stdin.pipe(stdin);
  const closed = Promise.all([stdout, stderr].map((stream) => stream && once(stream, "close")));
  try {
    return await codeOf(host, exec, closed);
  } finally {
    if (stdin) process.stdin.unpipe(stdin).pause();
    for (const stream of [stdin, stdout, stderr]) stream?.destroy();
  }
}

async function onTerminal(
  host: Host,
  name: string,
  cmd: string[],
  flags: ExecFlags,
): Promise<number> {
  const { exec, terminal, resize } = await withEngine(host, async (engine) => {
    const found = engine.containers.running(name);
    const changed = await processOf(engine, found, flags);
    return startTerminalExec(engine.runtime, found.record.id, cmd, sizeHere(), changed);
  });
  const { socket } = terminal;
  socket.on("error", () => socket.destroy());
  socket.pipe(process.stdout, { end: false });
  const closed = new Promise<void>((resolve) => socket.once("close", () => resolve()));
  using stack = new DisposableStack();
  stack.defer(() => void socket.destroy());
  stack.use(followSize(resize));
  if (flags.interactive) stack.use(typeInto(socket, process.stdin, { isRaw: true }));
  return await codeOf(host, exec, closed);
}

/**
 * Returns the exit code, once the last output was read; 126 and 127 for a command that cannot be
 * run or is not there.
 */
export async function codeOf(host: Host, exec: Exec, closed: Promise<unknown>): Promise<number> {
  const pass = () => void exec.kill();
  process.once("SIGTERM", pass);
  try {
    // The OCI runtime's words too, where the command could not be run.
    await Promise.allSettled([exec.exited]);
    await resultWithin(host.clock, closed, DRAIN_MS);
    return await exec.exited;
  } catch (error) {
    // On pipes, the OCI runtime has said why.
    if (!exec.child.stderr) process.stderr.write(`r2k: ${messageOf(error)}\n`);
    return programCode(error, 126);
  } finally {
    process.off("SIGTERM", pass);
    await exec.cleanUp();
  }
}
