import { expect, it } from "vitest";
import { type Node, statusOf } from "./fixture.ts";
import { SLEEP, sh, spec } from "./specs.ts";

/** Images as volumes (KEP-4639). */
export function imageVolumeRules(node: () => Node): void {
  it("an image is a read-only volume of a pod, whole or a subPath of it", async () => {
    const volumeMounts = [
      { name: "web", mountPath: "/all" },
      { name: "web", mountPath: "/part", subPath: "www" },
    ];
    const image = { reference: "r2k.local/web:1", pullPolicy: "Never" as const };
    node().put(
      "pictured",
      spec([sh("main", SLEEP, { volumeMounts })], { volumes: [{ name: "web", image }] }),
    );
    await node().untilReady("pictured");
    const run = (script: string) => node().exec("pictured", "main", "sh", "-c", script);
    expect(await run("ls /part")).toBe(await run("ls /all/www"));
    expect(await run("touch /all/new 2>&1 || true")).toContain("Read-only file system");
    await node().take("pictured");
  });
  it("the image of a volume is pulled by the volume's own policy", async () => {
    const present = "r2k.local/web:1"; // is here, and in no registry
    const absent = "127.0.0.1:1/absent:1";
    const policies = {
      "never-absent": { reference: absent, pullPolicy: "Never" as const },
      absent: { reference: absent, pullPolicy: "IfNotPresent" as const },
      always: { reference: present, pullPolicy: "Always" as const },
      present: { reference: present, pullPolicy: "IfNotPresent" as const },
    };
    const names = Object.keys(policies);
    const containers = names.map((name) =>
      sh(name, SLEEP, { volumeMounts: [{ name, mountPath: "/image" }] }),
    );
    const volumes = Object.entries(policies).map(([name, image]) => ({ name, image }));
    node().put("policies", spec(containers, { volumes }));
    const refused = /^(ErrImagePull|ImagePullBackOff)$/;
    const states = { "never-absent": /^ErrImageNeverPull$/, absent: refused, always: refused };
    await node().until(
      "have its images",
      "policies",
      (pod) =>
        statusOf(pod, "present")?.state?.running !== undefined &&
        Object.entries(states).every(([name, reason]) =>
          reason.test(statusOf(pod, name)?.state?.waiting?.reason ?? ""),
        ),
    );
    expect(await node().exec("policies", "present", "ls", "/image")).toContain("www");
    await node().take("policies");
  });
}
