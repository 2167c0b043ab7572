import { existsSync } from "node:fs";
import { join } from "node:path";
import type { Pod } from "@raft2kube/api/gen/core/v1.ts";
import { systemClock } from "@raft2kube/std/clock.ts";
import { expect, test } from "vitest";
import { testFolder } from "../../testing/folders.ts";
import { startNodePlugins } from "../assembly/node-plugins.ts";
import { logEvents } from "../pods/pod-event-sink.ts";
import { NO_OBJECTS } from "../pods/pod-objects.ts";
import { volumesDir } from "../pods/pod-paths.ts";
import { PodVolumes } from "./pod-volumes.ts";

test("a gitRepo volume is refused, and nothing is cloned (CVE-2024-10220, 2025-1767)", async () => {
  const rootDir = testFolder("r2k-git-");
  const allocatable = () => ({ cpu_milli: 1, memory_bytes: 1, ephemeralStorage_bytes: 1 });
  const plugins = await startNodePlugins({
    rootDir,
    podLogsDir: join(rootDir, "logs"),
    nodeName: "node",
    client: undefined,
    clock: systemClock(),
    devices: { register: async () => undefined, deregister: async () => undefined },
    events: logEvents(),
    sources: { objects: NO_OBJECTS, allocatable, hostIPs: () => [] },
  });
  try {
    const paths = { rootDir, podLogsDir: join(rootDir, "logs"), containerLogsDir: undefined };
    const gitRepo = { repository: "file:///", directory: "..", revision: "--upload-pack=x" };
    const pod: Pod = {
      metadata: { name: "p", namespace: "n", uid: "u" },
      spec: {
        containers: [{ name: "c", volumeMounts: [{ name: "v", mountPath: "/v" }] }],
        volumes: [{ name: "v", gitRepo }],
      },
    };
    const volumes = new PodVolumes({
      plugins: plugins.volumes,
      paths,
      objects: NO_OBJECTS,
      clock: systemClock(),
    });
    const refused = /no volume plugin of this node serves volumes of kind gitRepo/;
    await expect(volumes.setUp(pod)).rejects.toThrow(refused);
    expect(existsSync(volumesDir(paths, "u"))).toBe(false);
  } finally {
    await plugins.close();
  }
});
