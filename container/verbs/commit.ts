import { given } from "@raft2kube/std/given.ts";
import { draftOf, storeImage, withStep } from "../build/image.ts";
import { storeLayer } from "../build/layer.ts";
import { changedBy } from "../build/metadata.ts";
import { withEngine } from "../engine/engine.ts";
import { settingsOf } from "../engine/settings.ts";
import { print } from "../format/list.ts";
import { verb } from "../verb.ts";

export const commit = verb(
  "commit <container> [name]",
  "Make an image of what a container has written.",
  {
    "-a, --author <author>": "who made it",
    "-m, --message <text>": "what for",
    "--no-pause": "as without: its processes go on",
    "-c, --change <instruction>...":
      "CMD, ENTRYPOINT, ENV, EXPOSE, LABEL, USER, VOLUME, WORKDIR, ...",
  },
  async (host, [container, name], { author, message, change }) => {
    const { id } = await withEngine(host, async (engine) => {
      const { images, paths } = engine.runtime;
      const found = engine.containers.get(container);
      const { record } = found;
      // docker's commit: the container's settings, of its flags too.
      const defaults = changedBy(change, settingsOf(engine, found));
      const draft = { ...draftOf(images.get(record.image.id)), defaults };
      const created = new Date(host.clock.now()).toISOString();
      return images.receive(async () => {
        const layer = await storeLayer(images, paths.container(record.id).upper);
        const created_by = record.config.command.join(" ");
        const step = given({ created, created_by, author, comment: message });
        const made = withStep({ ...draft, ...given({ author }) }, layer, step);
        return storeImage(images, made, { names: name === undefined ? [] : [name], created });
      });
    });
    print([id]);
  },
);
