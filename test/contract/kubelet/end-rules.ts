import { existsSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import { waitFor } from "../../../testing/wait.ts";
import { type Node, statusOf } from "./fixture.ts";
import { SLEEP, sh, spec } from "./specs.ts";

/** How pods end, are replaced, or never start. */
export function endRules(node: () => Node): void {
  it("runs preStop within the grace period, then stops", async () => {
    const mark = join(node().host.dir, "stopped");
    node().put(
      "hook",
      spec(
        [
          sh("main", SLEEP, {
            lifecycle: { preStop: { exec: { command: ["touch", "/host/stopped"] } } },
            volumeMounts: [{ name: "host", mountPath: "/host" }],
          }),
        ],
        { volumes: [{ name: "host", hostPath: { path: node().host.dir } }] },
      ),
    );
    await node().untilReady("hook");
    await node().take("hook");
    expect(existsSync(mark)).toBe(true);
  });

  it("stops a pod whose postStart hook is under way", async () => {
    const begun = join(node().host.dir, "begun");
    const postStart = { exec: { command: ["sh", "-c", "touch /host/begun; sleep 300"] } };
    const volumeMounts = [{ name: "host", mountPath: "/host" }];
    node().put(
      "starting",
      spec([sh("main", SLEEP, { lifecycle: { postStart }, volumeMounts })], {
        volumes: [{ name: "host", hostPath: { path: node().host.dir } }],
      }),
    );
    await waitFor("the hook", () => existsSync(begun));
    await node().take("starting");
  });

  it("lets a pod that is not to restart come to its end", async () => {
    node().put(
      "once",
      spec([sh("good", "exit 0"), sh("bad", "exit 2")], { restartPolicy: "Never" }),
    );
    const pod = await node().until("end", "once", (one) => one.status?.phase === "Failed");
    expect(statusOf(pod, "good")?.state?.terminated?.reason).toBe("Completed");
    expect(statusOf(pod, "bad")?.state?.terminated?.exitCode).toBe(2);
    await node().take("once");
  });

  it("takes a changed file for another pod, after the former has gone", async () => {
    node().put("twice", spec([sh("main", SLEEP)]));
    const first = await node().untilReady("twice");
    node().put("twice", spec([sh("main", `${SLEEP} # changed`)]));
    const second = await node().until("be another", "twice", (one) => {
      return one.metadata.uid !== first.metadata.uid && !!statusOf(one, "main")?.ready;
    });
    expect(second.metadata.name).toBe(first.metadata.name);
    await node().take("twice");
  });

  it("says why an image cannot be had", async () => {
    node().put("absent", spec([{ name: "main", image: "127.0.0.1:1/absent:1" }]));
    const pod = await node().until("back off", "absent", (one) => {
      return statusOf(one, "main")?.state?.waiting?.reason === "ImagePullBackOff";
    });
    expect(statusOf(pod, "main")?.state?.waiting?.message).toContain("127.0.0.1:1/absent:1");
    await node().take("absent");
  });
}
