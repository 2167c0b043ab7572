import { RuntimeError } from "@raft2kube/runtime/errors.ts";
import { Command } from "commander";
import { draftOf, storeImage, withStep } from "../build/image.ts";
import { storeLayer } from "../build/layer.ts";
import { changeDefaults } from "../build/metadata.ts";
import { parseDockerfile } from "../build/parse.ts";
import { withEngine } from "../engine/engine.ts";
import { whileFrozen } from "../engine/freeze.ts";
import type { FindHost } from "../engine/host.ts";
import type { Engine } from "../engine/open-engine.ts";
import { settingsOf } from "../engine/settings.ts";
import { many } from "../run/flags.ts";

type Flags = { author?: string; message?: string; change: string[]; pause: boolean };

export function command(find: FindHost): Command {
  return new Command("commit")
    .argument("<container>")
    .argument("[name]")
    .description("Make an image of what a container has written.")
    .option("-a, --author <author>", "who made it")
    .option("-m, --message <text>", "what for")
    .option("--no-pause", "while its processes go on")
    .addOption(
      many(
        "-c, --change <instruction>",
        "CMD, ENTRYPOINT, ENV, EXPOSE, LABEL, USER, VOLUME, WORKDIR, ...",
      ),
    )
    .action(async (container: string, name: string | undefined, flags: Flags) => {
      const id = await withEngine(await find(), (engine) => commit(engine, container, name, flags));
      process.stdout.write(`${id}\n`);
    });
}

async function commit(
  engine: Engine,
  container: string,
  name: string | undefined,
  flags: Flags,
): Promise<string> {
  const { runtime, containers, host } = engine;
  const found = containers.get(container);
  const { record } = found;
  const { images } = runtime;
  // docker's commit: the container's settings, of its flags too.
  let draft = { ...draftOf(images.get(record.image.id)), defaults: settingsOf(engine, found) };
  for (const instruction of parseDockerfile(flags.change.join("\n"))) {
    const changed = changeDefaults(draft.defaults, instruction);
    if (changed === undefined) {
      throw new RuntimeError("invalid-argument", `-c ${instruction.name} changes no setting`);
    }
    draft = { ...draft, defaults: changed };
  }
  const created = new Date(host.clock.now()).toISOString();
  const store = () =>
    images.receive(async () => {
      const layer = await storeLayer(images, runtime.paths.container(record.id).upper);
      const step = {
        created,
        created_by: record.config.command.join(" "),
        ...(flags.author !== undefined && { author: flags.author }),
        ...(flags.message !== undefined && { comment: flags.message }),
      };
      const names = name === undefined ? [] : [name];
      const made = { ...draft, ...(flags.author !== undefined && { author: flags.author }) };
      return storeImage(images, withStep(made, layer, step), { names, created });
    });
  return (await (flags.pause ? whileFrozen(engine, found, store) : store())).id;
}
