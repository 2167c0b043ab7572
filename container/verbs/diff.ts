import { Directory } from "@raft2kube/linux/beneath/directory.ts";
import { isWhiteout } from "@raft2kube/runtime/image/whiteout.ts";
import { isManaged } from "../build/layer.ts";
import { withEngine } from "../engine/engine.ts";
import { print } from "../format/list.ts";
import { verb } from "../verb.ts";

export const diff = verb(
  "diff <container>",
  "What a container has added (A), changed (C) and removed (D).",
  {},
  async (host, [name]) =>
    withEngine(host, async ({ containers, runtime }) => {
      const { record } = containers.get(name);
      using stack = new DisposableStack();
      const folders = runtime.images.lowerDirectories(record.image);
      const layers = folders.map((folder) => stack.use(Directory.open(folder)));
      const upper = stack.use(Directory.open(runtime.paths.container(record.id).upper));
      print([...changes(upper, layers, "")]);
    }),
);

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
    // Folders that a runtime mounts on, and makes where an image has none.
    if (/^(dev|proc|sys)$/.test(place) && !isBelow(layers, place)) continue;
    using handle = directory.handle(name);
    const letter = isWhiteout(handle) ? "D" : isBelow(layers, place) ? "C" : "A";
    yield `${letter} /${Buffer.from(place, "latin1").toString()}`;
    if (letter === "D" || !handle.stats().isDirectory()) continue;
    using inner = directory.directory(name);
    yield* changes(inner, layers, `${place}/`);
  }
}
