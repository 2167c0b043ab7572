import { statSync } from "node:fs";
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import type { Pod, PodSpec, Volume } from "@raft2kube/api/gen/core/v1.ts";
import { unmount } from "@raft2kube/linux/mount/mount.ts";
import { systemClock } from "@raft2kube/std/clock.ts";
import { beforeEach, describe, expect, test } from "vitest";
import { testFolder } from "../../testing/folders.ts";
import {
  FILES_OF_POD_BYTES_MAX,
  FILES_OF_POD_MAX,
  NESTED_DIRECTORIES_MAX,
  VOLUMES_OF_POD_MAX,
} from "../limits.ts";
import { NO_OBJECTS, type PodObjects } from "../pods/pod-objects.ts";
import { FilesBudget } from "./files.ts";
import { PodVolumes } from "./pod-volumes.ts";
import { configMapPlugin, projectedPlugin } from "./projected.ts";

const clock = systemClock();
const MEBIBYTE = 2 ** 20;
const MANY = FILES_OF_POD_BYTES_MAX / MEBIBYTE + 1;
const NODE = { cpu_milli: 1, memory_bytes: 1, ephemeralStorage_bytes: 1 };
/** The data of the ConfigMap "changing". */
let changing: Record<string, string> = {};
const objects: PodObjects = {
  ...NO_OBJECTS,
  secret: async () => ({
    metadata: {},
    data: { big: Buffer.alloc(MEBIBYTE).toString("base64"), small: btoa("1") },
  }),
  configMap: async (_namespace, name) => {
    if (name === "missing") return undefined;
    const data = name === "changing" ? changing : { big: "x".repeat(MEBIBYTE), small: "1" };
    return { metadata: {}, data };
  },
};
const sources = { objects, allocatable: () => NODE, hostIPs: () => [] };

let dir: string;
beforeEach(async () => {
  dir = testFolder("r2k-projected-");
});

async function setUp(volumes: Volume[], metadata: Pod["metadata"] = {}) {
  const paths = { rootDir: dir, podLogsDir: join(dir, "logs"), containerLogsDir: undefined };
  const plugins = [configMapPlugin(sources), projectedPlugin(sources)];
  const volumeMounts = volumes.map(({ name }) => ({ name, mountPath: `/${name}` }));
  const pod: Pod = {
    metadata: { name: "p", namespace: "n", uid: "u", ...metadata },
    spec: { containers: [{ name: "c", volumeMounts }], volumes },
  };
  const { volumes: ready } = await new PodVolumes({ plugins, paths, objects, clock }).setUp(pod);
  return ready;
}

const items = (count: number, key: string, below = "") =>
  Array.from({ length: count }, (_, index) => ({ key, path: `${below}${index}` }));

describe("files of volumes made from objects are bounded for the pod as a whole", () => {
  test.each<[string, Volume[]]>([
    [
      "many sources of one Secret",
      [
        {
          name: "v",
          projected: {
            sources: items(MANY, "big").map((item) => ({ secret: { name: "s", items: [item] } })),
          },
        },
      ],
    ],
    ["many items of one ConfigMap", [{ name: "v", configMap: { items: items(MANY, "big") } }]],
    ["many volumes", items(MANY, "").map(({ path }) => ({ name: path, configMap: { name: "m" } }))],
    [
      "many small files",
      [{ name: "v", configMap: { items: items(FILES_OF_POD_MAX + 1, "small") } }],
    ],
    [
      "many sources that are not there",
      [
        {
          name: "v",
          projected: {
            sources: Array.from({ length: FILES_OF_POD_MAX + 1 }, () => ({
              configMap: { name: "missing", optional: true },
            })),
          },
        },
      ],
    ],
    [
      "deep directories",
      [
        {
          name: "v",
          configMap: {
            items: items(10, "small").map(({ key, path }) => ({
              key,
              path: `${path}/a`.repeat(1e3),
            })),
          },
        },
      ],
    ],
    [
      "fields of the pod",
      [
        {
          name: "v",
          projected: {
            sources: [
              {
                downwardAPI: {
                  items: items(100, "").map(({ path }) => ({
                    path,
                    fieldRef: { fieldPath: "metadata.annotations" },
                  })),
                },
              },
            ],
          },
        },
      ],
    ],
  ])("%s", async (_, volumes) => {
    const annotations = { large: "x".repeat(MEBIBYTE) };
    await expect(setUp(volumes, { annotations })).rejects.toThrow(/(take|are) more than \d+/);
  });

  test("the volumes that one pod's containers use are counted", async () => {
    const volumes = items(VOLUMES_OF_POD_MAX + 1, "").map(({ path }) => ({
      name: path,
      configMap: { items: items(1, "small") },
    }));
    await expect(setUp(volumes)).rejects.toThrow("mounts 512 for a pod at most");
  });
});

test("files of one object hold its own bytes each", async () => {
  const configMap = { items: [...items(3, "big"), ...items(2, "small", "s/")] };
  const ready = (await setUp([{ name: "v", configMap }])).get("v");
  if (ready?.kind !== "filesystem") expect.fail("no directory");
  const { hostPath } = ready;
  expect((await readFile(join(hostPath, "2"))).equals(Buffer.alloc(MEBIBYTE, "x"))).toBe(true);
  expect(await readFile(join(hostPath, "s/1"), "utf8")).toBe("1");
  const shown = (await readdir(hostPath)).filter((name) => !name.startsWith(".."));
  expect(shown.sort()).toEqual(["0", "1", "2", "s"]);
});

test("a changed ConfigMap is in the files after the next sync: new, changed and removed keys", async () => {
  const shown = async () => {
    const ready = (await setUp([{ name: "v", configMap: { name: "changing" } }])).get("v");
    if (ready?.kind !== "filesystem") expect.fail("no directory");
    const names = (await readdir(ready.hostPath)).filter((name) => !name.startsWith(".."));
    const read = (name: string) => readFile(join(ready.hostPath, name), "utf8");
    return Object.fromEntries(
      await Promise.all(names.map(async (name) => [name, await read(name)] as const)),
    );
  };
  changing = { a: "1", b: "1" };
  expect(await shown()).toEqual(changing);
  changing = { b: "2", c: "2" };
  expect(await shown()).toEqual(changing);
});

test("objects are read for the pod, and may be those read last once it has their files", async () => {
  const asked: unknown[] = [];
  const noting: PodObjects = {
    ...NO_OBJECTS,
    async configMap(_namespace, _name, options) {
      asked.push(options);
      return { metadata: {}, data: {} };
    },
  };
  const paths = { rootDir: dir, podLogsDir: join(dir, "logs"), containerLogsDir: undefined };
  const plugins = [configMapPlugin({ ...sources, objects: noting })];
  const volumes = new PodVolumes({ plugins, paths, objects: noting, clock });
  const pod: Pod = {
    metadata: { name: "p", namespace: "n", uid: "u" },
    spec: {
      containers: [{ name: "c", volumeMounts: [{ name: "v", mountPath: "/v" }] }],
      volumes: [{ name: "v", configMap: { name: "c" } }],
    },
  };
  const since_ms = 7;
  for (let sync = 1; sync <= 2; sync++) await volumes.setUp(pod, since_ms);
  expect(asked).toEqual([
    { orLast: false, since_ms },
    { orLast: true, since_ms },
  ]);
});

test("other keys of an object than those of a source's items are not read", async () => {
  let lists = 0;
  changing = new Proxy({ a: "1" }, { ownKeys: () => (lists++, ["a"]) });
  const configMap = { name: "changing", items: [{ key: "a", path: "a" }] };
  await setUp([{ name: "v", configMap }]);
  expect(lists).toBe(0);
});

test("a source that is not supported is refused by its name", async () => {
  const clusterTrustBundle = { name: "roots", path: "ca.pem" };
  const volumes = [{ name: "v", projected: { sources: [{ clusterTrustBundle }] } }];
  await expect(setUp(volumes)).rejects.toThrow("projected clusterTrustBundle is not supported");
});

describe.runIf(process.getuid?.() === 0)("a token", () => {
  const tokens: PodObjects = {
    ...NO_OBJECTS,
    token: async () => ({ token: "t", expires_ms: 0 }) as never,
  };
  const source = { ...sources, objects: tokens };
  const token = { sources: [{ serviceAccountToken: { path: "token" } }] };
  const volume = { name: "v", projected: token };

  // Facts of upstream's TestCollectDataWithServiceAccountToken and of FsUserFrom.
  test.each<[string, PodSpec["securityContext"], (number | undefined)[], number, number]>([
    ["the pod's user", { runAsUser: 1_000 }, [undefined, undefined], 1_000, 0o600],
    ["the containers' user", {}, [7, 7], 7, 0o600],
    ["root, if they differ", { runAsUser: 1_000 }, [undefined, 7], 0, 0o644],
    ["root, if an ephemeral container's differs", {}, [7, 7, 8], 0, 0o644],
    ["root, if no user is named", {}, [undefined, undefined], 0, 0o644],
    ["root, and the group's", { fsGroup: 3_000 }, [undefined], 0, 0o640],
    // The third is an ephemeral one.
  ])("belongs to %s", async (_, securityContext, users, uid, mode) => {
    const all = users.map((runAsUser, at) => ({
      name: `c${at}`,
      securityContext: runAsUser === undefined ? {} : { runAsUser },
    }));
    const containers = all.slice(0, 2);
    const ephemeralContainers = all.slice(2);
    const pod: Pod = {
      metadata: { name: "p", namespace: "n", uid: "u" },
      spec: {
        containers,
        ephemeralContainers,
        volumes: [volume],
        ...(securityContext && { securityContext }),
      },
    };
    const at = join(dir, "v");
    await projectedPlugin(source).setUp({
      ...{ pod, spec: { name: "v", volume }, dir: at, readOnly: true },
      ...{ budget: new FilesBudget(), fsGroup: securityContext?.fsGroup },
    });
    try {
      const stats = statSync(join(at, "token"));
      expect([stats.uid, stats.mode & 0o777]).toEqual([uid, mode]);
    } finally {
      unmount(at);
    }
  });
});

test("a volume has directories for the mounts inside it, and keeps them at a change", async () => {
  const paths = { rootDir: dir, podLogsDir: join(dir, "logs"), containerLogsDir: undefined };
  const volumes = [
    { name: "outer", configMap: { name: "changing", items: items(1, "a", "of-the-map/") } },
  ];
  const at = (mountPath: string, name = "other") => ({ name, mountPath });
  const volumeMounts = [
    ...[at("/etc/x-y"), at("/etc/x/a/b/"), at("/etc/x/a/b/c"), at("/etc/x.d/e")],
    ...[at("/etc/x", "outer"), at("/etc/x/of-the-map")],
  ];
  const pod: Pod = {
    metadata: { name: "p", namespace: "n", uid: "u" },
    spec: { containers: [{ name: "c", volumeMounts }], volumes },
  };
  const plugins = [configMapPlugin(sources)];
  const podVolumes = new PodVolumes({ plugins, paths, objects, clock });
  for (const [a, since_ms] of [
    ["1", undefined],
    ["2", Infinity],
  ] as const) {
    changing = { a };
    const { volumes: ready } = await podVolumes.setUp(pod, since_ms);
    const { hostPath } = ready.get("outer") as { hostPath: string };
    expect(await readFile(join(hostPath, "of-the-map/0"), "utf8")).toBe(a);
    expect(await readdir(join(hostPath, "a"))).toEqual(["b"]);
    expect(await readdir(join(hostPath, "a/b"))).toEqual([]);
  }
  const many = Array.from({ length: NESTED_DIRECTORIES_MAX + 1 }, (_, nth) => at(`/etc/x/${nth}`));
  const within = (name: string): Pod => {
    const mounts = [at("/etc/x", name), at("/etc/y", "outer"), ...many];
    const containers = [{ name: "c", volumeMounts: mounts }];
    return { metadata: { name: "q", uid: name }, spec: { volumes, containers } };
  };
  await expect(podVolumes.setUp(within("outer"))).rejects.toThrow("more than 1000 directories");
  await expect(podVolumes.setUp(within("data"))).resolves.toBeDefined();
});
