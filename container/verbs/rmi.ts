import { RuntimeError } from "@raft2kube/runtime/errors.ts";
import { eachIn } from "../engine/each.ts";
import { getImage, shortName, usersOfImages } from "../engine/images.ts";
import type { Engine } from "../engine/open-engine.ts";
import { shortId } from "../format/words.ts";
import { verb } from "../verb.ts";

export const rmi = verb(
  "rmi <image...>",
  "Remove images, or their names.",
  { "-f, --force": "also with several names, or with containers that have ended" },
  (host, [names], { force }) => eachIn(host, names, (engine, name) => remove(engine, name, force)),
);

async function remove(engine: Engine, name: string, force: boolean): Promise<string> {
  const { images } = engine.runtime;
  const image = getImage({ images }, name);
  const isId = /^(sha256:)?[0-9a-f]+$/.test(name) && image.id.includes(name);
  const names = image.repoTags.length;
  if (names > 1 && !isId) {
    await images.untag(name);
    return `Untagged: ${shortName(name)}`;
  }
  if (names > 1 && !force) {
    throw new RuntimeError("failed-precondition", `image ${name} has ${names} names`, {
      remedy: "remove it by its names, or with -f",
    });
  }
  const users = (await usersOfImages(engine)).filter((record) => record.image.id === image.id);
  const user =
    users.find(({ phase }) => phase.state !== "exited") ?? (force ? undefined : users[0]);
  if (user) {
    const id = shortId(user.id);
    throw new RuntimeError("failed-precondition", `image ${name} is used by container ${id}`, {
      remedy: `remove that first: r2k container rm ${id}`,
    });
  }
  await images.remove(image.id);
  const untagged = image.repoTags.map((tag) => `Untagged: ${shortName(tag)}\n`).join("");
  return `${untagged}Deleted: ${image.id}`;
}
