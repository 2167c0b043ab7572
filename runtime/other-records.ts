import path from "node:path";
import { namesIn } from "@raft2kube/linux/file/names-in.ts";
import { errno, tolerate } from "@raft2kube/std/errors.ts";
import { CONTAINER_STATE, type ContainerRecord } from "./container/record.ts";
import { layersOf } from "./image/store.ts";
import { runtimePaths } from "./paths.ts";
import { SANDBOX_STATE, type SandboxRecord } from "./sandbox/record.ts";
import { readState, type StateKind } from "./state-file.ts";

async function records<T>(
  folder: string,
  kind: StateKind,
  fileOf: (id: string) => string,
): Promise<T[]> {
  const all = (await names(folder)).map((id) => readState<T>(fileOf(id), kind));
  return all.filter((record) => record !== undefined);
}

async function names(folder: string): Promise<string[]> {
  return (await tolerate(namesIn(folder), errno("ENOENT"))) ?? [];
}

function containersBelow(root: string): Promise<ContainerRecord[]> {
  const paths = runtimePaths(root, root);
  return records(paths.containers, CONTAINER_STATE, (id) => paths.container(id).record);
}

/** Ids of the layers that containers of other runtimes stand on. */
export async function layersOfOthers(roots: readonly string[]): Promise<string[]> {
  const all = await Promise.all(roots.map(containersBelow));
  return all.flat().flatMap(({ image }) => layersOf(image));
}

/** Records of other runtimes that use the same images, read from disk each time. */
export class OtherRecords {
  readonly #roots: readonly string[];

  constructor(roots: readonly string[]) {
    this.#roots = roots.map((root) => path.resolve(root));
  }

  async containers(): Promise<ContainerRecord[]> {
    return (await Promise.all(this.#roots.map(containersBelow))).flat();
  }

  async sandboxes(): Promise<SandboxRecord[]> {
    const all = await Promise.all(
      this.#roots.map((root) => {
        const paths = runtimePaths(root, root);
        return records<SandboxRecord>(
          paths.sandboxes,
          SANDBOX_STATE,
          (id) => paths.sandbox(id).record,
        );
      }),
    );
    return all.flat();
  }
}
