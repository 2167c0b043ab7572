import { existsSync, writeFileSync } from "node:fs";
import { RuntimeError } from "@raft2kube/runtime/errors.ts";
import { asError } from "@raft2kube/std/errors.ts";
import { Command } from "commander";
import { attachHere } from "../engine/attach.ts";
import { withEngine } from "../engine/engine.ts";
import type { HandContainer } from "../engine/hand.ts";
import type { FindHost, Host } from "../engine/host.ts";
import { getImage, imageToRun, openImages } from "../engine/images.ts";
import type { Engine } from "../engine/open-engine.ts";
import { release, removeHand } from "../engine/settle.ts";
import { startHand } from "../engine/start.ts";
import { exitOf, pathsOf, programCode } from "../engine/wait.ts";
import { createHand } from "../run/create.ts";
import { addRunFlags, detachKeys, type RunFlags } from "../run/flags.ts";
import { passSignals } from "../run/signals.ts";
import { badFlag } from "../run/values.ts";

interface Flags extends RunFlags {
  detach?: boolean;
  detachKeys: string;
}

/** `create`: a container that is not started. */
export function createCommand(find: FindHost): Command {
  const command = new Command("create")
    .argument("<image>")
    .argument("[command...]")
    .description("Create a container without starting it.");
  return addRunFlags(command).action(async (image: string, args: string[], flags: RunFlags) => {
    const isFlag = (thrown: unknown) =>
      thrown instanceof RuntimeError && thrown.code === "invalid-argument";
    const { record } = await asDocker(async () => {
      const host = await find();
      await imageToRun(await openImages(host), image, flags.pull);
      return await withEngine(host, async (engine) => {
        const made = await make(engine, flags, image, args);
        return engine.containers.change(made, { isUnfinished: false });
      });
    }, isFlag);
    process.stdout.write(`${record.id}\n`);
  });
}

/** `run`: a container, started; in the foreground until it ends. */
export function command(find: FindHost): Command {
  const run = new Command("run")
    .argument("<image>")
    .argument("[command...]")
    .description("Create a container and start it.")
    .option("-d, --detach", "in the background: print its id");
  addRunFlags(run).addOption(detachKeys());
  return run.action((image: string, args: string[], flags: Flags) =>
    asDocker(async () => {
      const host = await find();
      // Before the lock: a registry may be slow.
      await imageToRun(await openImages(host), image, flags.pull);
      process.exitCode = flags.detach
        ? await inBackground(host, flags, image, args)
        : await inForeground(host, flags, image, args);
    }),
  );
}

async function make(
  engine: Engine,
  flags: RunFlags,
  image: string,
  args: string[],
): Promise<HandContainer> {
  const { cidfile } = flags;
  if (cidfile !== undefined && existsSync(cidfile)) throw badFlag("--cidfile", cidfile, "exists");
  const container = await createHand(engine, flags, { image: nameOf(engine, image), args });
  if (cidfile !== undefined) writeFileSync(cidfile, container.record.id, { flag: "wx" });
  return container;
}

/** A name, or the whole id where the beginning of one was given. */
function nameOf(engine: Engine, image: string): string {
  return engine.runtime.images.find(image) ? image : getImage(engine.runtime, image).id;
}

/** Runs a command whose failure has docker's exit code: 125 if it is not of the program. */
async function asDocker<T>(
  work: () => Promise<T>,
  counts: (thrown: unknown) => boolean = () => true,
): Promise<T> {
  try {
    return await work();
  } catch (thrown) {
    throw counts(thrown) ? withExitCode(thrown, 125) : thrown;
  }
}

/** An error with the exit code of the process that it ends, unless it has one. */
function withExitCode(thrown: unknown, exitCode: number): Error {
  const error = asError(thrown);
  return "exitCode" in error ? error : Object.assign(error, { exitCode });
}

/** Starts a container. One that cannot be has nothing of the machine left; with --rm it goes. */
async function startMade(
  engine: Engine,
  made: HandContainer,
  options: Parameters<typeof startHand>[2] = {},
): Promise<HandContainer> {
  try {
    return await startHand(engine, made, options);
  } catch (error) {
    const found = engine.containers.find(made.record.id);
    const state = found?.record.phase.state;
    if (state === "exited") {
      await release(engine, found!);
      throw withExitCode(error, programCode(error, 125));
    }
    if (state === "created") await removeHand(engine, found!, { volumes: true });
    throw error;
  }
}

async function inBackground(
  host: Host,
  flags: Flags,
  image: string,
  args: string[],
): Promise<number> {
  const { record } = await withEngine(host, async (engine) => {
    return startMade(engine, await make(engine, flags, image, args));
  });
  process.stdout.write(`${record.id}\n`);
  return 0;
}

async function inForeground(
  host: Host,
  flags: Flags,
  image: string,
  args: string[],
): Promise<number> {
  const tty = flags.tty ?? false;
  const stdin = flags.interactive ? process.stdin : undefined;
  let over: Promise<"ended" | "detached"> | undefined;
  const container = await withEngine(host, async (engine) => {
    const made = await make(engine, flags, image, args);
    const paths = pathsOf(host).container(made.record.id);
    const created = async () => {
      over = attachHere(paths, stdin, { tty, keys: flags.detachKeys }).over;
    };
    return startMade(engine, made, { created, isWatched: true });
  });
  const stop = passSignals(container, { tty });
  const how = await over;
  stop();
  if (how === "detached") return 0;
  const code = await exitOf(host, container);
  await withEngine(host, async (engine) => {
    const found = engine.containers.find(container.record.id);
    if (found?.record.phase.state === "exited") await release(engine, found);
  });
  return code;
}
