import { mkdir, readdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { isErrno, messageOf } from "@raft2kube/std/errors.ts";
import { CniError } from "../../lib/errors.ts";
import type { PluginRequest } from "../../lib/types.ts";

type Config = PluginRequest["config"];

/**
 * The configurations that containers were added with, a file for each container: DEL needs them
 * when subnet.env has changed or is gone. The files are the reference plugin's.
 */
export function addedConfigs(dir: string, network: string) {
  const file = (containerId: string) => join(dir, containerId);
  // Neither a container's nor a network's name has the @.
  const unfinished = `@${network}.new`;
  const fresh = (containerId: string) => `${file(containerId)}${unfinished}`;

  return {
    async put(containerId: string, config: Config): Promise<void> {
      await mkdir(dir, { recursive: true, mode: 0o700 });
      await writeFile(fresh(containerId), JSON.stringify(config), { mode: 0o600 });
      await rename(fresh(containerId), file(containerId));
    },

    /** Undefined when the container was not added, or is deleted. */
    async get(containerId: string): Promise<Config | undefined> {
      let text: string;
      try {
        text = await readFile(file(containerId), "utf8");
      } catch (thrown) {
        if (isErrno(thrown, "ENOENT")) return undefined;
        throw thrown;
      }
      try {
        return JSON.parse(text) as Config;
      } catch (thrown) {
        const what = `${file(containerId)}: ${messageOf(thrown)}`;
        const remedy = "delete the file; the container's link goes with its namespace";
        throw new CniError("decoding-failure", what, { cause: thrown, remedy });
      }
    },

    /** Also of a container whose ADD was killed while it wrote the file. */
    async delete(containerId: string): Promise<void> {
      await rm(fresh(containerId), { force: true });
      await rm(file(containerId), { force: true });
    },

    /** Ids of all containers that have one, of any network, or an unfinished one of this. */
    async list(): Promise<string[]> {
      try {
        const names = (await readdir(dir)).map((name) =>
          name.endsWith(unfinished) ? name.slice(0, -unfinished.length) : name);
        return [...new Set(names)].filter((name) => !name.endsWith(".new"));
      } catch (thrown) {
        if (isErrno(thrown, "ENOENT")) return [];
        throw thrown;
      }
    },
  };
}
