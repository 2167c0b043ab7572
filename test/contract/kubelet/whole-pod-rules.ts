import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import type { Pod } from "@raft2kube/api/gen/core/v1.ts";
import { expect, it } from "vitest";
import { type Node, statusOf } from "./fixture.ts";
import { SLEEP, sh, spec } from "./specs.ts";

/** A pod with a little of everything. */
const WHOLE = spec(
  [
    sh("main", SLEEP, {
      env: [
        { name: "NAME", valueFrom: { fieldRef: { fieldPath: "metadata.name" } } },
        { name: "GREETING", value: "hello $(NAME)" },
      ],
      readinessProbe: { exec: { command: ["test", "-f", "/data/step"] }, periodSeconds: 1 },
      volumeMounts: [
        { name: "data", mountPath: "/data" },
        { name: "data", mountPath: "/part", subPath: "part" },
        { name: "memory", mountPath: "/memory" },
        { name: "info", mountPath: "/info" },
        { name: "data", mountPath: "/fixed", readOnly: true, recursiveReadOnly: "IfPossible" },
      ],
    }),
  ],
  {
    initContainers: [
      sh("step", "echo done > /data/step; mkdir /data/part; echo inside > /data/part/file", {
        volumeMounts: [{ name: "data", mountPath: "/data" }],
      }),
      sh("sidecar", SLEEP, { restartPolicy: "Always" }),
    ],
    hostAliases: [{ ip: "10.1.2.3", hostnames: ["alias"] }],
    volumes: [
      { name: "data", emptyDir: {} },
      { name: "memory", emptyDir: { medium: "Memory", sizeLimit: "1Mi" } },
      {
        name: "info",
        downwardAPI: { items: [{ path: "labels", fieldRef: { fieldPath: "metadata.labels" } }] },
      },
    ],
  },
);

/** All parts of a pod come together in its containers. */
export function wholePodRules(node: () => Node): void {
  compositionRules(node);
  runningRules(node);
}

function compositionRules(node: () => Node): void {
  it("runs init steps, then sidecar and container, with volumes, env and hosts", async () => {
    node().put("whole", WHOLE);
    const pod = await node().untilReady("whole");
    expect(pod.status?.phase).toBe("Running");
    expect(statusOf(pod, "step")?.state?.terminated?.exitCode).toBe(0);
    expect(statusOf(pod, "sidecar")?.state?.running).toBeDefined();
    const seen = await node().exec(
      "whole",
      "main",
      "sh",
      "-c",
      "echo $GREETING; cat /data/step /part/file /info/labels; grep memory /proc/mounts; " +
        "grep alias /etc/hosts; grep $(hostname) /etc/hosts; cat /etc/resolv.conf; " +
        "touch /fixed/new 2>&1 || true",
    );
    for (const word of [
      "hello whole-node",
      "done",
      "inside",
      'name="whole"',
      "size=1024k",
      "10.1.2.3\talias",
      pod.status?.podIP ?? "no address",
      "nameserver 10.96.0.10",
      "default.svc.cluster.local",
      "Read-only file system",
    ])
      expect(seen).toContain(word);
    await node().take("whole");
  });

  it("links logs by names that a file system takes, and runs the hooks that follow", async () => {
    const name = "long".repeat(50);
    const postStart = { exec: { command: ["touch", "/started"] } };
    node().put(name, spec([sh("main", SLEEP, { lifecycle: { postStart } })]));
    await node().untilReady(name);
    expect(await node().exec(name, "main", "ls", "/started")).toContain("/started");
    const links = readdirSync(join(node().host.dir, "container-logs"));
    const link = links.find((each) => each.startsWith(name))!;
    expect(link).toMatch(/^.{251}\.log$/);
    expect(existsSync(join(node().host.dir, "container-logs", link))).toBe(true);
    await node().take(name);
  });
}

function runningRules(node: () => Node): void {
  it("lets a debug container see the processes of its target, once that runs", async () => {
    const debug = { ...sh("debug", SLEEP), targetContainerName: "main" };
    node().put("debugged", spec([sh("main", SLEEP)], { ephemeralContainers: [debug] }));
    const running = (pod: Pod) => statusOf(pod, "debug")?.state?.running !== undefined;
    await node().until("be debugged", "debugged", running);
    const own = await node().exec("debugged", "main", "readlink", "/proc/self/ns/pid");
    expect(await node().exec("debugged", "debug", "readlink", "/proc/self/ns/pid")).toBe(own);
    await node().take("debugged");
  });

  it("is not started while its network policies are not in force", async () => {
    const asked: string[] = [];
    node().admitNetwork = (pod, address) => {
      asked.push(`${pod.metadata.name} ${address}`);
      return Promise.reject(new Error("not in force"));
    };
    node().put("guarded", spec([sh("main", SLEEP)]));
    const waiting = (pod: Pod) => statusOf(pod, "main")?.state?.waiting?.reason;
    const pod = await node().until(
      "wait for its network",
      "guarded",
      (each) => waiting(each) === "NetworkNotReady",
    );
    expect(asked[0]).toBe(`guarded-node ${pod.status?.podIP}`);
    node().admitNetwork = () => Promise.resolve();
    await node().untilReady("guarded");
    await node().take("guarded");
  });
}
