import { expect, it } from "vitest";
import type { Node } from "./fixture.ts";
import { sh, SLEEP, spec } from "./specs.ts";

/** Images as volumes (KEP-4639). */
export function imageVolumeRules(node: () => Node): void {
  it("an image is a read-only volume of a pod, whole or a subPath of it", async () => {
    const volumeMounts = [
      { name: "web", mountPath: "/all" },
      { name: "web", mountPath: "/part", subPath: "www" },
    ];
    const image = { reference: "r2k.local/web:1", pullPolicy: "Never" as const };
    node().put("pictured", spec([sh("main", SLEEP, { volumeMounts })], {
      volumes: [{ name: "web", image }],
    }));
    await node().untilReady("pictured");
    const run = (script: string) => node().exec("pictured", "main", "sh", "-c", script);
    expect(await run("ls /part")).toBe(await run("ls /all/www"));
    expect(await run("touch /all/new 2>&1 || true")).toContain("Read-only file system");
    await node().take("pictured");
  });
}
