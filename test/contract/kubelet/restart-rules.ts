import { rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import { type Node, statusOf } from "./fixture.ts";
import { SLEEP, sh, spec } from "./specs.ts";

/** Containers that end, or that have to. */
export function restartRules(node: () => Node): void {
  it("starts a container again when it ends, counted, with its last words", async () => {
    const script =
      "test -f /data/second && { " +
      SLEEP +
      "; }; touch /data/second; " +
      "echo farewell > /dev/termination-log; exit 3";
    node().put(
      "crash",
      spec([sh("main", script, { volumeMounts: [{ name: "data", mountPath: "/data" }] })], {
        volumes: [{ name: "data", emptyDir: {} }],
      }),
    );
    const pod = await node().until("run again", "crash", (one) => {
      return statusOf(one, "main")?.restartCount === 1 && !!statusOf(one, "main")?.ready;
    });
    const last = statusOf(pod, "main")?.lastState?.terminated;
    expect(last).toMatchObject({ exitCode: 3, reason: "Error", message: "farewell\n" });
    await node().take("crash");
  });

  it("backs off from a container that keeps crashing", async () => {
    node().put("loop", spec([sh("main", "exit 1")]));
    const pod = await node().until("back off", "loop", (one) => {
      return statusOf(one, "main")?.state?.waiting?.reason === "CrashLoopBackOff";
    });
    expect(statusOf(pod, "main")?.restartCount).toBe(1);
    expect(pod.status?.phase).toBe("Running");
    await node().take("loop");
  });

  it("kills and restarts what fails its liveness probe, and then ends well", async () => {
    const alive = join(node().host.dir, "alive");
    writeFileSync(alive, "");
    node().put(
      "alive",
      spec(
        [
          sh("main", SLEEP, {
            livenessProbe: {
              exec: { command: ["test", "-f", "/host/alive"] },
              periodSeconds: 1,
              failureThreshold: 1,
            },
            volumeMounts: [{ name: "host", mountPath: "/host" }],
          }),
        ],
        {
          restartPolicy: "OnFailure",
          volumes: [{ name: "host", hostPath: { path: node().host.dir } }],
        },
      ),
    );
    await node().untilReady("alive");
    rmSync(alive);
    await node().until("be restarted", "alive", (one) => {
      return (statusOf(one, "main")?.restartCount ?? 0) >= 1;
    });
    await node().take("alive");
  });
}

/** A rule of one container for all of them. */
export function restartAllRules(node: () => Node): void {
  it("starts all containers again, init first, when a rule of one that ends says so", async () => {
    const exitCodes = { operator: "In", values: [42] };
    const script = `test -f /data/second && { ${SLEEP}; }; touch /data/second; exit 42`;
    const trainer = sh("trainer", script, {
      restartPolicy: "Never",
      restartPolicyRules: [{ action: "RestartAllContainers", exitCodes }],
      volumeMounts: [{ name: "data", mountPath: "/data" }],
    });
    node().put(
      "again",
      spec([trainer, sh("other", SLEEP)], {
        restartPolicy: "Never",
        initContainers: [sh("prepare", "true")],
        volumes: [{ name: "data", emptyDir: {} }],
      }),
    );
    const names = ["prepare", "trainer", "other"];
    const { status } = await node().until("run again", "again", (pod) => {
      return names.every(
        (name) => statusOf(pod, name)?.restartCount === 1 && statusOf(pod, name)?.ready,
      );
    });
    expect(status).toMatchObject({ phase: "Running" });
    const restarting = status?.conditions?.find(({ type }) => type === "AllContainersRestarting");
    expect(restarting).toMatchObject({ status: "False" });
    await node().take("again");
  });
}
