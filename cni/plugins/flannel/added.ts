import * as promises from "node:fs/promises";
import { join } from "node:path";
import { errno, isErrno, tolerate } from "@raft2kube/std/errors.ts";
import { jsonOrNothing } from "@raft2kube/std/json-or-nothing.ts";
import type { PluginRequest } from "../../lib/types.ts";

type Config = PluginRequest["config"];

/**
 * The configurations that containers were added with, a file for each container: DEL needs them
 * when subnet.env has changed or is gone. Their format is the reference plugin's.
 */
export function addedConfigs(dir: string, network: string, files = promises) {
  const file = (containerId: string) => join(dir, containerId);
  // Neither a container's nor a network's name has the @.
  const unfinished = `@${network}.new`;
  const fresh = (containerId: string) => `${file(containerId)}${unfinished}`;

  const write = async (containerId: string, text: string) => {
    await files.writeFile(fresh(containerId), text, { mode: 0o600 });
    await files.rename(fresh(containerId), file(containerId));
  };

  const added = {
    async put(containerId: string, config: Config): Promise<void> {
      await files.mkdir(dir, { recursive: true, mode: 0o700 });
      const text = JSON.stringify(config);
      try {
        await write(containerId, text);
      } catch (thrown) {
        if (!isErrno(thrown, "ENOENT")) throw thrown;
        await write(containerId, text); // `collect` deleted the unfinished file
      }
    },

    /** Reads the configuration; undefined without a record, or if that was cut short. */
    async get(containerId: string): Promise<Config | undefined> {
      const text = await tolerate(files.readFile(file(containerId), "utf8"), errno("ENOENT"));
      // A loss of power may leave an empty file. The link is gone; GC gives the address back.
      return jsonOrNothing(text ?? "") as Config | undefined;
    },

    /** Deletes the file, also of a container whose ADD was killed while it wrote the file. */
    async delete(containerId: string): Promise<void> {
      await files.rm(fresh(containerId), { force: true });
      await files.rm(file(containerId), { force: true });
    },

    /** Deletes this network's, except those of the containers that are kept. */
    async collect(kept: ReadonlySet<string>): Promise<void> {
      for (const containerId of await containersIn(dir, unfinished)) {
        if (kept.has(containerId)) continue;
        const config = await added.get(containerId);
        // Without a record its ADD was killed, or is about to make the record, which DEL needs.
        if (!config) await files.rm(fresh(containerId), { force: true });
        // Networks may share the folder.
        else if ((config.name ?? network) === network) await added.delete(containerId);
      }
    },
  };
  return added;
}

/** Ids of all containers that have a file, of any network, or an unfinished one of this. */
async function containersIn(dir: string, unfinished: string): Promise<string[]> {
  try {
    const names = (await promises.readdir(dir)).map((name) =>
      name.endsWith(unfinished) ? name.slice(0, -unfinished.length) : name,
    );
    return [...new Set(names)].filter((name) => !name.endsWith(".new"));
  } catch (thrown) {
    if (isErrno(thrown, "ENOENT")) return [];
    throw thrown;
  }
}
