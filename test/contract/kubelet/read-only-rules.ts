import { execFileSync } from "node:child_process";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import type { Pod } from "@raft2kube/api/gen/core/v1.ts";
import { expect, it } from "vitest";
import { type Node, statusOf } from "./fixture.ts";
import { SLEEP, sh, spec } from "./specs.ts";

/** Read-only mounts of a volume with another mount beneath it (KEP-3857). */
export function readOnlyRules(node: () => Node): void {
  it("mounts beneath a volume are read-only where asked, if the runtime can do that", async () => {
    const { runtimeHandlers } = await node().served.runtime.status({});
    const handler = runtimeHandlers.find(({ name }) => name === "");
    const can = handler?.features?.recursiveReadOnlyMounts ?? false;
    const outer = join(node().host.dir, "outer");
    const inner = join(outer, "inner");
    mkdirSync(inner, { recursive: true });
    execFileSync("mount", ["-t", "tmpfs", "none", inner]);
    try {
      await mayWrite(node(), outer, can);
      await isRefused(node(), outer, can);
    } finally {
      execFileSync("umount", [inner]);
    }
  });
}

const mount = (name: string, mode?: "IfPossible" | "Enabled") => ({
  name: "outer",
  mountPath: `/${name}`,
  readOnly: true,
  ...(mode && { recursiveReadOnly: mode }),
});

async function mayWrite(node: Node, path: string, can: boolean): Promise<void> {
  const volumeMounts = [mount("plain"), mount("possible", "IfPossible")];
  node.put(
    "fixed",
    spec([sh("main", SLEEP, { volumeMounts })], {
      volumes: [{ name: "outer", hostPath: { path } }],
    }),
  );
  const pod = await node.untilReady("fixed");
  expect(statusOf(pod, "main")?.volumeMounts).toEqual([
    { ...mount("plain"), recursiveReadOnly: "Disabled" },
    { ...mount("possible"), recursiveReadOnly: can ? "Enabled" : "Disabled" },
  ]);
  const write =
    "for at in plain plain/inner possible possible/inner; do " +
    "touch /$at/new 2>/dev/null && echo $at; done; true";
  const written = (await node.exec("fixed", "main", "sh", "-c", write)).trim().split("\n");
  expect(written).toEqual(can ? ["plain/inner"] : ["plain/inner", "possible/inner"]);
  await node.take("fixed");
}

async function isRefused(node: Node, path: string, can: boolean): Promise<void> {
  const volumeMounts = [mount("deep", "Enabled")];
  node.put(
    "deep",
    spec([sh("main", SLEEP, { volumeMounts })], {
      volumes: [{ name: "outer", hostPath: { path } }],
    }),
  );
  if (can) {
    const pod = await node.untilReady("deep");
    expect(statusOf(pod, "main")?.volumeMounts).toEqual([mount("deep", "Enabled")]);
    const write = "touch /deep/inner/new 2>&1 || true";
    expect(await node.exec("deep", "main", "sh", "-c", write)).toContain("Read-only file system");
  } else {
    const waiting = (pod: Pod) => statusOf(pod, "main")?.state?.waiting;
    const pod = await node.until(
      "be refused",
      "deep",
      (one) => waiting(one)?.reason === "CreateContainerConfigError",
    );
    expect(waiting(pod)?.message).toContain("it is not supported by the runtime");
  }
  await node.take("deep");
}
