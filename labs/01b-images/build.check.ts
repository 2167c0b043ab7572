import { existsSync, readdirSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Builder } from "@raft2kube/container/build/builder.ts";
import { BuildCache } from "@raft2kube/container/build/cache.ts";
import { type Draft, emptyDraft, storeImage, withStep } from "@raft2kube/container/build/image.ts";
import { progressOf } from "@raft2kube/container/build/progress.ts";
import { keyOf, layerStep, type StageState } from "@raft2kube/container/build/stage.ts";
import { Volumes } from "@raft2kube/container/engine/volumes.ts";
import { digestOf } from "@raft2kube/runtime/image/blobs.ts";
import { ImageStore } from "@raft2kube/runtime/image/store.ts";
import { systemClock } from "@raft2kube/std/clock.ts";
import { check } from "../check.ts";
import { judge } from "../judge.ts";
import { mustEqual, mustPass } from "../must.ts";
import { Layers, pathsIn, tarOf } from "./layers.ts";

const clock = systemClock();
const CREATED = "2026-01-01T00:00:00.000Z";
const OPTIONS = {
  buildArgs: {},
  labels: {},
  noCache: false,
  network: "none",
  explain: false,
  epoch_ms: undefined,
};

async function storeIn(layers: Layers): Promise<ImageStore> {
  const store = new ImageStore(layers.at("images"), () => []);
  await store.open();
  return store;
}

check("layer: half of one, or another one, is not taken for it", async () => {
  using layers = new Layers();
  const store = await storeIn(layers);
  const { tar, diffId } = await tarOf([
    { name: "a", content: "a" },
    { name: "b", content: "b" },
  ]);
  const other = await tarOf([{ name: "a", content: "evil" }]);
  async function* broken() {
    yield tar.subarray(0, 1024);
    throw new Error("the connection broke");
  }
  async function* whole(bytes: Buffer) {
    yield bytes;
  }
  const folder = store.layers.folder(diffId);
  for (const [when, source, says] of [
    ["a download that breaks off after the first file", broken(), /connection broke/],
    ["a tar whose hash is not the diff id", whole(other.tar), /expected sha256/],
  ] as const) {
    let happened: unknown;
    await store.layers
      .add(diffId, "sha256:x", () => source)
      .catch((thrown: unknown) => {
        happened = thrown;
      });
    if (/not written yet/.test(String(happened))) throw happened;
    judge(says.test(String(happened)) && !existsSync(folder), {
      when,
      expected: "an error, and no layer",
      happened: `${String(happened)}; a layer: ${existsSync(folder)}`,
      why: "every image that names this diff id would stand on it from then on",
    });
  }
  mustEqual(readdirSync(layers.at("images/layers")), [], {
    when: "the folder of layers after both failures",
    why: "leftovers fill the disk",
  });
  await store.layers.add(diffId, diffId, () => whole(tar));
  mustEqual(pathsIn(folder), ["a", "b"], { when: "the whole tar", why: "the next attempt works" });
  const usage = await store.layers.usage(diffId);
  mustEqual(usage?.entries, 2, {
    when: "the state of the layer",
    why: "a folder without a state counts as absent",
  });
});

check("image: a step adds its layer and its history, or its history alone", () => {
  const first = withStep(
    emptyDraft(),
    { diffId: "sha256:1", size: 10, entries: 1 },
    { created: CREATED, created_by: "COPY a /a" },
  );
  const second = withStep(first, undefined, { created: CREATED, created_by: "ENV A=1" });
  mustEqual(
    [second.diffIds, second.layers.map(({ digest, size }) => [digest, size])],
    [["sha256:1"], [["sha256:1", 10]]],
    { when: "COPY, then ENV", why: "ENV changes no file: an empty layer would cost a mount" },
  );
  mustEqual(
    second.history.map(({ empty_layer = false }) => empty_layer),
    [false, true],
    {
      when: "empty_layer in the history",
      why: "the n-th history entry without it is the n-th layer (image spec, config.md)",
    },
  );
  mustEqual(first.history.length, 1, {
    when: "the draft before the second step",
    why: "two stages may stand on one draft",
  });
});

check("image: manifest and configuration name all by digest", async () => {
  using layers = new Layers();
  const store = await storeIn(layers);
  const { tar, diffId } = await tarOf([{ name: "a", content: "a" }]);
  const made = await store.receive(async () => {
    await store.blobs.put(tar);
    const step = { created: CREATED, created_by: "COPY a /a" };
    const draft: Draft = {
      ...withStep(emptyDraft(), { diffId, size: tar.length, entries: 1 }, step),
      defaults: { Cmd: ["/a"] },
    };
    const names = ["lab.local/one:1", "lab.local/one:2"];
    return mustPass(storeImage(store, draft, { names, created: CREATED }), {
      when: "storing an image of one layer",
      expected: "it is stored and named",
      why: "store.add checks each digest, size and diff id",
    });
  });
  const read = async (digest: string) => {
    const bytes = await store.blobs.read(digest, 1 << 20);
    const json = JSON.parse(bytes.toString()) as Record<string, unknown>;
    return { found: digestOf(bytes), json };
  };
  const manifest = await read(made.manifestDigest);
  const config = await read(made.id);
  mustEqual([manifest.found, config.found], [made.manifestDigest, made.id], {
    when: "the hashes of manifest and configuration",
    why: "a name is the content's hash, or a lie",
  });
  const { rootfs, created } = config.json as { rootfs: object; created: string };
  mustEqual([rootfs, created], [{ type: "layers", diff_ids: [diffId] }, CREATED], {
    when: "the configuration",
    why: "diff ids are hashes of the plain tars, digests those of what travels",
  });
  mustEqual(made.repoTags, ["lab.local/one:1", "lab.local/one:2"], {
    when: "its names",
    why: "both tags were asked for",
  });
});

function builderIn(layers: Layers, images: ImageStore): Builder {
  for (const name of ["work", "state"]) layers.make(name);
  return {
    images,
    cache: new BuildCache(layers.at("images")),
    host: { clock },
    work: layers.at("work"),
    state: layers.at("state"),
  } as unknown as Builder;
}

/** FROM scratch, COPY a and b, ENV, RUN rm a: counts how often a step is made. */
async function buildOf(builder: Builder, options = OPTIONS, content = "a") {
  let made = 0;
  let state: StageState = {
    draft: emptyDraft(),
    key: keyOf("scratch"),
    wasCached: true,
    args: new Map(),
    setsCmd: false,
  };
  const step = async (history: string, parts: unknown[], make: (rootfs: string) => void) => {
    state = await layerStep(builder, options, state, {
      key: keyOf(state.key, history, ...parts),
      history,
      progress: progressOf("quiet", clock)(history),
      make: async (rootfs) => {
        made++;
        make(rootfs);
      },
    });
  };
  await step("COPY a b /", [content], (rootfs) => {
    for (const name of ["a", "b"]) writeFileSync(join(rootfs, name), content);
  });
  const draft = withStep(state.draft, undefined, { created: CREATED, created_by: "ENV A=1" });
  state = { ...state, draft, key: keyOf(state.key, "ENV A=1") };
  await step("RUN rm /a", [], (rootfs) => rmSync(join(rootfs, "a")));
  return { state, made };
}

check("build: three instructions are two layers, which the cache has the second time", async () => {
  using layers = new Layers();
  const store = await storeIn(layers);
  const builder = builderIn(layers, store);
  await store.receive(async () => {
    const first = await buildOf(builder);
    const { diffIds, history } = first.state.draft;
    mustEqual([diffIds.length, history.length, first.made], [2, 3, 2], {
      when: "layers, steps of the history, steps that were made",
      why: "an instruction that changes files is a layer; the others are history",
    });
    const folders = diffIds.map((diffId) => store.layers.folder(diffId));
    mustEqual(layers.seen(...folders), ["b"], {
      when: "the root of the image",
      why: "rm is a whiteout: the layer below still has a",
    });
    const again = await buildOf(builder);
    mustEqual([again.made, again.state.draft.diffIds], [0, diffIds], {
      when: "the same build again",
      why: "most builds change one line: the others cost nothing",
    });
    mustEqual(again.state.wasCached, true, { when: "wasCached", why: "--explain says why" });
    const changed = await buildOf(builder, OPTIONS, "other");
    mustEqual(changed.made, 2, {
      when: "the build with another file a",
      why: "the step after it stands on other files: its old result is another image's",
    });
    const without = await buildOf(builder, { ...OPTIONS, noCache: true });
    mustEqual(without.made, 2, { when: "--no-cache", why: "the person asked for it" });
  });
});

check("build: a step that fails is in no cache", async () => {
  using layers = new Layers();
  const store = await storeIn(layers);
  const builder = builderIn(layers, store);
  const state: StageState = {
    draft: emptyDraft(),
    key: keyOf("scratch"),
    wasCached: true,
    args: new Map(),
    setsCmd: false,
  };
  let ends = 0;
  const step = (fails: boolean) =>
    layerStep(builder, OPTIONS, state, {
      key: keyOf("RUN", "x"),
      history: "RUN x",
      progress: progressOf("quiet", clock)("RUN x"),
      make: async (rootfs) => {
        ends++;
        writeFileSync(join(rootfs, "half"), "half");
        if (fails) throw new TypeError("exit code 1");
      },
    });
  await store.receive(async () => {
    let happened = "it succeeded";
    await step(true).catch((thrown: unknown) => (happened = String(thrown)));
    if (/not written yet/.test(happened)) throw new Error(happened);
    mustEqual(happened, "TypeError: exit code 1", {
      when: "a step whose command fails",
      why: "the build ends with the command's own error",
    });
    await step(false);
    mustEqual(ends, 2, {
      when: "the same step again",
      why: "half a step in the cache is half in every image after it",
    });
  });
});

check("volume: an empty one gets what the image has there, whole or not at all", async () => {
  using layers = new Layers();
  const rootfs = layers.make("rootfs");
  writeFileSync(join(layers.make("rootfs/data/d"), "x"), "x");
  const volumes = new Volumes(layers.at("volumes"), clock);
  const why = "a database that starts on an empty volume takes it from its image";
  const fill = (name: string, place: string, when: string, reason = why) =>
    mustPass(volumes.fill(name, rootfs, place), { when, expected: "no error", why: reason });
  const hasData = "it has data: nothing is copied over them";
  const isHalf = "half a copy looks like data";
  await volumes.ensure("v");
  await fill("v", "/data", "a new volume over /data");
  const data = volumes.dataOf("v");
  mustEqual(pathsIn(data), ["d/", "d/x"], { when: "a new volume over /data", why });
  writeFileSync(join(data, "own"), "own");
  writeFileSync(join(rootfs, "data/later"), "");
  await fill("v", "/data", "a volume that has data", hasData);
  mustEqual(pathsIn(data), ["d/", "d/x", "own"], {
    when: "the same volume in another container",
    why: hasData,
  });
  await volumes.ensure("w");
  writeFileSync(join(layers.make("volumes/w/_data.new"), "half"), "half");
  await fill("w", "/data", "a copy that was cut short, and the next one", isHalf);
  mustEqual(pathsIn(volumes.dataOf("w")), ["d/", "d/x", "later"], {
    when: "a copy that was cut short, and the next one",
    why: isHalf,
  });
  await volumes.ensure("n");
  await fill("n", "/nowhere", "a place that the image has not");
  mustEqual(pathsIn(volumes.dataOf("n")), [], { when: "a place that the image has not", why });
});

check("volume: a link of the image leads to no folder of the machine", async () => {
  using layers = new Layers();
  const rootfs = layers.make("rootfs");
  writeFileSync(join(layers.make("secret"), "key"), "key");
  symlinkSync(layers.at("secret"), join(rootfs, "data"));
  const volumes = new Volumes(layers.at("volumes"), clock);
  await volumes.ensure("v");
  await volumes.fill("v", rootfs, "/data");
  mustEqual(pathsIn(volumes.dataOf("v")), [], {
    when: `an image whose /data is a link to ${layers.at("secret")}`,
    why: "the copy is root's on the machine, and the container reads the volume",
  });
});
