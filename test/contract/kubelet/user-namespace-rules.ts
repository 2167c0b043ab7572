import { readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import { type Node, statusOf } from "./fixture.ts";
import { SLEEP, sh, spec } from "./specs.ts";

const FIRST = 65_536;
const MOUNTS = [
  { name: "data", mountPath: "/data" },
  { name: "data", mountPath: "/part", subPath: "part" },
  { name: "memory", mountPath: "/memory" },
  { name: "info", mountPath: "/info" },
];

/** Pods with users of their own (`hostUsers: false`, KEP-127). */
export function userNamespaceRules(node: () => Node): void {
  const put = (name: string) =>
    node().put(
      name,
      spec([sh("main", SLEEP, { volumeMounts: MOUNTS })], {
        hostUsers: false,
        securityContext: { fsGroup: 77 },
        initContainers: [
          sh("step", "echo step > /data/step; echo end > /dev/termination-log", {
            volumeMounts: MOUNTS,
          }),
        ],
        volumes: [
          { name: "data", emptyDir: {} },
          { name: "memory", emptyDir: { medium: "Memory" } },
          {
            name: "info",
            downwardAPI: { items: [{ path: "name", fieldRef: { fieldPath: "metadata.name" } }] },
          },
        ],
      }),
    );
  const run = (name: string, script: string) => node().exec(name, "main", "sh", "-c", script);
  const firstOf = async (name: string) => {
    return Number((await run(name, "cat /proc/self/uid_map")).trim().split(/\s+/)[1]);
  };

  it("a pod with users of its own has its volumes, whose files are the node's root's", async () => {
    put("mapped");
    const pod = await node().untilReady("mapped");
    expect(statusOf(pod, "step")?.state?.terminated?.message).toBe("end\n");
    expect(await firstOf("mapped")).toBeGreaterThanOrEqual(FIRST);
    await run("mapped", "touch /data/a /part/b /memory/c; chown 5:6 /memory/c");
    expect(await run("mapped", "stat -c '%n %u:%g' /data/step /part/b /memory/c /etc/hosts")).toBe(
      "/data/step 0:77\n/part/b 0:77\n/memory/c 5:6\n/etc/hosts 0:0\n",
    );
    expect(await run("mapped", "cat /info/name")).toBe("mapped-node");
    const uid = pod.metadata.uid ?? "";
    const data = join(node().rootDir, "pods", uid, "volumes/kubernetes.io~empty-dir/data");
    expect(statSync(join(data, "step"))).toMatchObject({ uid: 0, gid: 77 });
    expect(readFileSync(join(data, "step"), "utf8")).toBe("step\n");
    await node().take("mapped");
  });

  it("two pods never have a user in common, also after the kubelet is started again", async () => {
    put("one");
    await node().untilReady("one");
    await node().stopKubelet();
    await node().startKubelet();
    put("two");
    await node().untilReady("two");
    await node().untilReady("one");
    const [one, two] = [await firstOf("one"), await firstOf("two")];
    expect(one % FIRST).toBe(0);
    expect(two % FIRST).toBe(0);
    expect(one).not.toBe(two);
    await node().take("one");
    await node().take("two");
  });
}
