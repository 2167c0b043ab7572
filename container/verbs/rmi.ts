import { RuntimeError } from "@raft2kube/runtime/errors.ts";
import { Command } from "commander";
import { withEngine } from "../engine/engine.ts";
import type { FindHost } from "../engine/host.ts";
import { getImage } from "../engine/images.ts";
import type { Engine } from "../engine/open-engine.ts";
import { each } from "./each.ts";

export function command(find: FindHost): Command {
  return new Command("rmi")
    .argument("<image...>")
    .description("Remove images, or their names.")
    .option("-f, --force", "also with several names, or with containers that have ended")
    .action(async (names: string[], { force = false }: { force?: boolean }) => {
      const host = await find();
      await each(names, async (name) => {
        const done = await withEngine(host, (engine) => remove(engine, name, force));
        process.stdout.write(`${done}\n`);
      });
    });
}

async function remove(engine: Engine, name: string, force: boolean): Promise<string> {
  const { runtime, containers } = engine;
  const image = getImage(runtime, name);
  const isId = /^(sha256:)?[0-9a-f]+$/.test(name) && image.id.includes(name);
  const names = image.repoTags.length;
  if (names > 1 && !isId) {
    await runtime.images.untag(name);
    return `Untagged: ${name}`;
  }
  if (names > 1 && !force) {
    throw new RuntimeError("failed-precondition", `image ${name} has ${names} names`, {
      remedy: "remove it by its names, or with -f",
    });
  }
  const users = [
    ...containers.all().map(({ record }) => record),
    ...(await runtime.others.containers()),
  ].filter((record) => record.image.id === image.id);
  const user =
    users.find(({ phase }) => phase.state !== "exited") ?? (force ? undefined : users[0]);
  if (user) {
    const id = user.id.slice(0, 12);
    throw new RuntimeError("failed-precondition", `image ${name} is used by container ${id}`, {
      remedy: `remove that first: r2k container rm ${id}`,
    });
  }
  await runtime.images.remove(image.id);
  return `Deleted: ${image.id}`;
}
