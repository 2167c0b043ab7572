import { mkdir, rm } from "node:fs/promises";
import { join } from "node:path";
import type { Pod } from "@raft2kube/api/gen/core/v1.ts";
import { bindMount, unmount } from "@raft2kube/linux/mount/mount.ts";
import { ManualClock } from "@raft2kube/std/clock.ts";
import { beforeEach, expect, test } from "vitest";
import { testFolder } from "../../testing/folders.ts";
import { waitFor } from "../../testing/wait.ts";
import { VOLUME_REFRESH_WAIT_MS } from "../limits.ts";
import { NO_OBJECTS } from "../pods/pod-objects.ts";
import type { SetUpRequest } from "./plugin.ts";
import { PodVolumes } from "./pod-volumes.ts";

const pod: Pod = {
  metadata: { name: "p", namespace: "n", uid: "u" },
  spec: {
    containers: [{ name: "c", volumeMounts: [{ name: "v", mountPath: "/v" }] }],
    volumes: [{ name: "v", emptyDir: {} }],
  },
};

let dir: string;
const clock = new ManualClock();
/** The plugin's next answer. */
let answer: () => Promise<void>;
let recorded: string[] = [];
let tornDown = 0;
let volumes: PodVolumes;
beforeEach(async () => {
  dir = testFolder("r2k-pod-volumes-");
  [answer, recorded, tornDown] = [async () => {}, [], 0];
  const plugin = {
    name: "example~disk",
    supports: () => true,
    async setUp({ dir: at, readOnly }: SetUpRequest) {
      await mkdir(at, { recursive: true });
      await answer();
      return { kind: "filesystem" as const, hostPath: at, readOnly };
    },
    async tearDown() {
      tornDown += 1;
      await rm(join(dir, "pods/u/volumes/example~disk/v"), { recursive: true });
    },
  };
  const paths = { rootDir: dir, podLogsDir: dir, containerLogsDir: dir };
  const record = (_pod: Pod, type: string, reason: string, message: string) =>
    void recorded.push(`${type} ${reason} ${message}`);
  volumes = new PodVolumes({
    plugins: [plugin],
    paths,
    objects: NO_OBJECTS,
    clock,
    events: { record },
  });
});

const refuse = async () => {
  throw new Error('configmap "c" not found');
};
const FAILED = 'MountVolume.SetUp failed for volume "v" : configmap "c" not found';

test("a volume that cannot be refreshed stays, with an event, and is tried again soon", async () => {
  const first = await volumes.setUp(pod);
  answer = refuse;
  const next = await volumes.setUp(pod);
  expect(next).toEqual({ volumes: first.volumes, refreshed: false });
  expect(recorded).toEqual([`Warning FailedMount ${FAILED}`]);
  answer = async () => {};
  expect((await volumes.setUp(pod)).refreshed).toBe(true);
});

test("a volume that was never set up, or was removed since, is not there", async () => {
  answer = refuse;
  await expect(volumes.setUp(pod)).rejects.toThrow(FAILED);
  answer = async () => {};
  await volumes.setUp(pod);
  await volumes.tearDown("u");
  answer = refuse;
  await expect(volumes.setUp(pod)).rejects.toThrow(FAILED);
});

test("a refresh that lasts does not hold the pod, and ends before the volume is removed", async () => {
  const first = await volumes.setUp(pod);
  const { promise, resolve } = Promise.withResolvers<void>();
  let asked = 0;
  answer = () => {
    asked += 1;
    return promise;
  };
  for (let round = 1; round <= 2; round++) {
    const next = volumes.setUp(pod);
    clock.advance(VOLUME_REFRESH_WAIT_MS);
    expect(await next).toEqual({ volumes: first.volumes, refreshed: false });
  }
  await waitFor("the refresh", () => asked);
  const removed = volumes.tearDown("u");
  await new Promise(setImmediate);
  expect(tornDown).toBe(0);
  resolve();
  await removed;
  expect({ asked, tornDown }).toEqual({ asked: 1, tornDown: 1 });
});

test("a refresh that lasts holds the removal of its pod for a while at most", async () => {
  await volumes.setUp(pod);
  const { promise, resolve } = Promise.withResolvers<void>();
  answer = () => promise;
  const next = volumes.setUp(pod);
  clock.advance(VOLUME_REFRESH_WAIT_MS);
  await next;
  const removed = volumes.tearDown("u");
  clock.advance(VOLUME_REFRESH_WAIT_MS);
  await expect(removed).rejects.toThrow('volume "v" : its refresh lasts');
  expect(tornDown).toBe(0);
  resolve();
  await volumes.tearDown("u");
  expect(tornDown).toBe(1);
});

test("a volume whose mount is gone is not there, until it can be mounted again", async () => {
  const at = join(dir, "pods/u/volumes/example~disk/v");
  const mounted = async () => bindMount(dir, at);
  answer = mounted;
  await volumes.setUp(pod);
  try {
    answer = refuse;
    expect((await volumes.setUp(pod)).refreshed).toBe(false);
    unmount(at);
    await expect(volumes.setUp(pod)).rejects.toThrow(`${at} is no longer mounted`);
    answer = mounted;
    expect((await volumes.setUp(pod)).refreshed).toBe(true);
  } finally {
    unmount(at);
  }
});
