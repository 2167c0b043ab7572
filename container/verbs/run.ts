import { withEngine } from "../engine/engine.ts";
import { foreground } from "../engine/foreground.ts";
import type { HandContainer } from "../engine/hand.ts";
import type { Host } from "../engine/host.ts";
import { getImage, imageToRun, openImages } from "../engine/images.ts";
import type { Engine } from "../engine/open-engine.ts";
import { release, removeHand } from "../engine/settle.ts";
import { startHand } from "../engine/start.ts";
import { programCode } from "../engine/wait.ts";
import { print } from "../format/list.ts";
import { createHand } from "../run/create.ts";
import { DETACH_KEYS, RUN_FLAGS, type RunFlags } from "../run/flags.ts";
import { FAILED_CODE, type Verb, verb, withExitCode } from "../verb.ts";

export const create = verb(
  "create <image> [command...]",
  "Create a container without starting it.",
  RUN_FLAGS,
  async (host, [image, args], flags) => {
    await imageToRun(await openImages(host), image, flags.pull);
    const { record } = await withEngine(host, async (engine) => {
      const made = await make(engine, flags, image, args);
      return engine.containers.change(made, { isUnfinished: false });
    });
    print([record.id]);
  },
);

const runHere = verb(
  "run <image> [command...]",
  "Create a container and start it.",
  { ...RUN_FLAGS, ...DETACH_KEYS, "-d, --detach": "in the background: print its id" },
  (host, [image, args], flags) =>
    asDocker(async () => {
      // Before the lock: a registry may be slow.
      await imageToRun(await openImages(host), image, flags.pull);
      if (!flags.detach) return inForeground(host, flags, image, args);
      const { record } = await withEngine(host, async (engine) => {
        return startMade(engine, await make(engine, flags, image, args));
      });
      print([record.id]);
    }),
);

/** `run`: a container, started; in the foreground until it ends. A refused host is 125 too. */
export const run: Verb = (find) => runHere(() => asDocker(find));

async function make(engine: Engine, flags: RunFlags, name: string, args: string[]) {
  const { images } = engine.runtime;
  // A name, or the whole id where the beginning of one was given.
  const image = images.find(name) ? name : getImage({ images }, name).id;
  return await createHand(engine, flags, { image, args });
}

/** Runs a command whose failure has docker's exit code, if it is not of the program. */
const asDocker = <T>(work: () => Promise<T>): Promise<T> =>
  work().catch((thrown: unknown) => {
    throw withExitCode(thrown, FAILED_CODE);
  });

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
      throw withExitCode(error, programCode(error, FAILED_CODE));
    }
    if (state === "created") await removeHand(engine, found!, { volumes: true });
    throw error;
  }
}

async function inForeground(
  host: Host,
  flags: RunFlags & { detachKeys: string },
  image: string,
  args: string[],
): Promise<void> {
  let here: ReturnType<typeof foreground> | undefined;
  const container = await withEngine(host, async (engine) => {
    const made = await make(engine, flags, image, args);
    const created = async () => {
      here = foreground(host, made, { keys: flags.detachKeys, isInput: flags.interactive });
    };
    return startMade(engine, made, { created, isWatched: true });
  });
  process.exitCode = await here!.code(container);
  if (process.exitCode === undefined) return;
  await withEngine(host, async (engine) => {
    const found = engine.containers.find(container.record.id);
    if (found?.record.phase.state === "exited") await release(engine, found);
  });
}
