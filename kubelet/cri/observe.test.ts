import { expect, test } from "vitest";
import { GROUPS_SHOWN_MAX, STATUSES_AT_ONCE_MAX } from "../limits.ts";
import {
  CONTAINER_NAME_LABEL,
  observeContainers,
  observedContainer,
  observePod,
} from "./observe.ts";
import type { Runtime } from "./runtime.ts";

/** A runtime with two instances of each container, and the calls for statuses that it had. */
function runtimeOf(names: string[]) {
  const asked: string[] = [];
  const most = { now: 0, ever: 0 };
  const all = names.flatMap((name) =>
    [0, 1].map((attempt) => ({ id: `${name}.${attempt}`, name })),
  );
  const runtime = {
    listContainers: async ({ filter }: { filter: { labelSelector: Record<string, string> } }) => {
      const wanted = filter.labelSelector[CONTAINER_NAME_LABEL];
      const containers = all.filter(({ name }) => wanted === undefined || name === wanted);
      return { containers: containers.map(({ id }) => ({ id, podSandboxId: "s" })) };
    },
    containerStatus: async ({ containerId: id }: { containerId: string }) => {
      asked.push(id);
      most.ever = Math.max(most.ever, ++most.now);
      await new Promise((resolve) => setImmediate(resolve));
      most.now--;
      const times = { createdAt: 1n, startedAt: 1n, finishedAt: 0n };
      return { status: { id, ...times, labels: {}, annotations: {}, mounts: [] } };
    },
  };
  return { runtime: { runtime } as unknown as Runtime, asked, most };
}

const MANY = Array.from({ length: STATUSES_AT_ONCE_MAX }, (_, index) => `c${index}`);

test("one reader of a pod asks for a few of its containers at a time", async () => {
  const { runtime, most } = runtimeOf(MANY);
  expect(await observeContainers(runtime, "u")).toHaveLength(2 * MANY.length);
  expect(most.ever).toBe(STATUSES_AT_ONCE_MAX);
});

test("a reader of one container asks for its instances alone", async () => {
  const { runtime, asked } = runtimeOf(MANY);
  await observeContainers(runtime, "u", "c7");
  expect(asked).toEqual(["c7.0", "c7.1"]);
});

test("the newest sandbox and container are those of the last attempt, whatever the clock was", async () => {
  const attempts = [0, 1, 2].map((attempt) => ({
    id: `a${attempt}`,
    metadata: { name: "c", attempt },
    // The clock is set back before the second attempt.
    createdAt: [9_000_000n, 1_000_000n, 2_000_000n][attempt],
  }));
  const of = (id: string) => attempts.find((each) => each.id === id);
  const status = { startedAt: 1n, finishedAt: 0n, labels: {}, annotations: {}, mounts: [] };
  const runtime = {
    listPodSandbox: async () => ({ items: attempts }),
    podSandboxStatus: async ({ podSandboxId: id }: { podSandboxId: string }) => ({
      status: of(id),
    }),
    listContainers: async () => ({ containers: attempts }),
    containerStatus: async ({ containerId: id }: { containerId: string }) => ({
      status: { ...status, ...of(id) },
    }),
  };
  const observed = await observePod({ runtime } as never, { uid: "u", name: "p", namespace: "n" });
  expect(observed.sandboxes.map(({ id }) => id)).toEqual(["a2", "a1", "a0"]);
  expect(observed.containers.map(({ id }) => id)).toEqual(["a2", "a1", "a0"]);
});

test("the user of a container's first process is that of the runtime", () => {
  const user = (supplementalGroups: number[]) => ({
    linux: { uid: 0, gid: 7, supplementalGroups },
  });
  const status = { id: "c", labels: {}, annotations: {}, mounts: [], createdAt: 0n };
  const of = (more: object) =>
    observedContainer({ ...status, startedAt: 0n, finishedAt: 0n, ...more } as never).user;
  expect(of({ user: user([8]) })).toEqual(user([8]));
  expect(of({ user: user([]) })).toEqual({ linux: { uid: 0, gid: 7 } });
  const many = Array.from({ length: GROUPS_SHOWN_MAX + 1 }, (_, at) => at);
  expect(of({ user: user(many) })).toEqual(user(many.slice(0, -1)));
  expect(of({})).toBeUndefined();
});
