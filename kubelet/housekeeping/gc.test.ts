import { mkdirSync } from "node:fs";
import { join } from "node:path";
import type { Pod } from "@raft2kube/api/gen/core/v1.ts";
import { type Image, PodSandboxState } from "@raft2kube/proto/gen/cri.ts";
import { ManualClock } from "@raft2kube/std/clock.ts";
import { describe, expect, test } from "vitest";
import { testFolder } from "../../testing/folders.ts";
import { GRACE_ANNOTATION } from "../containers/container-config.ts";
import type { ObservedContainer, ObservedPod } from "../cri/observed.ts";
import type { Runtime } from "../cri/runtime.ts";
import { IMAGE_GC_MIN_AGE_MS, IMAGES_MAX, ORPHAN_GRACE_S_MAX } from "../limits.ts";
import { POD_NAME_LABEL, POD_NAMESPACE_LABEL, POD_UID_LABEL } from "../pods/pod-labels.ts";
import type { PodWorker } from "../sync/worker.ts";
import { collectContainers, garbageOf } from "./container-gc.ts";
import { ImageGc, planImageGc } from "./image-gc.ts";
import { sweepOrphans } from "./sweep.ts";

const container = (id: string, state: ObservedContainer["state"], sandboxId = "s1") =>
  ({ id, name: id[0]!, state, sandboxId }) as ObservedContainer;
const sandbox = (id: string, ready: boolean) => ({ id, ready }) as ObservedPod["sandboxes"][number];
const pod = (containers: ObservedContainer[], sandboxes = [sandbox("s1", true)]) =>
  ({ uid: "u", name: "p", namespace: "n", containers, sandboxes }) satisfies ObservedPod;

describe("container garbage", () => {
  test("one dead container of each name is kept beside the running one", () => {
    const containers = [
      container("a3", "running"),
      container("a2", "exited"),
      container("a1", "exited"),
      container("b1", "exited"),
    ];
    expect(garbageOf(pod(containers)).containers.map(({ id }) => id)).toEqual(["a1"]);
  });

  test("old sandboxes go once nothing kept is in them", () => {
    const sandboxes = [sandbox("s3", false), sandbox("s2", false), sandbox("s1", false)];
    const { sandboxes: garbage } = garbageOf(pod([container("a1", "exited", "s2")], sandboxes));
    expect(garbage.map(({ id }) => id)).toEqual(["s1"]);
  });
});

test("a pod whose sandbox cannot be removed, or takes long, does not delay another's", async () => {
  const removed = Promise.withResolvers<string>();
  const runtime = {
    runtime: {
      listPodSandbox: async ({ filter }: { filter: { labelSelector: object } }) => {
        const [uid] = Object.values(filter.labelSelector);
        return { items: [{ id: `new-${uid}` }, { id: `old-${uid}` }] };
      },
      podSandboxStatus: async ({ podSandboxId: id }: { podSandboxId: string }) => ({
        status: {
          id,
          state: PodSandboxState.SANDBOX_NOTREADY,
          createdAt: id.startsWith("new") ? 1_000_000n : 0n,
        },
      }),
      listContainers: async () => ({ containers: [] }),
      async removePodSandbox({ podSandboxId: id }: { podSandboxId: string }) {
        if (id === "old-busy") throw new Error("busy");
        if (id === "old-long") await new Promise(() => undefined);
        removed.resolve(id);
      },
    },
  } as unknown as Runtime;
  const workers = ["busy", "long", "well"].map((uid) => ({
    uid,
    pod: { metadata: { uid, name: uid, namespace: "n" } },
  }));
  const list = () => workers as unknown as PodWorker[];
  void collectContainers(
    runtime,
    { list },
    { podLogsDir: "/nowhere", containerLogsDir: undefined },
  );
  expect(await removed.promise).toBe("old-well");
});

describe("image garbage", () => {
  const image = (id: string, pinned = false) =>
    ({ id, size: 10, pinned, repoTags: [], repoDigests: [] }) as unknown as Image;
  const old = { first_ms: 0, lastUsed_ms: 0 };

  test("least recently used first, until enough is free", () => {
    const images = [image("new"), image("old"), image("older"), image("pin", true), image("used")];
    const seen = new Map([
      ["new", { first_ms: 999_000, lastUsed_ms: 0 }],
      ["old", { ...old, lastUsed_ms: 500 }],
      ["older", { ...old, lastUsed_ms: 400 }],
      ["pin", old],
      ["used", old],
    ]);
    const plan = (free_bytes: number) =>
      planImageGc(images, new Set(["used"]), seen, { free_bytes, now_ms: 1_000_000 }).remove;
    expect(plan(5)).toEqual(["older"]);
    expect(plan(11)).toEqual(["older", "old"]);
    expect(plan(1_000)).toEqual(["older", "old"]);
    const wanted = { free_bytes: 0, free_images: 1, now_ms: 1_000_000 };
    expect(planImageGc(images, new Set(["used"]), seen, wanted).remove).toEqual(["older"]);
  });

  test("only images that no container uses count as too many, and one that stays delays no other", async () => {
    const images = Array.from({ length: IMAGES_MAX + 2 }, (_, at) => image(`${at}`));
    const removed: string[] = [];
    const containers = [{ imageRef: "0", imageId: "0" }];
    const runtime = {
      images: {
        imageFsInfo: async () => ({ imageFilesystems: [{ fsId: { mountpoint: "/" } }] }),
        listImages: async () => ({ images }),
        async removeImage({ image: { image: id } }: { image: { image: string } }) {
          if (id === busy) throw new Error("busy");
          removed.push(id);
        },
      },
      runtime: { streamContainers: () => [{ containers }] },
    } as unknown as Runtime;
    let [now, busy] = [0, ""];
    const gc = new ImageGc({
      runtime,
      highPercent: 101,
      lowPercent: 100,
      clock: { monotonic: () => now },
      pods: () => [],
    });
    await gc.run();
    now = IMAGE_GC_MIN_AGE_MS;
    await gc.run();
    expect(removed).toEqual(["1"]);
    removed.length = 0;
    busy = "1";
    await gc.freeAll();
    expect(removed).toEqual(images.slice(2).map(({ id }) => id));
    images.pop();
    removed.length = 0;
    await gc.run();
    expect(removed).toEqual([]);
  });

  test.each([
    ["busybox", { repoTags: ["docker.io/library/busybox:latest"] }, []],
    ["r2k.local/web:1", { repoTags: ["r2k.local/web:2", "r2k.local/web:1"] }, []],
    ["h:5000/a@sha256:1", { repoDigests: ["h:5000/a@sha256:1"] }, []],
    ["h:5000/a:1@sha256:1", { repoDigests: ["h:5000/a@sha256:1"] }, []],
    ["r2k.local/web:1", { repoTags: ["r2k.local/web:2"] }, ["volume"]],
  ])("the image %s of a pod's volume is in use by one of %j", async (reference, names, gone) => {
    const removed: string[] = [];
    const runtime = {
      images: {
        listImages: async () => ({ images: [{ ...image("volume"), ...names }] }),
        async removeImage({ image: { image: id } }: { image: { image: string } }) {
          removed.push(id);
        },
      },
      runtime: { streamContainers: () => [] },
    } as unknown as Runtime;
    const spec = { containers: [], volumes: [{ name: "v", image: { reference } }] };
    let now = 0;
    const marks = { highPercent: 101, lowPercent: 100 };
    const pods = () => [{ metadata: {}, spec }];
    // The machine's clock is set back meanwhile.
    const clock = { now: () => -now, monotonic: () => now };
    const gc = new ImageGc({ runtime, ...marks, clock, pods });
    await gc.freeAll();
    now = IMAGE_GC_MIN_AGE_MS;
    await gc.freeAll();
    expect(removed).toEqual(gone);
  });
});

test("a pod of which a kubelet that ended left the logs or containers is swept up, soon", async () => {
  const rootDir = testFolder("r2k-sweep-");
  const paths = { rootDir, podLogsDir: join(rootDir, "logs"), containerLogsDir: undefined };
  for (const dir of ["logs/n_left_u1", "logs/n_known_u2", "pods/u3"]) {
    mkdirSync(join(rootDir, dir), { recursive: true });
  }
  const orphan = {
    labels: { [POD_UID_LABEL]: "u4", [POD_NAME_LABEL]: "runs", [POD_NAMESPACE_LABEL]: "n" },
    annotations: { [GRACE_ANNOTATION]: "31536000" },
  };
  const runtime = {
    streamPodSandboxes: () => [],
    streamContainers: () => [{ containers: [orphan] }],
  };
  const swept = Promise.withResolvers<string[]>();
  const names: string[] = [];
  const workers = {
    get: (uid: string) => (uid === "u2" ? {} : undefined),
    list: () => [],
    sweep: ({ metadata: { namespace, name }, spec }: Pod) =>
      void names.push(`${namespace}/${name} ${spec.terminationGracePeriodSeconds}`),
  };
  const devices = { retain: async () => swept.resolve(names) };
  const ports = { clock: new ManualClock(), runtime: { runtime } as never, paths, devices };
  const sweep = sweepOrphans(ports, workers as never, []);
  expect(await swept.promise).toEqual([`n/runs ${ORPHAN_GRACE_S_MAX}`, "n/left 0", "/u3 0"]);
  await sweep.close();
});
