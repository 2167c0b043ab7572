import { expect, it } from "vitest";
import { type Node, statusOf } from "./fixture.ts";
import { SLEEP, sh, spec } from "./specs.ts";

/** Rules for a kubelet that is started again. */
export function kubeletRestartRules(node: () => Node): void {
  it("leaves running containers alone when it is started again", async () => {
    node().put("steady", spec([sh("main", SLEEP)]));
    const before = statusOf(await node().untilReady("steady"), "main");
    await node().stopKubelet();
    await node().startKubelet();
    const after = statusOf(await node().untilReady("steady"), "main");
    expect(after?.containerID).toBe(before?.containerID);
    expect(after?.restartCount).toBe(0);
    await node().take("steady");
  });

  it("clears away pods whose file went while it was not there", async () => {
    node().put(
      "left",
      spec([sh("main", SLEEP, { volumeMounts: [{ name: "memory", mountPath: "/memory" }] })], {
        volumes: [{ name: "memory", emptyDir: { medium: "Memory" } }],
      }),
    );
    const { metadata } = await node().untilReady("left");
    await node().stopKubelet();
    node().remove("left");
    await node().startKubelet();
    await node().untilGone("left", metadata.uid ?? "");
  });
}
