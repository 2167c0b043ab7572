import { readSpec } from "@raft2kube/runtime/container/bundle.ts";
import { startExec } from "@raft2kube/runtime/container/exec.ts";
import { capabilitySets } from "@raft2kube/runtime/oci/capabilities.ts";
import { homeOf, resolveUser } from "@raft2kube/runtime/oci/user.ts";
import { startOnTerminal, startPlain } from "@raft2kube/runtime/streaming/client-exec.ts";
import { messageOf } from "@raft2kube/std/errors.ts";
import { clientHere } from "../engine/client.ts";
import { withEngine } from "../engine/engine.ts";
import type { HandContainer } from "../engine/hand.ts";
import type { Engine } from "../engine/open-engine.ts";
import { programCode } from "../engine/wait.ts";
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
    const { tty, detach, interactive } = flags;
    using stack = new DisposableStack();
    const start = detach ? startDetached : tty ? startOnTerminal : startPlain;
    const { code, client } = await withEngine(host, async (engine) => {
      const found = engine.containers.running(name);
      const wanted = { cmd, process: await processOf(engine, found, flags) };
      const client = stack.use(clientHere({ tty, isInput: interactive && !detach }));
      const begun = await start(engine.runtime, found.record.id, wanted, client);
      await Promise.race([begun.exec.started, begun.code.catch(() => undefined)]);
      return { ...begun, client };
    });
    process.once("SIGTERM", client.leave);
    process.exitCode = await code.catch((error: unknown) => {
      // On pipes, the OCI runtime has said why.
      if (tty || detach) process.stderr.write(`r2k: ${messageOf(error)}\n`);
      return programCode(error, 126);
    });
  },
);

/** Starts a command of which this process waits for the start alone; `code` rejects without one. */
const startDetached: typeof startPlain = async (runtime, id, wanted) => {
  const stdio = ["ignore", "ignore", "ignore"] as const;
  const exec = await startExec(runtime, id, { ...wanted, tty: false, stdio });
  exec.child.unref();
  const code = exec.started.then((how) => (how === "ended" ? exec.exited.then(() => 0) : 0));
  return { exec, code };
};

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
  for (const [name, value] of environmentOf(flags)) env.set(name, `${name}=${value}`);
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
