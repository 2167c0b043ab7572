import { Directory } from "@raft2kube/linux/beneath/directory.ts";
import { isWhiteout } from "@raft2kube/runtime/image/whiteout.ts";
import { Command } from "commander";
import { isManaged } from "../build/managed.ts";
import { withEngine } from "../engine/engine.ts";
import type { FindHost } from "../engine/host.ts";
import { print } from "../format/list.ts";

export function command(find: FindHost): Command {
  return new Command("diff")
    .argument("<container>")
    .description("What a container has added (A), changed (C) and removed (D).")
    .action(async (name: string) => {
      const lines = await withEngine(await find(), async ({ containers, runtime }) => {
        const { record } = containers.get(name);
        const { images, paths } = runtime;
        const folders = record.image.diffIds.map((id) => images.layers.folder(id)).reverse();
        using stack = new DisposableStack();
        const layers = folders.map((folder) => stack.use(Directory.open(folder)));
        const upper = stack.use(Directory.open(paths.container(record.id).upper));
        return [...changes(upper, layers, "")];
      });
      print(lines);
    });
}

/** Whether a lower layer has the place, the topmost that says so deciding. */
function isBelow(layers: readonly Directory[], place: string): boolean {
  for (const layer of layers) {
    using found = layer.find(Buffer.from(place, "latin1"));
    if (found !== undefined) return !isWhiteout(found);
  }
  return false;
}

function* changes(
  directory: Directory,
  layers: readonly Directory[],
  prefix: string,
): Generator<string> {
  for (const name of [...directory.names()].sort(Buffer.compare)) {
    const place = prefix + name.toString("latin1");
    if (isManaged(place)) continue;
    using handle = directory.handle(name);
    const shown = `/${Buffer.from(place, "latin1").toString()}`;
    if (isWhiteout(handle)) {
      yield `D ${shown}`;
      continue;
    }
    yield `${isBelow(layers, place) ? "C" : "A"} ${shown}`;
    if (!handle.stats().isDirectory()) continue;
    using inner = directory.directory(name);
    yield* changes(inner, layers, `${place}/`);
  }
}
