import { existsSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Container, Pod } from "@raft2kube/api/gen/core/v1.ts";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Implementation } from "../cri/implementation.ts";
import { Node, statusOf } from "./fixture.ts";

const IMAGE = "r2k.local/busybox:1";
const STEP_TIMEOUT_MS = 60_000;
/** Sleeps, and ends at once when told to. */
const SLEEP = "trap 'exit 0' TERM; while :; do sleep 1 & wait $!; done";

function sh(name: string, script: string, more: Partial<Container> = {}): Container {
  return { name, image: IMAGE, command: ["sh", "-c", script], ...more };
}

function spec(containers: Container[], more: Partial<Pod["spec"]> = {}): Pod["spec"] {
  return { terminationGracePeriodSeconds: 2, containers, ...more };
}

/** What a kubelet does with pods on any CRI runtime; no API server is there. */
export function kubeletContract(name: string, implementation: Implementation): void {
  describe(`the kubelet on ${name}`, { timeout: STEP_TIMEOUT_MS }, () => {
    let node: Node;
    beforeAll(async () => {
      node = await Node.start(implementation);
    }, 120_000);
    afterAll(() => node?.close(), 120_000);

    const take = async (podName: string) => {
      const uid = node.pod(podName)?.metadata.uid ?? "";
      node.remove(podName);
      await node.untilGone(podName, uid);
    };

    it("runs init steps, then sidecar and container, with volumes, env and hosts", async () => {
      node.put("whole", spec([
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
          ],
        }),
      ], {
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
            downwardAPI: {
              items: [{ path: "labels", fieldRef: { fieldPath: "metadata.labels" } }],
            },
          },
        ],
      }));
      const pod = await node.untilReady("whole");
      expect(pod.status?.phase).toBe("Running");
      expect(statusOf(pod, "step")?.state?.terminated?.exitCode).toBe(0);
      expect(statusOf(pod, "sidecar")?.state?.running).toBeDefined();
      const seen = await node.exec(
        "whole", "main", "sh", "-c",
        "echo $GREETING; cat /data/step /part/file /info/labels; grep memory /proc/mounts; " +
          "grep alias /etc/hosts; grep $(hostname) /etc/hosts; cat /etc/resolv.conf",
      );
      for (const word of [
        "hello whole-node", "done", "inside", 'name="whole"', "size=1024k", "10.1.2.3\talias",
        pod.status?.podIP ?? "no address", "nameserver 10.96.0.10",
        "default.svc.cluster.local",
      ]) expect(seen).toContain(word);
      await take("whole");
    });

    it("leaves running containers alone when it is started again", async () => {
      node.put("steady", spec([sh("main", SLEEP)]));
      const before = statusOf(await node.untilReady("steady"), "main");
      await node.stopKubelet();
      await node.startKubelet();
      const after = statusOf(await node.untilReady("steady"), "main");
      expect(after?.containerID).toBe(before?.containerID);
      expect(after?.restartCount).toBe(0);
      await take("steady");
    });

    it("clears away pods whose file went while it was not there", async () => {
      node.put("left", spec([sh("main", SLEEP, {
        volumeMounts: [{ name: "memory", mountPath: "/memory" }],
      })], { volumes: [{ name: "memory", emptyDir: { medium: "Memory" } }] }));
      const { metadata } = await node.untilReady("left");
      await node.stopKubelet();
      node.remove("left");
      await node.startKubelet();
      await node.untilGone("left", metadata.uid ?? "");
    });

    it("starts a container again when it ends, counted, with its last words", async () => {
      const script = "test -f /data/second && { " + SLEEP + "; }; touch /data/second; " +
        "echo farewell > /dev/termination-log; exit 3";
      node.put("crash", spec([sh("main", script, {
        volumeMounts: [{ name: "data", mountPath: "/data" }],
      })], { volumes: [{ name: "data", emptyDir: {} }] }));
      const pod = await node.until("run again", "crash", (one) => {
        return statusOf(one, "main")?.restartCount === 1 && !!statusOf(one, "main")?.ready;
      });
      const last = statusOf(pod, "main")?.lastState?.terminated;
      expect(last).toMatchObject({ exitCode: 3, reason: "Error", message: "farewell\n" });
      await take("crash");
    });

    it("backs off from a container that keeps crashing", async () => {
      node.put("loop", spec([sh("main", "exit 1")]));
      const pod = await node.until("back off", "loop", (one) => {
        return statusOf(one, "main")?.state?.waiting?.reason === "CrashLoopBackOff";
      });
      expect(statusOf(pod, "main")?.restartCount).toBe(1);
      expect(pod.status?.phase).toBe("Running");
      await take("loop");
    });

    it("kills and restarts what fails its liveness probe", async () => {
      const alive = join(node.world.dir, "alive");
      writeFileSync(alive, "");
      node.put("alive", spec([sh("main", SLEEP, {
        livenessProbe: {
          exec: { command: ["test", "-f", "/host/alive"] }, periodSeconds: 1, failureThreshold: 1,
        },
        volumeMounts: [{ name: "host", mountPath: "/host" }],
      })], { volumes: [{ name: "host", hostPath: { path: node.world.dir } }] }));
      await node.untilReady("alive");
      rmSync(alive);
      await node.until("be restarted", "alive", (one) => {
        return (statusOf(one, "main")?.restartCount ?? 0) >= 1;
      });
      await take("alive");
    });

    it("runs preStop within the grace period, then stops", async () => {
      const mark = join(node.world.dir, "stopped");
      node.put("hook", spec([sh("main", SLEEP, {
        lifecycle: { preStop: { exec: { command: ["touch", "/host/stopped"] } } },
        volumeMounts: [{ name: "host", mountPath: "/host" }],
      })], { volumes: [{ name: "host", hostPath: { path: node.world.dir } }] }));
      await node.untilReady("hook");
      await take("hook");
      expect(existsSync(mark)).toBe(true);
    });

    it("lets a pod that is not to restart come to its end", async () => {
      node.put("once", spec([sh("good", "exit 0"), sh("bad", "exit 2")], {
        restartPolicy: "Never",
      }));
      const pod = await node.until("end", "once", (one) => one.status?.phase === "Failed");
      expect(statusOf(pod, "good")?.state?.terminated?.reason).toBe("Completed");
      expect(statusOf(pod, "bad")?.state?.terminated?.exitCode).toBe(2);
      await take("once");
    });

    it("takes a changed file for another pod, after the former has gone", async () => {
      node.put("twice", spec([sh("main", SLEEP)]));
      const first = await node.untilReady("twice");
      node.put("twice", spec([sh("main", `${SLEEP} # changed`)]));
      const second = await node.until("be another", "twice", (one) => {
        return one.metadata.uid !== first.metadata.uid && !!statusOf(one, "main")?.ready;
      });
      expect(second.metadata.name).toBe(first.metadata.name);
      await take("twice");
    });

    it("says why an image cannot be had", async () => {
      node.put("absent", spec([{ name: "main", image: "127.0.0.1:1/absent:1" }]));
      const pod = await node.until("back off", "absent", (one) => {
        return statusOf(one, "main")?.state?.waiting?.reason === "ImagePullBackOff";
      });
      expect(statusOf(pod, "main")?.state?.waiting?.message).toContain("127.0.0.1:1/absent:1");
      await take("absent");
    });
  });
}
