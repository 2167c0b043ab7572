import { RuntimeError } from "@raft2kube/runtime/errors.ts";
import { Command } from "commander";
import type { FindHost } from "../engine/host.ts";
import { getImage } from "../engine/images.ts";
import type { Engine } from "../engine/open-engine.ts";
import { eachIn } from "./each.ts";

export function command(find: FindHost): Command {
  return new Command("rmi")
    .argument("<image...>")
    .description("Remove images, or their names.")
    .option("-f, --force", "also with several names, or with containers that have ended")
    .action((names: string[], { force = false }: { force?: boolean }) =>
      eachIn(find, names, (engine, name) => remove(engine, name, force)),
    );
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
